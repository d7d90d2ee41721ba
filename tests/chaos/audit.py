"""Reads the audit files of a run as a stream: each call has its intent, and after it one outcome."""
import collections
import json


class CallsOfAudit:
    def __init__(self, folder):
        self.intents, self.outcomes, self.problems = 0, collections.Counter(), []
        waiting = set()
        for file in sorted(folder.glob("audit.jsonl*"), key=lambda path: path.stat().st_mtime_ns):
            with open(file, encoding="utf-8") as lines:
                for line in lines:
                    self._take(json.loads(line), waiting)
        if waiting:
            self.problems.append(f"{len(waiting)} intents without an outcome, such as {sorted(waiting)[0]}")

    def _take(self, record, waiting):
        if record["event"]["subtype"] != "tools/call" or "call" not in record:
            return
        call, outcome = record["call"], record["event"]["outcome"]
        if outcome == "intent":
            self.intents += 1
            if call in waiting:
                self.problems.append(f"two intents of {call}")
            waiting.add(call)
            return
        self.outcomes[outcome] += 1
        if call not in waiting:
            self.problems.append(f"an outcome without an intent, or a second one: {record}")
        waiting.discard(call)
