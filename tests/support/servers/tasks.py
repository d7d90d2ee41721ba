"""A server with tasks of 2025-11-25 whose ids can be guessed: task-1, task-2 … Tools: `work` makes a task, `tell` says of the
newest task what real servers say of theirs, `finish` completes it."""
import sys
import threading

import base

RELATED = "io.modelcontextprotocol/related-task"
NAME = sys.argv[1] if len(sys.argv) > 1 else "tasks"
tasks, tokens, done = {}, {}, {}


def state(name):
    return {"taskId": name, "status": tasks[name], "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttl": 60000}


def meta(name):
    return {RELATED: {"taskId": name}}


def fail(message, code, text):
    base.send({"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": text}})


def work(message):
    params = message["params"]
    if "task" not in params:
        return fail(message, -32601, "as a task alone")
    name = f"task-{len(tasks) + 1}"
    tasks[name], done[name] = "working", threading.Event()
    tokens[name] = params.get("_meta", {}).get("progressToken")
    base.answer(message, {"task": state(name)})


def tell(message):
    name = f"task-{len(tasks)}"
    notes = {"notifications/progress": {"progressToken": tokens[name], "progress": 1},
             "notifications/message": {"level": "warning", "data": f"of {name}"}}
    for method, params in notes.items():
        base.send({"jsonrpc": "2.0", "method": method, "params": {**params, "_meta": meta(name)}})
    base.send({"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": state(name)})
    base.send({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "warning", "data": "of nobody in particular"}})
    base.answer(message, base.text("told"))


def finish(message):
    name = f"task-{len(tasks)}"
    tasks[name] = "completed"
    done[name].set()
    base.answer(message, base.text("finished"))


def about(message, method):
    name = message["params"]["taskId"]
    if name not in tasks:
        return fail(message, -32602, "no such task")
    if method == "tasks/get":
        return base.answer(message, state(name))
    if method == "tasks/cancel":
        if tasks[name] != "working":
            return fail(message, -32602, "it is over")
        tasks[name] = "cancelled"
        return base.answer(message, state(name))

    def result():
        done[name].wait()
        base.answer(message, {**base.text(f"{NAME} {name}"), "_meta": meta(name)})

    threading.Thread(target=result, daemon=True).start()


TOOLS = [{**base.tool("work"), "execution": {"taskSupport": "required"}}, base.tool("tell"), base.tool("finish")]
CALLS = {"work": work, "tell": tell, "finish": finish}

for message in base.messages():
    method = message.get("method")
    if method == "initialize":
        capabilities = {"tools": {}, "logging": {}, "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}}
        base.answer(message, {"protocolVersion": message["params"]["protocolVersion"], "capabilities": capabilities,
                              "serverInfo": {"name": NAME, "version": "1"}})
    elif method == "tools/call":
        CALLS[message["params"]["name"]](message)
    elif method in ("tasks/get", "tasks/result", "tasks/cancel"):
        about(message, method)
    elif not base.handshake(message, NAME, TOOLS) and "id" in message and "method" in message:
        fail(message, -32601, "Method not found")
