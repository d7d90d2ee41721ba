#!/usr/bin/python3
"""A stdio server that opens and closes a TCP listener when it is told to."""
import socket

import base

TOOLS = [base.tool("listen", "Listens on 127.0.0.1", port="integer"), base.tool("close", "Closes that listener")]
open_socket = None

for message in base.messages():
    if base.handshake(message, "listener", TOOLS) or message.get("method") != "tools/call":
        continue
    if message["params"]["name"] == "listen":
        open_socket = socket.create_server(("127.0.0.1", message["params"]["arguments"]["port"]))
    elif open_socket:
        open_socket.close()
    base.answer(message, base.text("done"))
