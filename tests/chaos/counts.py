"""What a gateway holds when nobody is there: descriptors, processes, memory."""
import collections
import pathlib
import re

from support import machine


def unshared_bytes(process):
    """Memory that is this process's alone: what shared libraries weigh depends on who else runs."""
    text = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB", text, re.M)) * 1024


def zombies(pids):
    return [p for p in map(machine.Process, machine.all_pids()) if p.state == "Z" and p.parent in pids]


class Counts:
    def __init__(self, one, namespace):
        programs = {"supervisor": one.known, "door": one.door, "engine": one.engine}
        self.pids = {name: process.pid for name, process in programs.items()}
        self.descriptors = {name: process.descriptors() for name, process in programs.items()}
        self.memory = {name: unshared_bytes(process) for name, process in programs.items()}
        running = namespace.processes()
        self.processes = collections.Counter(" ".join(p.command) for p in running)
        self.zombies = zombies({p.pid for p in running} | set(self.pids.values()))

    def holds_more_than(self, before):
        """What is held now and was not before; empty when nothing is."""
        found = [f"{name}: {count} descriptors, not {before.descriptors[name]}" for name, count in self.descriptors.items() if count != before.descriptors[name]]
        found += [f"running: {command} ({count})" for command, count in (self.processes - before.processes).items()]
        found += [f"not running: {command} ({count})" for command, count in (before.processes - self.processes).items()]
        return found + [f"not waited for: {zombie}" for zombie in self.zombies]

    def __str__(self):
        return (f"descriptors {self.descriptors}, {self.processes.total()} processes, "
                f"{', '.join(f'{name} {size // 1024} KiB' for name, size in self.memory.items())}")


def quiet(one):
    """What of load is left; empty when there is none."""
    metrics = one.metrics()
    names = ("clawql_sessions", "clawql_requests_in_flight", "clawql_buffered_bytes")
    return {name: metrics[name] for name in names if metrics[name] != 0}
