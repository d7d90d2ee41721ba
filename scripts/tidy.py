#!/usr/bin/python3
"""clang-tidy over the sources whose text (or whose headers' text) it has not seen clean before.

A file counts as seen when its hash over .clang-tidy, itself and every project header it reaches is in the cache, so a
warm run looks only at what changed. Newest changes first; after --seconds no new file is begun, and how many are left is
said: the next run goes on from there.   scripts/tidy.py [--seconds N] [--all] [FILE…]"""
import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("CLAWQL_CACHE", os.path.expanduser("~/.cache/clawql"))) / "tidy"
# Tests and fuzzers run under the sanitizers, which see what the analyzer would; it costs most where macros are many.
WITHOUT_ANALYZER = re.compile(r"(_test|_fuzz)\.cpp$|^tests/")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def reach(path: pathlib.Path, seen: dict):
    if path in seen or not path.exists():
        return
    seen[path] = path.read_bytes()
    for target in INCLUDE.findall(seen[path].decode("utf-8", "replace")):
        for candidate in (ROOT / "src" / target, path.parent / target):
            if candidate.exists():
                reach(candidate.resolve(), seen)
                break


def key(path: pathlib.Path) -> str:
    seen: dict = {}
    reach(path.resolve(), seen)
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for name in sorted(seen):
        digest.update(str(name.relative_to(ROOT)).encode() + b"\0" + seen[name])
    return digest.hexdigest()


def newest_first(paths):
    """Order by the last commit that touched the file (uncommitted first)."""
    log = subprocess.run(["git", "log", "--format=", "--name-only", "-n", "200"], cwd=ROOT, capture_output=True, text=True).stdout
    dirty = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout
    rank: dict = {}
    for line in [line[3:] for line in dirty.splitlines()] + log.splitlines():
        rank.setdefault(line.strip(), len(rank))
    return sorted(paths, key=lambda p: rank.get(str(p.relative_to(ROOT)), 1 << 30))


def run(path: pathlib.Path):
    checks = ["--checks=-clang-analyzer-*"] if WITHOUT_ANALYZER.search(str(path.relative_to(ROOT))) else []
    command = ["clang-tidy-19", "--quiet", "-p", "build/release", *checks, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    text = "\n".join(line for line in done.stdout.splitlines() if line.strip())
    if done.returncode != 0 and not text:
        text = done.stderr[-2000:]
    return path, done.returncode == 0, text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--all", action="store_true", help="also what was seen clean before")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    sources = [pathlib.Path(f).resolve() for f in options.files] or [
        p for folder in ("src", "apps", "tests") for p in (ROOT / folder).rglob("*.cpp") if "node_modules" not in p.parts]
    if not sources:
        print("no source found")
        return 1
    CACHE.mkdir(parents=True, exist_ok=True)
    keys = {p: key(p) for p in sources}
    waiting = newest_first([p for p in sources if options.all or not (CACHE / keys[p]).exists()])
    deadline = time.monotonic() + options.seconds
    bad = begun = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        def one(path):
            return run(path) if time.monotonic() < deadline else (path, None, "")
        for path, clean, text in pool.map(one, waiting):
            if clean is None:
                continue
            begun += 1
            if clean:
                (CACHE / keys[path]).touch()
            else:
                bad += 1
                print(f"--- {path.relative_to(ROOT)}\n{text}")
    left = len(waiting) - begun
    print(f"clang-tidy: {len(sources) - len(waiting)} files unchanged since seen clean, {begun - bad} clean now, {bad} with findings"
          + (f", {left} left for the next run (time)" if left else ""))
    return 1 if bad or (waiting and not begun) else 0


if __name__ == "__main__":
    sys.exit(main())
