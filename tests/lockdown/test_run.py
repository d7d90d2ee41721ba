"""clawql-run: what a server cannot do, that ordinary servers work, and that nothing survives it. Needs root: the
namespace is tried with it, the plain subreaper as an ordinary user. Nothing here sleeps to let something happen: the
nasty servers say when they are ready."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

LIMIT_SECONDS = 30
ORDINARY = 65534

# As a server would be started: by root (in a PID namespace of its own), and by an ordinary user.
PLACES = {"namespace": {}, "subreaper": {"user": ORDINARY, "group": ORDINARY}}


@pytest.fixture
def program(build, tmp_path_factory):
    """A copy where an ordinary user may reach it."""
    copy = pathlib.Path("/tmp") / f"clawql-run-{os.getpid()}"
    if not copy.exists():
        copy.write_bytes((build / "libexec" / "clawql-run").read_bytes())
        copy.chmod(0o755)
    yield copy
    copy.unlink()


class Server:
    """A running clawql-run, held as the supervisor holds it: three pipes, a life pipe, a report pipe."""

    def __init__(self, program, command, place="namespace", options=(), env=None):
        life_theirs, self.life = os.pipe()
        self.report, report_theirs = os.pipe()
        # Through a shell, because 3 and 4 are fixed numbers: 3 is the life pipe, 4 the report.
        high = [os.dup(fd) for fd in (life_theirs, report_theirs)]
        os.close(life_theirs), os.close(report_theirs)
        redirect = f'exec 3<&{high[0]} 4>&{high[1]} {high[0]}<&- {high[1]}>&-; exec "$@"'
        self.process = subprocess.Popen(
            ["/bin/bash", "-c", redirect, "sh", program, *options, "--", *command], pass_fds=high, cwd="/",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, **PLACES[place])
        for fd in high:
            os.close(fd)

    def lines(self, count):
        return [self.process.stdout.readline().decode().strip() for _ in range(count)]

    def finish(self):
        if self.life is not None:
            os.close(self.life)
            self.life = None
        out, err = self.process.communicate(timeout=LIMIT_SECONDS)
        return out.decode(), err.decode()

    def close(self):
        if self.life is not None:
            os.close(self.life)
        os.close(self.report)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


@pytest.fixture
def start(program):
    running = []

    def run(*arguments, **named):
        running.append(Server(program, *arguments, **named))
        return running[-1]
    yield run
    for server in running:
        server.close()


def processes_with(mark):
    """Pids of all processes that carry `mark` in their environment, zombies of it not counted."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def marked():
    mark = f"CLAWQL_TEST_MARK={os.urandom(8).hex()}"
    return mark, {"PATH": os.environ["PATH"], "HOME": "/tmp", **dict([mark.split("=")])}


def wait_until_gone(mark):
    deadline = time.monotonic() + LIMIT_SECONDS
    while left := processes_with(mark):
        assert time.monotonic() < deadline, f"still there: {left}"


def python(text):
    return ["/usr/bin/python3", "-c", text]


IGNORES_TERM = python(
    "import signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('ready', flush=True)\n"
    "time.sleep(1000)")
DAEMONISES = python(  # twice forked, own session, no descriptor left, and deaf
    "import os, signal, time\n"
    "r, w = os.pipe()\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork(): os._exit(0)\n"
    "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "    os.write(w, b'x')\n"
    "    os.closerange(0, 100)\n"
    "    time.sleep(1000)\n"
    "os.wait(); os.read(r, 1)\n"
    "print('ready', flush=True)\n"
    "time.sleep(1000)")
FORKS_ON = python(  # a chain of processes, each of which starts the next and goes, for as long as it can
    "import os, signal, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "for i in range(3):\n"
    "    if os.fork() == 0:\n"
    "        end = time.monotonic() + 20\n"
    "        while time.monotonic() < end:\n"
    "            if os.fork(): os._exit(0)\n"
    "            time.sleep(0.001)\n"
    "        os._exit(0)\n"
    "print('ready', flush=True)\n"
    "time.sleep(1000)")
NASTY = {"ignores TERM": IGNORES_TERM, "daemonises": DAEMONISES, "forks on and on": FORKS_ON}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("how", ["supervisor gone", "TERM"])
@pytest.mark.parametrize("nasty", NASTY)
def test_nothing_survives(start, place, how, nasty):
    mark, env = marked()
    server = start(NASTY[nasty], place=place, env=env)
    assert server.lines(1) == ["ready"]
    assert len(processes_with(mark)) >= 2
    if how == "TERM":
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(LIMIT_SECONDS)
    else:
        server.finish()
    assert processes_with(mark) == []
    deaf = nasty != "daemonises"  # there it is the grandchild that does not hear TERM
    assert server.process.returncode == 128 + (signal.SIGKILL if deaf else signal.SIGTERM)


@pytest.mark.parametrize("place", PLACES)
def test_what_a_server_leaves_behind_ends_with_it(start, place):
    mark, env = marked()
    server = start(["/bin/sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 </dev/null & exit 7"], place=place, env=env)
    assert server.process.wait(LIMIT_SECONDS) == 7
    assert processes_with(mark) == []


def test_in_a_namespace_nothing_survives_the_launchers_kill(start):
    mark, env = marked()
    server = start(DAEMONISES, env=env)
    assert server.lines(1) == ["ready"]
    server.process.kill()
    wait_until_gone(mark)


def test_without_a_namespace_the_server_ends_with_a_killed_launcher(start):
    mark, env = marked()
    server = start(IGNORES_TERM, place="subreaper", env=env)
    assert server.lines(1) == ["ready"]
    server.process.kill()
    wait_until_gone(mark)


@pytest.mark.parametrize("place", PLACES)
def test_orphans_are_reaped_while_the_server_runs(start, place):
    server = start(python(
        "import os, sys\n"
        "r, w = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.write(w, b'%d\\n' % os.getpid()); os._exit(0)\n"
        "os.wait()\n"
        "pid = int(os.read(r, 20))\n"
        "while os.path.exists(f'/proc/{pid}'): pass\n"
        "print('reaped', flush=True)"), place=place)
    assert server.lines(1) == ["reaped"]


def test_a_server_that_ends_on_TERM_is_not_waited_for(start):
    server = start(["/bin/sh", "-c", "echo ready; exec sleep 1000"])
    assert server.lines(1) == ["ready"]
    begin = time.monotonic()
    server.finish()
    assert server.process.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - begin < 2  # the grace before KILL


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command,status", [("exit 0", 0), ("exit 42", 42), ("kill -SEGV $$", 139)])
def test_the_status_is_the_servers(start, place, command, status):
    server = start(["/bin/sh", "-c", command], place=place)
    assert server.process.wait(LIMIT_SECONDS) == status


@pytest.mark.parametrize("command,status,why", [
    ("no-such-program", 127, "no-such-program: No such file or directory\n"),
    ("/etc/passwd", 126, "/etc/passwd: Permission denied\n"),
])
def test_a_command_that_cannot_start_is_reported_in_one_line(start, command, status, why):
    server = start([command])
    assert server.process.wait(LIMIT_SECONDS) == status
    assert os.read(server.report, 1000).decode() == why
    assert server.process.stderr.read() == b""


def test_the_report_pipe_closes_when_the_server_runs(start):
    server = start(["/bin/sh", "-c", "read line"])
    assert os.read(server.report, 1000) == b""
    assert server.process.poll() is None


def test_the_launcher_holds_none_of_the_servers_pipes(start):
    """Else the engine would not see their end when the server closes them."""
    server = start(python("import os, sys\nos.close(1)\nos.read(0, 1)"))
    assert server.process.stdout.read() == b""
    assert server.process.poll() is None


def test_the_server_gets_three_descriptors_and_its_own_session(start):
    server = start(python(
        "import os, resource, signal\n"
        "print(sorted(fd for fd in range(256) if os.path.exists(f'/proc/self/fd/{fd}') and "
        "'/proc' not in os.readlink(f'/proc/self/fd/{fd}')))\n"
        "print(os.getsid(0) == os.getpid(), signal.pthread_sigmask(signal.SIG_BLOCK, []))\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NPROC)[0] != 0)\n"))
    assert server.lines(3) == ["[0, 1, 2]", "True set()", "(0, 0) True"]


SOCKETS = """
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, act):
    try:
        result = act()
        print(name, 'ok' if result is None or not isinstance(result, int) or result >= 0
              else errno.errorcode[ctypes.get_errno()])
    except OSError as error:
        print(name, errno.errorcode[error.errno])
def bound():
    socket.socket().bind(('127.0.0.1', 0))
call = libc.syscall
attempt('listen', lambda: socket.socket().listen())
attempt('bind', bound)
attempt('unix', lambda: socket.socket(socket.AF_UNIX))
attempt('socketpair', lambda: socket.socketpair())
attempt('inet', lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
attempt('netlink', lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt('raw', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt('packet', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM))
attempt('vsock', lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
attempt('ptrace', lambda: libc.ptrace(0, 0, 0, 0))
attempt('bpf', lambda: call(BPF, 0, 0, 0))
attempt('mount', lambda: libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))
attempt('unshare', lambda: libc.unshare(0x10000000))
attempt('io_uring', lambda: call(425, 1, 0))
attempt('kill gateway', lambda: os.kill(GATEWAY, 0))
attempt('fork', lambda: (os.fork() or os._exit(0)) and None)
""".replace("BPF", str({"x86_64": 321}.get(os.uname().machine, 280)))
DENIED = {
    "listen": "EPERM", "bind": "EACCES", "unix": "EPERM", "socketpair": "ok", "inet": "ok", "netlink": "ok",
    "raw": "EPERM", "packet": "EPERM", "vsock": "EPERM", "ptrace": "EPERM", "bpf": "EPERM", "mount": "EPERM",
    "unshare": "EPERM", "io_uring": "EPERM", "fork": "ok",
}
SANDBOXES = {
    (): {},
    ("--listen",): {"listen": "ok", "bind": "ok"},
    ("--unix",): {"unix": "ok"},
    ("--listen", "--unix"): {"listen": "ok", "bind": "ok", "unix": "ok"},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("options", SANDBOXES)
def test_a_server_is_refused_and_never_killed(start, place, options):
    # The process that it must not reach has its uid, so that only the scope of signals stands between them.
    gateway = subprocess.Popen(["sleep", "1000"], **PLACES[place])
    try:
        server = start(python(SOCKETS.replace("GATEWAY", str(gateway.pid))), place=place, options=options)
        out, err = server.process.communicate(timeout=LIMIT_SECONDS)
        outcomes = dict(line.rsplit(" ", 1) for line in out.decode().splitlines())
        outside = outcomes.pop("kill gateway")
        assert outcomes == {**DENIED, **SANDBOXES[options]}, err
        assert outside == ("ESRCH" if place == "namespace" else "EPERM")
    finally:
        gateway.kill()
        gateway.wait()


def test_a_servers_descendants_are_no_freer(start):
    server = start(["/bin/sh", "-c", "sh -c 'python3 -c \"import socket; socket.socket().listen()\"' 2>&1 | tail -1"])
    assert server.lines(1) == ["PermissionError: [Errno 1] Operation not permitted"]


def test_root_keeps_no_powers_over_the_machine(start):
    server = start(["grep", "-E", "CapEff|CapBnd|NoNewPrivs", "/proc/self/status"])
    effective, bounding, no_new = (line.split("\t")[1] for line in server.lines(3))
    assert (int(effective, 16), int(bounding, 16), no_new) == (0x4FB, 0x4FB, "1")


def test_file_rules_open_what_is_named_and_the_runtime(start, tmp_path):
    for name in ("read", "write", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("text")
    text = (
        "import sys\n"
        "def attempt(name, mode):\n"
        "    try: open(f'{sys.argv[1]}/{name}/file', mode); print(name, mode, 'ok')\n"
        "    except PermissionError: print(name, mode, 'refused')\n"
        "for name in ('read', 'write', 'other'):\n"
        "    for mode in ('r', 'a'): attempt(name, mode)\n")
    server = start([*python(text), str(tmp_path)],
                   options=["--read", f"{tmp_path}/read", "--write", f"{tmp_path}/write"])
    assert server.lines(6) == ["read r ok", "read a refused", "write r ok", "write a ok", "other r refused",
                               "other a refused"]


@pytest.mark.parametrize("words", [[], ["--"], ["sh"], ["--listen"], ["--read", "--", "sh"], ["--read", "relative", "--", "sh"],
                                   ["--lisen", "--", "sh"], ["--", ""]])
def test_wrong_words_are_refused(program, words):
    done = subprocess.run([program, *words], capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT_SECONDS)
    assert done.returncode == 2 and b"usage:" in done.stderr


def test_asyncio_subprocesses_work(start):
    server = start(python(
        "import asyncio\n"
        "async def main():\n"
        "    p = await asyncio.create_subprocess_exec('/bin/echo', 'hello', stdout=-1)\n"
        "    print((await p.communicate())[0].decode().strip(), p.returncode, flush=True)\n"
        "asyncio.run(main())"))
    assert server.lines(1) == ["hello 0"]


def test_node_starts_children_and_threads(start):
    server = start(["node", "-e",
                    "const c = require('child_process'), w = require('worker_threads');"
                    "const t = new w.Worker('require(\"worker_threads\").parentPort.postMessage(1)', {eval: true});"
                    "t.on('message', () => require('dns').lookup('localhost', () => "
                    "console.log(c.spawnSync('echo', ['hello']).stdout.toString().trim())));"])
    assert server.lines(1) == ["hello"]


def test_npx_starts_a_real_server(start):
    server = start(["npx", "-y", "@modelcontextprotocol/server-everything", "stdio"])
    server.process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}).encode() + b"\n")
    server.process.stdin.flush()
    answer = json.loads(server.process.stdout.readline())
    assert answer["id"] == 1 and "serverInfo" in answer["result"]
    server.process.stdin.close()
    server.process.stdin = open(os.devnull, "wb")
    server.finish()


def test_it_is_small(start):
    """The two processes of it (a namespace has an init) together."""
    server = start(["/bin/sh", "-c", "echo ready; read line"])
    assert server.lines(1) == ["ready"]
    children = pathlib.Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    shares = [pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (server.process.pid, *children)]
    total = sum(int(line.split()[1]) for text in shares for line in text.splitlines() if line.startswith("Pss:"))
    assert total < 2048, f"{total} KiB"
