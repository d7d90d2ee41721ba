"""The book of a chaos run: every request that was asked, and that it got its own answer, once, in time."""
import collections
import itertools
import json
import re
import time

# What a request of the crowd may be answered with when it fails: a server that died, a time-out, a tool or server that a
# reload took away, and a gateway that is busy or whose door is just starting.
KNOWN = {"server.unavailable", "call.timeout", "tool.unknown", "limit.requests", "limit.instances", "limit.overload",
         "engine.unavailable", "limit.connections", "call.cancelled"}
MARK = re.compile(r"<c\d+\.\d+>")


class Call:
    """One tools/call. Its text names the client and the number of the call, and no other call has it."""

    _numbers = itertools.count(1)

    def __init__(self, client, ident, tool, **arguments):
        self.ident, self.tool = ident, tool
        self.text = f"<{client}.{next(Call._numbers)}>"
        server = tool.partition("__")[0]
        self.arguments = {"message" if server == "everything" else "text": self.text, **arguments}
        self.progress = "__steps" in tool
        self.asked = 0.0

    def params(self):
        params = {"name": self.tool, "arguments": self.arguments}
        if self.progress:
            params["_meta"] = {"progressToken": self.ident}
        return params

    def message(self):
        return {"jsonrpc": "2.0", "id": self.ident, "method": "tools/call", "params": self.params()}


class Ledger:
    def __init__(self):
        self.asked = self.answered = self.withdrawn = self.refused_whole = 0
        self.errors, self.lost, self.kinds = collections.Counter(), collections.Counter(), collections.Counter()
        self.problems = []
        self.slowest = 0.0
        self.excuses = [(0.0, 0.0)]  # when the door was dead: since, until

    # -- what may end a connection
    def door_killed(self):
        self.excuses.append((time.monotonic(), float("inf")))

    def door_serves(self):
        self.excuses[-1] = (self.excuses[-1][0], time.monotonic() + 1.0)

    def problem(self, what):
        if len(self.problems) < 50:
            self.problems.append(f"{time.monotonic():.2f} {what}")

    def ask(self, call):
        call.asked = time.monotonic()
        self.asked += 1

    def withdraw(self, _call):
        """The client left in the midst of it."""
        self.withdrawn += 1

    def lose(self, kind, what, since):
        """A connection ended, or could not be made: only a dead door is a reason."""
        now = time.monotonic()
        if not any(begin <= now and since <= end for begin, end in self.excuses):
            self.problem(f"{kind}: {what!r} although the door was alive")
        self.lost[kind] += 1

    def late(self, kind, call, bound):
        self.problem(f"{kind}: no answer to {call.tool} {call.text} within {bound} s")

    def answer(self, kind, owner, call, message):
        """`message` is the one response to the call."""
        self.slowest = max(self.slowest, time.monotonic() - call.asked)
        if message.get("id") != call.ident or isinstance(message.get("id"), str) != isinstance(call.ident, str):
            return self.problem(f"{kind}: {call.text} has the id {call.ident!r}, and got {message}")
        if "error" in message:
            return self.error(kind, call, message["error"])
        text = "".join(part.get("text", "") for part in message["result"]["content"])
        if call.text not in text:
            return self.problem(f"{kind}: {call.tool} {call.text} got {text[:200]!r}")
        self.overhear(kind, owner, json.dumps(message))
        self.answered += 1
        self.kinds[kind] += 1
        return None

    def error(self, kind, call, error):
        reason = (error.get("data") or {}).get("reason")
        if reason not in KNOWN and not (call.tool.endswith("__grown") and error["code"] == -32602):
            self.problem(f"{kind}: {call.tool} {call.text} got {error}")
        self.errors[reason or error["code"]] += 1

    def overhear(self, kind, owner, text):
        """Whatever a client hears, it may name no other client."""
        strange = [mark for mark in MARK.findall(text) if not mark.startswith(f"<{owner}.")]
        if strange:
            self.problem(f"{kind}: {owner} heard {strange[:3]}")

    def summary(self):
        return (f"{self.asked} calls: {self.answered} answered, {sum(self.errors.values())} errors {dict(self.errors)}, {sum(self.lost.values())} lost with "
                f"their connection, {self.withdrawn} withdrawn; slowest {self.slowest:.1f} s; {dict(self.kinds)}")
