"""What the test servers share: reading lines, writing messages from several threads, answering the handshake."""
import json
import sys
import threading

_lock = threading.Lock()


def send(message):
    send_raw(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def send_raw(data: bytes):
    with _lock:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def answer(message, result):
    send({"jsonrpc": "2.0", "id": message["id"], "result": result})


def text(value, is_error=False):
    return {"content": [{"type": "text", "text": value}], **({"isError": True} if is_error else {})}


def tool(name, description="", **properties):
    return {"name": name, "description": description, "inputSchema": {"type": "object", "properties": {k: {"type": v} for k, v in properties.items()}}}


def handshake(message, name, tools):
    """Answers initialize, ping and tools/list, and that it knows no server/discover; whether it did."""
    method = message.get("method")
    if method == "initialize":
        answer(message, {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {"listChanged": True}, "logging": {}},
                         "serverInfo": {"name": name, "version": "1"}})
    elif method in ("ping", "logging/setLevel"):
        answer(message, {})
    elif method == "tools/list":
        answer(message, {"tools": tools})
    elif method == "server/discover":
        send({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
    else:
        return False
    return True


def messages():
    for line in sys.stdin.buffer:
        if line.strip():
            yield json.loads(line)
