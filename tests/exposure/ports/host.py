"""A small machine of its own for an audit: PID, mount and network namespaces, /run empty, one link to a neighbour `blue`."""
import contextlib
import json
import os
import pathlib
import subprocess

from support import machine

OPENER = pathlib.Path(__file__).with_name("opener.py")


class Opened:
    """A process on the host that holds sockets (or anything else that ends when its standard input does)."""

    def __init__(self, command, first_line="ready"):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if first_line:
            line = self.process.stdout.readline().strip()
            assert line == first_line, f"{command}: {line!r}"

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(10) is not None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Host:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.expected = folder / "ports.yaml"
        self.outer = subprocess.Popen(["unshare", "--pid", "--mount", "--net", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                                       "mount -t tmpfs run /run && mkdir /run/bin /run/netns && echo ready && exec sleep infinity"],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.outer.stdout.readline() == "ready\n"
        self.init = int(pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text())
        try:
            self._link_up()
        except BaseException:
            self.stop()
            raise

    def _link_up(self):
        self.run(f"install -m 755 {OPENER} /run/bin/opener.py")  # where every user can read it
        self.run("ip link set lo up")
        self.run("ip netns add blue && ip link add veth0 type veth peer name peer0 netns blue")
        self.run("ip addr add 10.9.0.1/24 dev veth0 && ip link set veth0 up")
        self.run("ip -n blue link set lo up && ip -n blue addr add 10.9.0.2/24 dev peer0 && ip -n blue link set peer0 up")

    def inside(self, *command, pid=True):
        return ["nsenter", "-t", str(self.init), "-m", "-n", *(["-p"] if pid else []), "--", *map(str, command)]

    def run(self, line: str, check=True):
        done = subprocess.run(self.inside("sh", "-ec", line), capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done

    def open(self, program=machine.PYTHON, space=None, pid=True, prefix=(), words=(), **want):
        prefix = [*(["ip", "netns", "exec", space] if space else []), *prefix]
        return Opened(self.inside(*prefix, program, "/run/bin/opener.py", *words, *(f"{key}={value}" for key, value in want.items()), pid=pid))

    def clawql(self, *arguments, prefix=()):
        return subprocess.run(self.inside(*prefix, machine.program("clawql"), "ports", *arguments), capture_output=True, text=True)

    def declare(self):
        done = self.clawql("declare", "--force", "-o", self.expected)
        assert done.returncode == 0, done.stderr
        return self.expected.read_text()

    def audit(self, *arguments, prefix=()):
        """{exit status, {(id, subject), …}} of an audit."""
        done = self.clawql("audit", "--expected", self.expected, "--json", *arguments, prefix=prefix)
        assert done.returncode in (0, 1, 2) and done.stdout, done.stderr
        report = json.loads(done.stdout)
        assert report["exit"] == done.returncode
        return done.returncode, [(finding["id"], finding["subject"]) for finding in report["findings"]], report

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, 9)
        self.outer.wait(10)
        self.outer.stdout.close()
