"""Why a cell of the matrix cannot work, in one line each. Every cell that does not work needs one, and a line whose cells
work must go. Written as (clients, servers, features, ways, line); ANY stands for all."""
from interop import matrix

ANY = None
DIRECT, GATEWAY = ("direct",), ("http", "stdio")
_OLDER = ("typescript-1", "everything")  # servers without 2026-07-28

LINES = [
    # What is so between a client and a server alone, and the gateway changes nothing of it.
    (("typescript-1", "typescript-2-legacy", "inspector", "mcp-remote"), ("python",), ("subscriptions",), ANY,
     "the Python SDK's server offers subscriptions in 2026-07-28 alone, and the client speaks older revisions"),
    (("go",), ("typescript-2", "python"), ("roots",), ANY, "the Go SDK's client cannot read a question for roots without params (which it need not have)"),
    # What the gateway makes possible.
    (("typescript-2-modern",), _OLDER, ANY, DIRECT, "the client is pinned to 2026-07-28 and the server speaks older revisions alone"),
    (("inspector", "mcpc"), ("python",), ("logging",), DIRECT, "the Python SDK's server knows no log level in older revisions, and the program cannot set one"),
    # What the gateway does not offer. These clients choose 2026-07-28 with it, and the older revisions with such a server directly.
    (matrix.MODERN, _OLDER, ("sampling", "elicitation", "roots"), GATEWAY,
     "the server asks with a request of an older revision, a client of 2026-07-28 is asked in a result, and the gateway does not turn one into the other"),
]


def stated(client, server, feature, way):
    """The line for this cell, or None."""
    cell = (client, server, feature, way)
    for line in LINES:
        if all(allowed is ANY or value in allowed for allowed, value in zip(line, cell)):
            return line[4]
    return None
