"""What door and engine promise once they are locked down: one test an act and a program, and one an act and a layer
alone. The violator tries; the promises stand here. Needs root."""
import ctypes
import functools
import platform
import subprocess

import pytest

KILLED = "SIGSYS"

# Every forbidden act kills, but for these.
ANSWERS = {
    "open to read": "EACCES",
    "open to write": "EACCES",
    "open to create": "EACCES",
    "open a folder": "EACCES",
    "openat2": "EACCES",
    "open own memory": "EACCES",
    "open a stranger's file": "EACCES",
    "use a forgotten descriptor": "EBADF",
    "clone3": "ENOSYS",
    "strip O_APPEND": "EPERM",
    "ftruncate the log": "EPERM",
    "fallocate the log": "EPERM",
    "pwrite the log": "EPERM",
    "write core files": "EPERM",
    "be read by the same user": "EACCES",
    "be traced by the same user": "EPERM",
}
KILLS = [
    "make a folder", "rename", "unlink", "truncate by path", "chown", "stat", "chroot",
    "socket inet", "socket inet6", "socket unix", "socket netlink", "socket packet", "socketpair", "bind",
    "listen without bind", "connect", "connect to an abstract socket", "attach a socket filter",
    "execve", "exec a memfd", "memfd_create", "fork", "unshare", "setns", "mount", "setuid", "personality",
    "signal another process", "tgkill another process", "trace another process", "ask to be traced",
    "read another process", "pidfd_open", "executable memory by mmap", "executable memory by mprotect",
    "write the log without append", "sendfile to the log", "fchmod the log", "type into a terminal",
    "timerfd_create", "io_uring_setup", "bpf", "perf_event_open", "userfaultfd", "keyctl", "become dumpable", "allow core files",
    "another seccomp filter", "another Landlock ruleset",
]
if platform.machine() == "x86_64":
    KILLS += ["vfork", "call of the x32 ABI", "call of the 32-bit ABI"]
FORBIDDEN = {**ANSWERS, **dict.fromkeys(KILLS, KILLED)}

NEEDED = {
    "needs: read and write": "ok",
    "needs: receive a descriptor": "ok",
    "needs: read settings from a memfd": "ok",
    "needs: a loop with streams and deadlines": "ok",
    "needs: memory in eight threads": "ok",
    "needs: threads that wait for each other": "ok",
    "needs: exceptions": "ok",
    "needs: time and chance": "ok",
    "needs: append to the log": "ok",
    "needs: socket options": "ok",
    "needs: accept": "ok",
    "needs: fdatasync": "ok",
    "needs: abort": "SIGABRT",
}
PROMISES = {
    "door": {**FORBIDDEN, **NEEDED, "needs: fdatasync": KILLED},
    "engine": {**FORBIDDEN, **NEEDED, "needs: accept": KILLED},
}


def landlock_abi():
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


def landlock_alone():
    denied = {act: "EACCES" for act in [
        "open to read", "open to write", "open to create", "open a folder", "openat2", "open own memory",
        "open a stranger's file", "make a folder", "rename", "unlink", "execve", "exec a memfd"]}
    denied.update({act: "EPERM" for act in ["mount", "trace another process", "read another process"]})
    abi = landlock_abi()
    if abi >= 3:
        denied["truncate by path"] = "EACCES"
    if abi >= 4:
        denied.update({"bind": "EACCES", "connect": "EACCES"})
    if abi >= 6:
        denied.update({act: "EPERM" for act in [
            "connect to an abstract socket", "signal another process", "tgkill another process"]})
    return denied


# What each layer denies when it is the only one; everything else is then as without any.
ALONE = {
    "seccomp": {act: answer for act, answer in FORBIDDEN.items() if act not in (
        "use a forgotten descriptor", "write core files", "be read by the same user", "be traced by the same user")},
    "landlock": landlock_alone(),
    "capabilities": {
        "open a stranger's file": "EACCES",
        "bpf": "EPERM", "chown": "EPERM", "chroot": "EPERM", "mount": "EPERM", "setns": "EPERM", "setuid": "EPERM",
        "socket packet": "EPERM", "unshare": "EPERM", "trace another process": "EPERM",
        "read another process": "EPERM",
    },
    "no-dump": {
        "be read by the same user": "EACCES", "be traced by the same user": "EPERM",
        "write core files": "EPERM",
    },
    "descriptors": {"use a forgotten descriptor": "EBADF"},
}
# A kernel may be set up to refuse these to everybody, or the act is made to fail where it is not stopped before.
MAY_FAIL_UNLOCKED = {
    "attach a socket filter", "another seccomp filter", "call of the x32 ABI", "call of the 32-bit ABI", "bpf",
    "type into a terminal", "io_uring_setup", "perf_event_open", "userfaultfd", "keyctl", "allow core files",
}


@pytest.fixture(scope="session")
def violate(build):
    @functools.cache
    def run(role, layers):
        done = subprocess.run([build / "tests" / "violator", role, layers], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return dict(line.split("\t") for line in done.stdout.splitlines())
    return run


@pytest.mark.parametrize("role", PROMISES)
def test_every_act_is_judged_here(violate, role):
    assert violate(role, "all").keys() == PROMISES[role].keys()


@pytest.mark.parametrize("role,act", [(role, act) for role in PROMISES for act in PROMISES[role]])
def test_locked_down(violate, role, act):
    assert violate(role, "all")[act] == PROMISES[role][act]


@pytest.mark.parametrize("act", sorted(FORBIDDEN.keys() - MAY_FAIL_UNLOCKED))
def test_without_lock_down_it_works(violate, act):
    """Else the refusals above would show nothing."""
    assert violate("door", "none")[act] == "ok"


@pytest.mark.parametrize("layer,act", [(layer, act) for layer in ALONE for act in ALONE[layer]])
def test_layer_alone_denies(violate, layer, act):
    assert violate("engine", layer)[act] == ALONE[layer][act]


@pytest.mark.parametrize("layer", ALONE)
def test_layer_alone_lets_the_needed_through(violate, layer):
    outcomes = violate("engine", layer)
    expected = PROMISES["engine"] if layer == "seccomp" else NEEDED
    assert {act: outcomes[act] for act in NEEDED} == {act: expected[act] for act in NEEDED}
