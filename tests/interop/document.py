"""The tables of docs/interoperability.md, made of what ran: `python -m interop.document` (in tests/) writes them from the
last run's results in build/test-results/interoperability.json."""
import json
import pathlib
import sys

from interop import matrix, plan, reasons
from support import machine

DOCUMENT = machine.ROOT / "docs" / "interoperability.md"
RESULTS = machine.ROOT / "build" / "test-results" / "interoperability.json"
BEGIN, END = "<!-- written by tests/interop/document.py: begin -->", "<!-- end -->"

CLIENTS = {
    "typescript-1": "`@modelcontextprotocol/sdk` (TypeScript SDK 1.x)",
    "typescript-2-legacy": "`@modelcontextprotocol/client` (TypeScript SDK 2.x), older revisions",
    "typescript-2-modern": "`@modelcontextprotocol/client` (TypeScript SDK 2.x), 2026-07-28",
    "python": "`mcp` (Python SDK)",
    "go": "`github.com/modelcontextprotocol/go-sdk` (Go SDK)",
    "mcp-remote": "`mcp-remote`, started by a TypeScript SDK 1.x client",
    "inspector": "`@modelcontextprotocol/inspector` (`mcp-inspector --cli` and `mcpdo`)",
    "mcpc": "`@apify/mcpc`",
    "mcporter": "`mcporter`",
}
SERVERS = {"typescript-1": "TypeScript SDK 1.x", "typescript-2": "TypeScript SDK 2.x", "python": "Python SDK", "go": "Go SDK", "everything": "server-everything"}


def save(cells):
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps([[*key, cell.ok, cell.why, cell.able] for key, cell in sorted(cells.items())], indent=0))


def load():
    return {tuple(row[:4]): matrix.Cell(*row[4:]) for row in json.loads(RESULTS.read_text())}


def versions():
    """The exact versions that ran, from the lists that they were installed by."""
    npm = json.loads((machine.ROOT / "tests" / "package.json").read_text())["dependencies"]
    shown = [f"{name} {npm[name]}" for name in ("@modelcontextprotocol/sdk", "@modelcontextprotocol/client", "@modelcontextprotocol/server",
                                                "@modelcontextprotocol/server-everything", "@modelcontextprotocol/inspector", "@apify/mcpc", "mcporter", "mcp-remote")]
    python = dict(line.split("==") for line in (machine.ROOT / "tests" / "requirements.txt").read_text().split() if "==" in line)
    go = next(line.split() for line in (matrix.HERE / "go" / "go.mod").read_text().splitlines() if line.startswith("require "))
    return ", ".join([*shown, f"PyPI mcp {python['mcp']}", f"{go[1]} {go[2]}"])


def _cell(cells, notes, client, server, feature):
    ways = [way for way in matrix.ways_of(client) if way != "direct"]
    working, lines = [], []
    for way in ways:
        cell = cells[client, server, feature, way]
        line = None if cell.ok else f"it {cell.why}" if not cell.able else reasons.stated(client, server, feature, way) or cell.why
        if line is None:
            working.append(way)
        elif line not in lines:
            lines.append(line)
    marks = " ".join(f"[{notes.setdefault(line, len(notes) + 1)}]" for line in lines)
    if not lines:
        return "yes"
    return f"{working[0]} alone {marks}" if working else marks


def render(cells):
    parts = [f"What ran: {versions()}.", ""]
    for client, title in CLIENTS.items():
        notes = {}
        rows = [[feature, *(_cell(cells, notes, client, server, feature) for server in SERVERS)] for feature in plan.FEATURES]
        parts += [f"### {title}", "", "| | " + " | ".join(SERVERS.values()) + " |", "|---" * (len(SERVERS) + 1) + "|"]
        parts += ["| " + " | ".join(row) + " |" for row in rows]
        parts += ["", *(f"- [{number}] {line}" for line, number in notes.items()), *([""] if notes else [])]
    return "\n".join(parts).rstrip() + "\n"


def written():
    """The tables as they stand in the document."""
    return DOCUMENT.read_text().split(BEGIN + "\n", 1)[1].split(END, 1)[0]


def write(text):
    before, rest = DOCUMENT.read_text().split(BEGIN + "\n", 1)
    DOCUMENT.write_text(before + BEGIN + "\n" + text + END + rest.split(END, 1)[1])


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    write(render(load()))
