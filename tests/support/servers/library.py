#!/usr/bin/python3
"""A stdio server with resources, a template, prompts and completion. Its argument is the scheme of its URIs, or several;
`shelf:///common` it always has. Tools: `touch` says that a resource changed, `subscribed` gives the URIs that are
subscribed to, `end` ends the process."""
import json
import os
import sys

import base

SCHEMES = sys.argv[1:]
TOOLS = [base.tool("touch", "Says that a resource changed", uri="string"), base.tool("subscribed", "The URIs that are subscribed to"),
         base.tool("end", "Ends the process")]
subscribed = []


def resources():
    own = [{"uri": f"{scheme}:///book/{number}", "name": f"book {number}"} for scheme in SCHEMES for number in (1, 2)]
    return own + [{"uri": "shelf:///common", "name": f"of {SCHEMES[0]}"}]


def templates():
    return [{"uriTemplate": f"{scheme}:///page/{{number}}", "name": "page"} for scheme in SCHEMES]


def read(uri):
    if any(resource["uri"] == uri for resource in resources()) or any(uri.startswith(f"{scheme}:///page/") for scheme in SCHEMES):
        return {"contents": [{"uri": uri, "mimeType": "text/plain", "text": f"{SCHEMES[0]} has {uri}"}]}
    return None


def say_error(message, code, words):
    base.send({"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": words}})


def call(message):
    name, arguments = message["params"]["name"], message["params"].get("arguments") or {}
    if name == "end":
        os._exit(3)
    if name == "touch":
        base.send({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": arguments["uri"]}})
    base.answer(message, base.text(json.dumps(sorted(subscribed)) if name == "subscribed" else "done"))


def take(message):
    method, params = message.get("method"), message.get("params") or {}
    if method == "initialize":
        capabilities = {"tools": {}, "resources": {"subscribe": True, "listChanged": True}, "prompts": {}, "completions": {}}
        base.answer(message, {"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": {"name": "library", "version": "1"}})
    elif method == "resources/list":
        base.answer(message, {"resources": resources()})
    elif method == "resources/templates/list":
        base.answer(message, {"resourceTemplates": templates()})
    elif method == "resources/read":
        content = read(params["uri"])
        base.answer(message, content) if content else say_error(message, -32002, "Resource not found")
    elif method in ("resources/subscribe", "resources/unsubscribe"):
        subscribed.append(params["uri"]) if method == "resources/subscribe" else subscribed.remove(params["uri"])
        base.answer(message, {})
    elif method == "prompts/list":
        base.answer(message, {"prompts": [{"name": "greet", "arguments": [{"name": "whom"}]}]})
    elif method == "prompts/get":
        words = f"{params['name']} {params.get('arguments', {}).get('whom', 'all')} from {SCHEMES[0]}"
        base.answer(message, {"messages": [{"role": "user", "content": {"type": "text", "text": words}}]})
    elif method == "completion/complete":
        base.answer(message, {"completion": {"values": [f"{SCHEMES[0]} {params['ref'].get('name', params['ref'].get('uri'))} {params['argument']['value']}"]}})
    elif method == "tools/call":
        call(message)
    elif not base.handshake(message, "library", TOOLS) and "id" in message:
        say_error(message, -32601, "Method not found")


if __name__ == "__main__":
    for each in base.messages():
        take(each)
