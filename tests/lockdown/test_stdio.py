"""clawql-stdio: no byte lost, no byte changed, and plain words when there is no gateway."""
import hashlib
import os
import pathlib
import random
import socket
import subprocess
import tempfile
import threading

import pytest

LIMIT_SECONDS = 60
BIG = 50 << 20


@pytest.fixture
def program(build):
    return build / "libexec" / "clawql-stdio"


class Gateway:
    """Accepts one connection and gives it to `serve`."""

    def __init__(self, path, serve):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.accepted = threading.Event()
        self.failure = None

        def run():
            try:
                connection, _ = self.listener.accept()
                self.accepted.set()
                with connection:
                    serve(connection)
            except OSError as error:
                self.failure = error
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def join(self):
        self.thread.join(LIMIT_SECONDS)
        assert not self.thread.is_alive() and self.failure is None, self.failure
        self.listener.close()


def read_all(connection):
    digest, size = hashlib.sha256(), 0
    while piece := connection.recv(1 << 16):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gateway.sock"


def start(program, path, **kinds):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kinds}
    return subprocess.Popen([program, "--socket", path], **pipes)


def test_answers_after_the_clients_last_byte_still_arrive(program, path):
    def serve(connection):
        size, _ = read_all(connection)  # returns only because the half-close came through
        connection.sendall(b"answer to %d bytes" % size)
    gateway = Gateway(path, serve)
    process = start(program, path)
    out, err = process.communicate(b'{"jsonrpc":"2.0"}\n', timeout=LIMIT_SECONDS)
    assert (out, err, process.returncode) == (b"answer to 18 bytes", b"", 0)
    gateway.join()


@pytest.mark.parametrize("kind", ["pipes", "sockets"])
def test_fifty_megabytes_each_way_at_once_are_exact(program, path, kind):
    there, back = random.Random(1).randbytes(BIG), random.Random(2).randbytes(BIG)
    seen = {}

    def serve(connection):
        sender = threading.Thread(target=lambda: connection.sendall(back))
        sender.start()
        seen["gateway"] = read_all(connection)
        sender.join()
    gateway = Gateway(path, serve)
    if kind == "pipes":
        process = start(program, path)
        out, _ = process.communicate(there, timeout=LIMIT_SECONDS)
    else:  # as Node starts its children
        ours_in, theirs_in = socket.socketpair()
        ours_out, theirs_out = socket.socketpair()
        process = start(program, path, stdin=theirs_in, stdout=theirs_out)
        theirs_in.close(), theirs_out.close()
        writer = threading.Thread(target=lambda: (ours_in.sendall(there), ours_in.shutdown(socket.SHUT_WR)))
        writer.start()
        out = b"".join(iter(lambda: ours_out.recv(1 << 16), b""))
        writer.join()
        assert process.wait(LIMIT_SECONDS) == 0
        process.stdin = None
        process.stderr.close()
    gateway.join()
    assert seen["gateway"] == (BIG, hashlib.sha256(there).hexdigest())
    assert out == back


def test_a_client_that_reads_nothing_holds_the_gateway_back_and_loses_nothing(program, path):
    answer = random.Random(3).randbytes(8 << 20)
    stalled = threading.Event()

    def serve(connection):
        connection.recv(10)
        connection.setblocking(False)
        sent = 0
        connection.settimeout(0.3)
        while sent < len(answer):
            try:
                sent += connection.send(answer[sent:sent + 65536])
            except TimeoutError:
                stalled.set()
                connection.settimeout(LIMIT_SECONDS)
    gateway = Gateway(path, serve)
    process = start(program, path)
    process.stdin.write(b"hello")
    process.stdin.flush()
    assert stalled.wait(LIMIT_SECONDS), "the answer went into a buffer without end"
    out = process.stdout.read()
    gateway.join()
    process.communicate(timeout=LIMIT_SECONDS)
    assert out == answer


def test_a_gateway_that_vanishes_is_told(program, path):
    gateway = Gateway(path, lambda connection: connection.sendall(b"last words") and None)
    process = start(program, path)
    process.stdin.write(b"x")
    process.stdin.flush()
    assert process.stdout.read() == b"last words"
    assert process.wait(LIMIT_SECONDS) == 1  # though the client did not end
    assert b"gateway closed the connection" in process.stderr.read()
    gateway.join()


def test_a_gateway_that_resets_in_mid_stream_is_told(program, path):
    gateway = Gateway(path, lambda connection: connection.recv(1))
    process = start(program, path)
    writer = threading.Thread(target=lambda: _write_until_broken(process.stdin))
    writer.start()
    assert process.wait(LIMIT_SECONDS) == 1
    writer.join(LIMIT_SECONDS)
    assert b"gateway closed the connection" in process.stderr.read()
    gateway.join()


def _write_until_broken(pipe):
    try:
        for _ in range(1000):
            pipe.write(b"y" * 65536)
            pipe.flush()
    except (BrokenPipeError, ConnectionResetError):
        pass


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_it_ends_when_the_client_closed_its_output(program, path, kind):
    done = threading.Event()
    gateway = Gateway(path, lambda connection: (read_all(connection), done.set()))
    if kind == "pipe":
        process = start(program, path)
        close = process.stdout.close
    else:
        ours, theirs = socket.socketpair()
        process = start(program, path, stdout=theirs)
        theirs.close()
        close = ours.close
    process.stdin.write(b"x")
    process.stdin.flush()
    assert gateway.accepted.wait(LIMIT_SECONDS)
    close()
    assert process.wait(LIMIT_SECONDS) == 0
    assert done.wait(LIMIT_SECONDS)


def test_it_connects_only_when_the_first_byte_comes(program, path):
    process = start(program, path)
    process.stdin.close()
    assert process.wait(LIMIT_SECONDS) == 0  # there is no gateway, and it never asked for one
    assert process.stderr.read() == b""


def test_without_a_gateway_it_names_what_it_tried(program, path):
    process = start(program, path)
    out, err = process.communicate(b"x", timeout=LIMIT_SECONDS)
    assert (out, process.returncode) == (b"", 1)
    assert f"{path}: no such socket".encode() in err and b"clawql-api" in err


def test_a_socket_that_nobody_listens_on_is_told(program, path):
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    process = start(program, path)
    _, err = process.communicate(b"x", timeout=LIMIT_SECONDS)
    assert process.returncode == 1 and f"{path}: nobody listens on it".encode() in err


def test_it_tries_the_users_own_folders_and_then_the_systems(program):
    """User 1 (daemon) has the home /usr/sbin on Debian; the copy is there because the build's folder may be closed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        copy = pathlib.Path(folder) / "clawql-stdio"
        copy.write_bytes(program.read_bytes())
        copy.chmod(0o755)
        done = subprocess.run([copy], input=b"x", capture_output=True, user=1, group=1, timeout=LIMIT_SECONDS,
                              env={"HOME": "/somewhere/else"})
    assert done.returncode == 1
    tried = [line.split(":")[0].strip() for line in done.stderr.decode().splitlines() if line.startswith("  ")]
    assert tried == ["/run/user/1/clawql/gateway.sock", "/usr/sbin/.local/state/clawql/run/gateway.sock",
                     "/run/clawql/gateway.sock"]


@pytest.mark.parametrize("arguments", [["--socket"], ["--sokket", "x"], ["x"]])
def test_wrong_words_are_refused(program, arguments):
    done = subprocess.run([program, *arguments], capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT_SECONDS)
    assert done.returncode == 2 and b"usage:" in done.stderr


def test_it_stays_under_two_megabytes(program, path):
    finish = threading.Event()

    def serve(connection):
        connection.sendall(bytes(4 << 20))
        finish.wait(LIMIT_SECONDS)
    gateway = Gateway(path, serve)
    process = start(program, path)
    process.stdin.write(b"x" * 65536)  # what a pipe takes in any case: nobody reads at the other end
    process.stdin.flush()
    assert len(process.stdout.read(4 << 20)) == 4 << 20
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    finish.set()
    process.communicate(timeout=LIMIT_SECONDS)
    gateway.join()
    assert resident < 2048, f"{resident} KiB"
