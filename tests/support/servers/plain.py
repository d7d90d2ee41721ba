#!/usr/bin/python3
"""A well-behaved stdio server for the tests. Every call runs in a thread of its own, so answers come in any order.
`CALLS_FILE`: each call appends a line there. Tools: see TOOLS."""
import json
import os
import signal
import sys
import threading
import time

import base

TOOLS = [
    base.tool("echo", "Gives the text back", text="string"),
    base.tool("raw", "Gives the arguments back as the bytes that came"),
    base.tool("slow", "Gives the text back after some seconds", text="string", seconds="number"),
    base.tool("environment", "The whole environment, as JSON"),
    base.tool("pid", "The process id"),
    base.tool("steps", "Reports progress", steps="integer"),
    base.tool("talk", "Sends a log message", level="string", text="string"),
    base.tool("big", "A text of so many bytes", bytes="integer"),
    base.tool("die", "Ends the process in the middle of the call"),
    base.tool("grow", "Adds a tool and says so"),
    base.tool("fork", "Starts a grandchild that outlives the call, gives its pid"),
    base.tool("broken", "Answers with an error"),
]
cancelled = set()


def record(message):
    path = os.environ.get("CALLS_FILE")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(message) + "\n")


def slow(message, arguments):
    end = time.monotonic() + arguments["seconds"]
    while time.monotonic() < end:
        if message["id"] in cancelled:
            return
        time.sleep(0.01)
    base.answer(message, base.text(arguments.get("text", "")))


def steps(message, arguments):
    token = message["params"].get("_meta", {}).get("progressToken")
    for step in range(arguments["steps"]):
        if token is not None:
            base.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": step + 1, "total": arguments["steps"]}})
    base.answer(message, base.text(f"{arguments['steps']} steps"))


def grow(message):
    TOOLS.append(base.tool(f"grown{len(TOOLS)}"))
    base.send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    base.answer(message, base.text(TOOLS[-1]["name"]))


def fork(message):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(3600)
    base.answer(message, base.text(str(pid)))


def call(message, line):
    record(message)
    name, arguments = message["params"]["name"], message["params"].get("arguments") or {}
    if name == "echo":
        base.answer(message, base.text(arguments.get("text", "")))
    elif name == "raw":
        base.answer(message, base.text(line))
    elif name == "slow":
        slow(message, arguments)
    elif name == "environment":
        base.answer(message, base.text(json.dumps(dict(os.environ))))
    elif name == "pid":
        base.answer(message, base.text(str(os.getpid())))
    elif name == "steps":
        steps(message, arguments)
    elif name == "talk":
        base.send({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": arguments["level"], "data": arguments["text"]}})
        base.answer(message, base.text("said"))
    elif name == "big":
        base.answer(message, base.text("x" * arguments["bytes"]))
    elif name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == "grow":
        grow(message)
    elif name == "fork":
        fork(message)
    elif name == "broken":
        base.send({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32099, "message": "broken on purpose", "data": {"why": "test"}}})
    else:
        base.send({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32602, "message": f"Unknown tool {name}"}})


def main():
    print("plain server started", file=sys.stderr, flush=True)
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        message = json.loads(line)
        if base.handshake(message, "plain", TOOLS):
            continue
        method = message.get("method")
        if method == "tools/call":
            threading.Thread(target=call, args=(message, line.decode()), daemon=True).start()
        elif method == "notifications/cancelled":
            cancelled.add(message["params"]["requestId"])
        elif "id" in message and method:
            base.send({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}})


if __name__ == "__main__":
    main()
