#!/usr/bin/python3
"""Servers that misbehave: `hostile.py MODE`. All answer the handshake and list one tool `act` unless the mode is about
that; the misbehaviour begins with the call."""
import os
import sys
import threading
import time

import base

TOOLS = [base.tool("act"), base.tool("good")]


def flood_stdout(message):
    """Notifications without end, as fast as the pipe takes them; the answer comes in between."""
    base.answer(message, base.text("flooding"))
    line = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"' + b"f" * 1000 + b'"}}\n'
    while True:
        base.send_raw(line * 50)


def flood_stderr(message):
    base.answer(message, base.text("flooding"))
    while True:
        sys.stderr.write("e" * 4000 + "\x1b[31m\n")


def garbage(message):
    base.send_raw(b"this is no JSON\n\x00\xff\xfe\n{\"jsonrpc\":\n[]\n42\n\"text\"\n{}\n")
    base.answer(message, base.text("after garbage"))


def wrong_ids(message):
    for ident in (999999, "nobody", None, -1, 1.5):
        base.send({"jsonrpc": "2.0", "id": ident, "result": base.text("not yours")})
    base.answer(message, base.text("mine"))


def twice(message):
    base.answer(message, base.text("first"))
    base.answer(message, base.text("second"))


def duplicate_keys(message):
    base.send_raw(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[]},"result":{"content":[]}}\n' % message["id"])


def bad_utf8(message):
    base.send_raw(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"\xff"}]}}\n' % message["id"])


def too_deep(message):
    base.send_raw(b'{"jsonrpc":"2.0","id":%d,"result":' % message["id"] + b"[" * 5000 + b"]" * 5000 + b"}\n")


def too_long(message):
    piece = b"x" * (1 << 20)
    base.send_raw(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":"' % message["id"])
    for _ in range(20):
        base.send_raw(piece)
    base.send_raw(b'"}]}}\n')


def stall(message):
    pass


def deaf(message):
    """Never reads again, so that its stdin fills."""
    while True:
        time.sleep(3600)


def close_stdout(message):
    os.close(1)
    time.sleep(3600)


def exit_at_once(message):
    os._exit(7)


def asks(message):
    """Sends requests of its own, which the gateway (that declared nothing) must refuse, and tells what came back."""
    base.send({"jsonrpc": "2.0", "id": "mine-1", "method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}})
    base.send({"jsonrpc": "2.0", "id": "mine-2", "method": "ping"})
    answers = [next(base.messages()) for _ in range(2)]
    base.answer(message, base.text(str(sorted((str(a["id"]), a.get("error", {}).get("code")) for a in answers))))


MODES = {f.__name__: f for f in (flood_stdout, flood_stderr, garbage, wrong_ids, twice, duplicate_keys, bad_utf8, too_deep, too_long, stall,
                                 deaf, close_stdout, exit_at_once, asks)}


def main():
    mode = sys.argv[1]
    if mode == "dies_at_start":
        print("cannot find my licence \x1b[31mkey\x07", file=sys.stderr)
        sys.exit(3)
    if mode == "never_initializes":
        while sys.stdin.buffer.readline():
            pass
        return
    for message in base.messages():
        if base.handshake(message, mode, TOOLS) or message.get("method") != "tools/call":
            continue
        if message["params"]["name"] == "good":
            base.answer(message, base.text("good"))
        elif mode.startswith("flood"):
            threading.Thread(target=MODES[mode], args=(message,), daemon=True).start()
        else:
            MODES[mode](message)


if __name__ == "__main__":
    main()
