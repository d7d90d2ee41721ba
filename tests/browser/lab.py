"""Two network namespaces: an attacker with documentation addresses, a DNS server and a web server, and a victim with a
browser whose only name server is the attacker's. Nothing leaves the machine: the victim has no other route."""
import contextlib
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import tempfile
import threading
import urllib.parse

from support import machine
from support.gateway import Gateway, plain_server

HERE = pathlib.Path(__file__).parent
EVERYTHING = machine.MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
ZONE = "rebind.test"
DNS, WEB = "203.0.113.53", "203.0.113.10"
VICTIM = "203.0.113.77"
PORT, SINK = 8080, 9000
CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr"]
# The meaning of the test: a browser without this protection, or to which it does not apply (older ones, other engines,
# a page that itself lives in loopback space).
NO_LOCAL_NETWORK_CHECKS = "--disable-features=LocalNetworkAccessChecks"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Lab:
    """`strategy`: "mz" (the name has the attacker's address and 0.0.0.0 at once, and the attacker stops answering) or
    "ft" (first the attacker's, then 127.0.0.1; browsers keep the first one for a minute)."""

    def __init__(self, strategy="mz"):
        self.strategy = strategy
        mark = secrets.token_hex(3)
        self.attacker, self.victim = f"cqa-{mark}", f"cqv-{mark}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cqb"))
        self.name = f"{strategy}-{mark}.{ZONE}"
        self.started = []

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            for space in (self.attacker, self.victim):
                ip("netns", "add", space)
                ip("-n", space, "link", "set", "lo", "up")
            ends = ("cqa" + self.attacker[4:], "cqv" + self.attacker[4:])
            ip("link", "add", ends[0], "netns", self.attacker, "type", "veth", "peer", "name", ends[1], "netns", self.victim)
            for address in (DNS, WEB):
                ip("-n", self.attacker, "addr", "add", f"{address}/24", "dev", ends[0])
            ip("-n", self.victim, "addr", "add", f"{VICTIM}/24", "dev", ends[1])
            ip("-n", self.attacker, "link", "set", ends[0], "up")
            ip("-n", self.victim, "link", "set", ends[1], "up")
            resolver = pathlib.Path("/etc/netns") / self.victim
            resolver.mkdir(parents=True)
            (resolver / "resolv.conf").write_text(f"nameserver {DNS}\noptions timeout:1 attempts:2\n")
            dns = self.run(self.attacker, [machine.PYTHON, HERE / "dns.py", DNS, ZONE, f"{self.name}={WEB}" + (",0.0.0.0" if self.strategy == "mz" else ">127.0.0.1")], stdout=subprocess.PIPE)
            assert dns.stdout.readline() == b"ready\n"
            undo.pop_all()
            return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for space in (self.victim, self.attacker):
            # What a browser or a server left behind is ended by pid before its namespace goes.
            pids = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True).stdout.split()
            for pid in pids:
                machine.Process(int(pid)).kill()
            subprocess.run(["ip", "netns", "del", space], stderr=subprocess.DEVNULL)
        shutil.rmtree(f"/etc/netns/{self.victim}", ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, space, command, **options):
        """Starts a program in a namespace; `ip netns exec` becomes it, so its pid is the program's."""
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(["ip", "netns", "exec", space, *map(str, command)], **options)
        self.started.append(process)
        return process

    def listening(self, space, port, seconds=20.0):
        machine.eventually(lambda: f":{port} " in subprocess.run(["ip", "netns", "exec", space, "ss", "-Hltn"], capture_output=True,
                                                                  text=True).stdout, seconds, f"port {port} in {space}", every=0.1)

    def visit(self, browser=(NO_LOCAL_NETWORK_CHECKS,), seconds=40.0, **query):
        """The attacker's servers start, the victim's browser opens the page, the page reports."""
        attacker = self.run(self.attacker, [machine.PYTHON, HERE / "attacker.py", WEB, PORT, SINK, HERE / "page.html",
                                            *(["stay"] if self.strategy == "ft" else [])],
                            stdout=subprocess.PIPE, text=True)
        assert json.loads(attacker.stdout.readline())["ready"]
        query["sink"] = f"http://{WEB}:{SINK}/report"
        url = f"http://{self.name}:{PORT}/?" + urllib.parse.urlencode(query)
        result = {}
        reader = threading.Thread(target=lambda: result.update(json.loads(attacker.stdout.readline() or "{}")), daemon=True)
        reader.start()
        with open(self.folder / "browser.log", "ab") as log:
            chromium = self.run(self.victim, [*CHROMIUM, *browser, f"--user-data-dir={self.folder}/{secrets.token_hex(4)}", url],
                                stdout=log, stderr=log, env={**os.environ, "HOME": str(self.folder)})
        reader.join(seconds)
        for process in (chromium, attacker):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert result, "the page reported nothing:\n" + (self.folder / "browser.log").read_text(errors="replace")[-3000:]
        return result


@contextlib.contextmanager
def protected(lab, **config):
    """The gateway on the victim's machine before a server that holds a secret and counts its calls."""
    secret, calls = secrets.token_hex(16), lab.folder / "calls"
    with machine.inside(lab.victim):
        one = Gateway(mcpServers={"plain": plain_server(env={"PLANTED_SECRET": secret, "CALLS_FILE": str(calls)})}, **config)
        try:
            one.start()
            if one.config["listen"]["http"]:
                with one.client() as client:
                    machine.eventually(lambda: "plain__environment" in [tool["name"] for tool in client.tools()], 15)
            yield one, secret, lambda: calls.read_text().count("\n") if calls.exists() else 0
        finally:
            one.stop()
