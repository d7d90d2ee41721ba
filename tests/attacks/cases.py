"""The tables of this folder (README.md) as requests in bytes."""
import json
import pathlib
from typing import NamedTuple, Optional

FOLDER = pathlib.Path(__file__).parent


class Case(NamedTuple):
    name: str
    data: bytes
    reason: Optional[str]
    answer: frozenset


def values_of(text):
    """ "00-08,7f" → the bytes it names."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def expand(case):
    """A case with `bytes` is one case for each of them."""
    made = [("", b"")]
    for part in case["send"]:
        if isinstance(part, str):
            made = [(name, data + part.encode("latin-1")) for name, data in made]
        elif "times" in part:
            made = [(name, data + part["text"].encode("latin-1") * part["times"]) for name, data in made]
        else:
            made = [(f" {value:#04x}", data + bytes([value])) for _, data in made for value in values_of(part["bytes"])]
    return [Case(case["name"] + name, data, case["reason"], frozenset(case["answer"])) for name, data in made]


def table(name):
    return [case for entry in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for case in expand(entry)]


ALL = [case for name in ("request_line", "fields", "framing", "chunks", "host", "origin", "routes") for case in table(name)]
assert len(ALL) >= 989
