"""Why a cell of the matrix cannot work, in one line each. Every cell that does not work needs one, and a line whose cells
work must go. Written as (clients, servers, features, ways, line); ANY stands for all."""
ANY = None
GATEWAY = ("http", "stdio")
_FROM_2026 = ("typescript-1", "everything")  # servers without 2026-07-28

# What is so between a client and a server alone; through the gateway the same, unless a line says otherwise.
DIRECT = [
    (("typescript-2-modern",), _FROM_2026, ANY, ("direct",), "the client is pinned to 2026-07-28 and the server speaks older revisions alone"),
    (("typescript-1", "typescript-2-legacy", "inspector", "mcp-remote"), ("python",), ("subscriptions",), ("direct",),
     "the Python SDK's server offers subscriptions in 2026-07-28 alone"),
    (("inspector",), ("python",), ("logging",), ("direct",), "the Python SDK's server declares no logging in older revisions, and the inspector insists on it"),
    (("go",), ("typescript-2", "python"), ("roots",), ("direct",), "the Go SDK's client refuses a question for roots that has no params (which they need not have)"),
]

# What the gateway does not offer so far.
_LATER = "the gateway does not offer this yet"
THROUGH = [
    (("typescript-2-modern",), ANY, ANY, GATEWAY, "the gateway does not speak 2026-07-28 yet"),
    (ANY, ANY, ("resources", "prompts", "sampling", "elicitation", "roots", "subscriptions", "completion"), GATEWAY, _LATER),
    # Between many calls in flight at a shared server a log message belongs to none: which arrive depends on the moment.
    (ANY, ANY, ("logging",), GATEWAY, "servers are shared, and a log message that comes while several calls run goes to the gateway's log"),
]
DEPENDS_ON_THE_MOMENT = ("logging",)  # of THROUGH: such a cell may work as well


def _matches(line, cell):
    return all(allowed is ANY or value in allowed for allowed, value in zip(line, cell))


def stated(client, server, feature, way):
    """The line for this cell, or None."""
    for line in THROUGH + DIRECT if way in GATEWAY else DIRECT:
        if _matches(line, (client, server, feature, way)):
            return line[4]
    return None


def may_work(feature, way):
    return way in GATEWAY and feature in DEPENDS_ON_THE_MOMENT
