#!/usr/bin/python3
"""Arrows between rooms point down (DESIGN.md section 5): reads every #include of src/ and apps/ and refuses one that
goes to a room its own room may not use. Exit 0: all as allowed; 1: at least one is not."""
import pathlib
import re
import sys

# room → rooms it may include (besides itself). One table; a new room is added here first.
LOW = {"base"}
MIDDLE = LOW | {"os", "json", "telemetry"}
PARSERS = MIDDLE | {"io"}
SHARED = PARSERS | {"http", "ipc"}
ROOMS = {
    "base": set(),
    "os": LOW,
    "json": LOW,
    "telemetry": LOW,
    "io": MIDDLE,
    "http": PARSERS,
    "ipc": PARSERS,
    "config": PARSERS,
    "exposure": PARSERS | {"config"},  # its YAML tree, for the expected state
    "door": SHARED,
    "engine/identity": SHARED,
    "engine/audit": SHARED | {"engine/identity"},
    "engine/upstream": SHARED | {"engine/identity", "engine/audit"},
    "engine/mcp": SHARED | {"engine/identity", "engine/audit", "engine/upstream"},
    "engine/line": SHARED | {"engine/identity", "engine/audit", "engine/upstream", "engine/mcp"},
    "engine/shards": SHARED | {"engine/identity", "engine/audit", "engine/upstream", "engine/mcp", "engine/line"},
    "supervisor": SHARED | {"config", "exposure"},
}
# Programs: the rooms of one process, so that the door cannot call policy and the engine cannot call accept.
PROGRAMS = {
    "clawql-api": SHARED | {"supervisor", "config", "exposure"},
    "clawql-door": SHARED | {"door"},
    "clawql-engine": SHARED | {room for room in ROOMS if room.startswith("engine/")},
    "clawql-run": MIDDLE,
    "clawql-stdio": MIDDLE,
    "clawql": SHARED | {"config", "exposure"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def room_of(path: str):
    parts = path.split("/")
    if parts[0] == "engine" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0] if len(parts) > 1 else None


def check(root: pathlib.Path):
    problems, count = [], 0
    sources = [p for folder in ("src", "apps") for p in sorted((root / folder).rglob("*")) if p.suffix in (".hpp", ".cpp")]
    for path in sources:
        relative = path.relative_to(root)
        inside = "/".join(relative.parts[1:])
        if relative.parts[0] == "apps":
            own, allowed = f"apps/{relative.parts[1]}", PROGRAMS.get(relative.parts[1])
        else:
            own, allowed = room_of(inside), ROOMS.get(room_of(inside) or "")
        if allowed is None:
            problems.append(f"{relative}: {own} is not in the table of scripts/check-arrows.py")
            continue
        text = path.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            target = match.group(1)
            if "/" not in target:  # a file of the program's own folder
                continue
            room = room_of(target)
            count += 1
            if room == own or room in allowed or (relative.parts[0] == "apps" and target.startswith(relative.parts[1])):
                continue
            line = text.count("\n", 0, match.start()) + 1
            problems.append(f"{relative}:{line}: {own} may not include {target} (allowed: {', '.join(sorted(allowed)) or 'nothing'})")
    return problems, count, len(sources)


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    problems, count, files = check(root)
    for problem in problems:
        print(problem)
    print(f"arrows: {count} includes in {files} files, {len(problems)} wrong")
    return 1 if problems or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
