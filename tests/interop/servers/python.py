"""The features of the matrix on the Python SDK of PyPI (`mcp`), both eras: `python python.py NAME` serves stdio. What needs
the client is written as resolvers, which the SDK turns into requests or into rounds, as the era wants it."""
import sys
import warnings
from typing import Annotated

import anyio
from mcp.server.mcpserver import Context, Elicit, ListRoots, MCPServer, Resolve, Sample
from mcp_types import Completion, CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from pydantic import BaseModel

warnings.simplefilter("ignore")  # sampling, roots and logging are deprecated in 2026-07-28, and served all the same
name = sys.argv[1]
note = f"interop://{name}/note"
cancelled = set()
server = MCPServer(f"interop-{name}", version="1.0.0")


class Person(BaseModel):
    name: str


async def sample() -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text="Say something"))], max_tokens=20)


async def person() -> Elicit[Person]:
    return Elicit("Your name?", Person)


async def client_roots() -> ListRoots:
    return ListRoots()


@server.tool()
async def echo(message: str) -> str:
    """Answers with its message"""
    return message


@server.tool()
async def ask_sampling(answer: Annotated[CreateMessageResult, Resolve(sample)]) -> str:
    """Asks the client for a completion"""
    return f"sampled: {answer.content.text}"


@server.tool()
async def ask_elicitation(answer: Annotated[Person, Resolve(person)]) -> str:
    """Asks the user for a name"""
    return f"accept: {answer.name}"


@server.tool()
async def ask_roots(answer: Annotated[ListRootsResult, Resolve(client_roots)]) -> str:
    """Asks the client for its roots"""
    return "roots: " + " ".join(str(root.uri) for root in answer.roots)


@server.tool()
async def count(context: Context) -> str:
    """Reports progress three times"""
    for progress in (1, 2, 3):
        await context.report_progress(progress, 3)
    await anyio.sleep(0.4)  # a client of the TypeScript SDK drops progress that it reads together with the answer
    return "counted"


@server.tool()
async def wait(mark: str, context: Context) -> str:
    """Reports progress once, then waits to be cancelled"""
    await context.report_progress(1)
    try:
        await anyio.sleep(20)
    except anyio.get_cancelled_exc_class():
        cancelled.add(mark)
        raise
    return "waited"


@server.tool()
async def was_cancelled(mark: str) -> str:
    """Whether that wait was cancelled"""
    return "yes" if mark in cancelled else "no"


@server.tool()
async def touch(context: Context) -> str:
    """Changes the note"""
    await context.notify_resource_updated(note)
    return "touched"


@server.tool()
async def log(context: Context) -> str:
    """Writes one log message"""
    await context.info(f"logged by {name}", logger_name=name)
    return "logged"


@server.resource(note)
def read_note() -> str:
    return f"note of {name}"


@server.resource(f"interop://{name}/item/{{id}}")
def read_item(id: str) -> str:
    return f"item {id} of {name}"


@server.prompt()
def greet(who: str) -> str:
    """A greeting"""
    return f"Greet {who} from {name}"


@server.completion()
async def complete(_ref, argument, _context):
    return Completion(values=[one for one in ("Ada", "Alan", "Grace") if one.startswith(argument.value)])


server.run()
