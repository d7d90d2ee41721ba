"""The machine as the tests use it: network namespaces, processes by pid, descriptors, paths of the build and the cache."""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CLAWQL_BUILD", "build/release"))
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
CACHE = pathlib.Path(os.environ.get("CLAWQL_CACHE", os.path.expanduser("~/.cache/clawql")))
MODULES = CACHE / "npm" / "node_modules"
NODE = CACHE / "node" / "bin" / "node"
PYTHON = "/usr/bin/python3"
SERVERS = ROOT / "tests" / "support" / "servers"
TOOL_PATH = f"{CACHE}/node/bin:{MODULES}/.bin:{CACHE}/python/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def require_root():
    assert os.geteuid() == 0, "these tests need root (network namespaces)"


def program(name: str) -> pathlib.Path:
    folder = "bin" if name in ("clawql-api", "clawql") else "libexec"
    path = BUILD / folder / name
    assert path.exists(), f"{path} is not built (./run.sh --build-only)"
    return path


def eventually(check, seconds=10.0, what="", every=0.02):
    """Waits until `check()` gives something true, and returns it. The one place where tests wait for others."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what or getattr(check, '__name__', 'condition')} (last: {value!r})")
        time.sleep(every)


class Process:
    """A process known by its pid and start time, so that a reused pid is never taken for it."""

    def __init__(self, pid: int):
        self.pid = pid
        stat = self._stat()  # once: it may be gone a moment later
        self.started = stat[19] if stat else None

    def _stat(self):
        try:
            text = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return text[text.rindex(")") + 2:].split()

    @property
    def state(self):
        stat = self._stat()
        return stat[0] if stat and stat[19] == self.started else None

    @property
    def alive(self) -> bool:
        return self.state not in (None, "Z", "X")

    @property
    def parent(self):
        stat = self._stat()
        return int(stat[1]) if stat else None

    @property
    def command(self):
        try:
            return pathlib.Path(f"/proc/{self.pid}/cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            return []

    @property
    def name(self):
        command = self.command  # once: it may be gone a moment later
        return os.path.basename(command[0]) if command else ""

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_bytes(self) -> int:
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024

    def kill(self, number=signal.SIGKILL):
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def __repr__(self):
        return f"<{self.pid} {' '.join(self.command)[:100]}>"


def all_pids():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def children(pid: int):
    return [p for p in map(Process, all_pids()) if p.parent == pid]


class Namespace:
    def __init__(self):
        self.inode = os.readlink("/proc/thread-self/ns/net")

    def processes(self):
        """Every process of this namespace but the tests themselves: what a gateway started, whoever its parent is now."""
        found = []
        for pid in all_pids():
            if pid == os.getpid():
                continue
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/ns/net") == self.inode:
                    process = Process(pid)
                    if process.alive:
                        found.append(process)
        return found

    def wait_empty(self, seconds=10.0):
        eventually(lambda: not self.processes(), seconds, f"no process left, but there are {self.processes()}")


def _checked(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


@contextlib.contextmanager
def _back_afterwards():
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        _checked(_libc.setns(before, _CLONE_NEWNET), "setns")
        os.close(before)


@contextlib.contextmanager
def own_namespace():
    """The calling thread, and what it starts, in a new network namespace with loopback up."""
    with _back_afterwards():
        _checked(_libc.unshare(_CLONE_NEWNET), "unshare(CLONE_NEWNET)")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield Namespace()


@contextlib.contextmanager
def inside(name: str):
    """The calling thread, and what it starts, in the namespace of `ip netns add NAME`."""
    with _back_afterwards():
        fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.setns(fd, _CLONE_NEWNET), "setns")
        finally:
            os.close(fd)
        yield Namespace()
