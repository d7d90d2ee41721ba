#!/usr/bin/python3
"""A stdio server that does what it is told, the bad included. Each call runs in a thread of its own and gives its `text`
back, so that whoever gets an answer can see whose it is. `wild.py both` speaks 2026-07-28 as well. Tools: see TOOLS."""
import os
import sys
import threading
import time

import base

TOOLS = [
    base.tool("echo", "Gives the text back", text="string"),
    base.tool("slow", "Gives the text back after some seconds", text="string", seconds="number"),
    base.tool("steps", "Reports progress with the text, then gives it back", text="string", steps="integer", seconds="number"),
    base.tool("big", "Gives the text back, and so many bytes", text="string", bytes="integer"),
    base.tool("mine", "Remembers who, gives back all names that it was ever called with", text="string", who="string"),
    base.tool("grow", "Adds a tool or takes it away again, and says so", text="string"),
    base.tool("stall", "Never answers", text="string"),
    base.tool("flood", "Sends two thousand notifications, then the text", text="string"),
    base.tool("garbage", "Writes what is no message, then the text", text="string"),
    base.tool("twice", "Answers twice", text="string"),
    base.tool("exit", "Ends the process in the midst of the call", text="string"),
]
GROWN = base.tool("grown", "Comes and goes")
MODERN = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
BOTH = "both" in sys.argv[1:]
names, listening, lock = set(), set(), threading.Lock()
cancelled = set()


def is_modern(message):
    return BOTH and message.get("params", {}).get("_meta", {}).get(PREFIX + "protocolVersion") == MODERN


def answer(message, text):
    result = base.text(text)
    base.answer(message, {**result, "resultType": "complete"} if is_modern(message) else result)


def rest(message, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end and message["id"] not in cancelled:
        time.sleep(0.02)
    return message["id"] not in cancelled


def steps(message, text, arguments):
    token = message["params"].get("_meta", {}).get("progressToken")
    for step in range(1, arguments["steps"] + 1):
        if not rest(message, arguments["seconds"]):
            return
        if token is not None:
            base.send({"jsonrpc": "2.0", "method": "notifications/progress",
                       "params": {"progressToken": token, "progress": step, "total": arguments["steps"], "message": text}})
    answer(message, text)


def mine(message, text, arguments):
    with lock:
        names.add(arguments["who"])
        answer(message, " ".join([text, *sorted(names)]))


def grow(message, text):
    with lock:
        TOOLS.remove(GROWN) if GROWN in TOOLS else TOOLS.append(GROWN)
    changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    for ident in list(listening):
        base.send({**changed, "params": {"_meta": {PREFIX + "subscriptionId": ident}}})
    if not listening:
        base.send(changed)
    answer(message, text)


def flood(message, text):
    line = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"' + b"f" * 500 + b'"}}\n'
    for _ in range(40):
        base.send_raw(line * 50)
    answer(message, text)


def garbage(message, text):
    base.send_raw(b"this is no JSON\n\x00\xff\xfe\n{\"jsonrpc\":\n[]\n42\n{}\n"
                  b'{"jsonrpc":"2.0","id":999999999,"result":{}}\n{"jsonrpc":"2.0","id":"nobody","result":{}}\n')
    answer(message, text)


def call(message):
    name, arguments = message["params"]["name"], message["params"].get("arguments") or {}
    text = arguments.get("text", "")
    if name == "slow":
        if rest(message, arguments["seconds"]):
            answer(message, text)
    elif name == "big":
        answer(message, text + "x" * arguments["bytes"])
    elif name in ("steps", "mine"):
        {"steps": steps, "mine": mine}[name](message, text, arguments)
    elif name in ("grow", "flood", "garbage"):
        {"grow": grow, "flood": flood, "garbage": garbage}[name](message, text)
    elif name == "exit":
        os._exit(7)
    elif name in ("echo", "grown", "twice"):
        for _ in range(2 if name == "twice" else 1):
            answer(message, text)
    elif name != "stall":
        base.send({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32602, "message": f"Unknown tool {name}"}})


def take_modern(message):
    method = message["method"]
    if method == "server/discover":
        base.answer(message, {"resultType": "complete", "supportedVersions": [MODERN], "capabilities": {"tools": {"listChanged": True}},
                              "_meta": {PREFIX + "serverInfo": {"name": "wild", "version": "1"}}})
    elif method == "tools/list":
        base.answer(message, {"resultType": "complete", "tools": TOOLS, "ttlMs": 0, "cacheScope": "public"})
    elif method == "subscriptions/listen":
        listening.add(message["id"])
        base.send({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
                   "params": {"notifications": message["params"]["notifications"], "_meta": {PREFIX + "subscriptionId": message["id"]}}})
    else:
        return False
    return True


def main():
    for message in base.messages():
        method = message.get("method")
        if method and "id" in message and (is_modern(message) and take_modern(message) or base.handshake(message, "wild", TOOLS)):
            continue
        if method == "tools/call":
            threading.Thread(target=call, args=(message,), daemon=True).start()
        elif method == "notifications/cancelled":
            cancelled.add(message["params"]["requestId"])
            listening.discard(message["params"]["requestId"])
        elif "id" in message and method:
            base.send({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}})


if __name__ == "__main__":
    main()
