"""Drives a server with the client of the Python SDK (`mcp` of PyPI), in the era that it chooses itself (it asks for
2026-07-28 first): `python.py http URL` or `python.py stdio COMMAND ARGS…`. Plan and answers as in features.mjs."""
import json
import os
import sys
import warnings

import anyio
import mcp_types as types
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

warnings.simplefilter("ignore")  # sampling, roots and logging are deprecated in 2026-07-28, and tried all the same
MODERN = "2026-07-28"
updates, logs = [], []


async def sample(_context, _params):
    return types.CreateMessageResult(role="assistant", model="driver", content=types.TextContent(type="text", text="answered by the client"))


async def elicit(_context, _params):
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def list_roots(_context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///interop/root", name="root")])


async def on_log(params):
    logs.append(str(params.data))


async def on_message(message):
    if isinstance(message, types.ResourceUpdatedNotification):
        updates.append(str(message.params.uri))


def need(truth, what):
    if not truth:
        raise AssertionError(what)


async def until(check, what, patience=20.0):
    with anyio.move_on_after(patience):
        while not await check():
            await anyio.sleep(0.02)
        return
    raise AssertionError(f"not within {patience} s: {what}")


def text_of(result):
    return "".join(getattr(part, "text", "") for part in result.content)


async def call(client, check, **options):
    result = await client.call_tool(check["tool"], check.get("arguments", {}), **options)
    need(not result.is_error, f"the tool answered: {text_of(result)}")
    need(check.get("expect", "") in text_of(result), f"the tool answered {text_of(result)!r}")
    return result


async def tools(client, check):
    need(check["tool"] in [tool.name for tool in (await client.list_tools()).tools], f"{check['tool']} is not listed")
    await call(client, check)


async def resources(client, check):
    need(check["uri"] in [str(resource.uri) for resource in (await client.list_resources()).resources], f"{check['uri']} is not listed")
    templates = [template.uri_template for template in (await client.list_resource_templates()).resource_templates]
    need(check["template"] in templates, f"{check['template']} is not listed")
    for uri, expect in ((check["uri"], check["expect"]), (check["item"], check["itemExpect"])):
        contents = (await client.read_resource(uri)).contents
        need(expect in contents[0].text, f"{uri} is {contents}")


async def prompts(client, check):
    need(check["prompt"] in [prompt.name for prompt in (await client.list_prompts()).prompts], f"{check['prompt']} is not listed")
    messages = (await client.get_prompt(check["prompt"], check["arguments"])).messages
    need(check["expect"] in messages[0].content.text, f"the prompt is {messages}")


async def progress(client, check):
    seen = []

    async def on_progress(value, _total, _message):
        seen.append(value)

    async def enough():
        return len(seen) >= check["least"]

    await call(client, check, progress_callback=on_progress)
    await until(enough, f"{check['least']} progress notifications ({len(seen)} came)", 3)


async def cancellation(client, check):
    running = anyio.Event()

    async def on_progress(*_):
        running.set()

    async def wait(scope):
        with scope:
            await call(client, check, progress_callback=on_progress)
            raise AssertionError("the cancelled call was answered")

    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()
        group.start_soon(wait, scope)
        with anyio.fail_after(20):
            await running.wait()
        scope.cancel()
    if "observe" not in check:
        await call(client, check["afterwards"])
        return
    observe = check["observe"]

    async def seen():
        return observe["expect"] in text_of(await call(client, {**observe, "expect": ""}))

    await until(seen, "the server saw the cancellation", 8)


async def subscriptions(client, check):
    async def updated():
        return check["uri"] in updates

    async def touch_and_see():
        try:
            await call(client, check)
            await until(updated, "the update of the resource", check["patience"])
        finally:
            if "afterwards" in check:
                await call(client, check["afterwards"])

    if client.protocol_version == MODERN:
        async with client.listen(resource_subscriptions=[check["uri"]]) as subscription:
            need(check["uri"] in (subscription.honored.resource_subscriptions or []), "the server grants no subscription")
            await touch_and_see()
        return
    await client.subscribe_resource(check["uri"])
    await touch_and_see()
    await client.unsubscribe_resource(check["uri"])


async def logging(client, check):
    async def logged():
        return any(check["expect"] in line for line in logs)

    meta = None
    if client.protocol_version == MODERN:
        meta = {"io.modelcontextprotocol/logLevel": check["level"]}
    elif client.server_capabilities.logging is not None:
        await client.set_logging_level(check["level"])
    try:
        await call(client, {**check, "expect": ""}, meta=meta)
        await until(logged, "the log message", 8)
    finally:
        if "afterwards" in check:
            await call(client, check["afterwards"])


async def completion(client, check):
    reference = types.PromptReference(type="ref/prompt", name=check["ref"]["name"])
    values = (await client.complete(reference, check["argument"])).completion.values
    need(check["expect"] in values, f"completed with {values}")


TRIED = {**{one.__name__: one for one in (tools, resources, prompts, progress, cancellation, subscriptions, logging, completion)},
         "sampling": call, "elicitation": call, "roots": call}


def reason(problem):
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return " ".join(str(problem).split())[:300] or type(problem).__name__


async def main(kind, target, *args):
    server = target if kind == "http" else StdioServerParameters(command=target, args=list(args), env=dict(os.environ))
    plan = json.load(sys.stdin)
    async with Client(server, sampling_callback=sample, elicitation_callback=elicit, list_roots_callback=list_roots, logging_callback=on_log,
                      message_handler=on_message, read_timeout_seconds=20) as client:
        for check in plan:
            why = ""
            try:
                await TRIED[check["feature"]](client, check)
            except Exception as problem:
                why = reason(problem)
            print(json.dumps({"server": check["server"], "feature": check["feature"], "ok": not why, "why": why}), flush=True)


anyio.run(main, *sys.argv[1:])
