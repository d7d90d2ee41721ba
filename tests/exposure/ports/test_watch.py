"""`clawql ports watch`: it names what lived for a moment, tells others, and leaves nothing behind."""
import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import threading

import pytest

from exposure.ports.host import OPENER, Opened
from support import machine

SHORT = """
import socket, sys, time
open('/proc/self/comm', 'w').write(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
if sys.argv[1] != '-': s.bind((sys.argv[1], int(sys.argv[3])))
s.listen()
time.sleep(0.05)
"""


class Watch:
    def __init__(self, folder: pathlib.Path, *options, expected="version: 1\nnamespaces: own\nprotocols: [tcp]\nlisteners: []\n"):
        self.expected = folder / "ports.yaml"
        self.expected.write_text(expected)
        self.process = subprocess.Popen([machine.program("clawql"), "ports", "watch", "--json", "--expected", self.expected, *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.events, self.complaints = [], []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=lambda: self.complaints.extend(self.process.stderr), daemon=True).start()
        self.wait(lambda event: event["event"] == "watching")

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def wait(self, check, seconds=10):
        return machine.eventually(lambda: next((event for event in list(self.events) if check(event)), None), seconds,
                                  f"an event (there were {self.events[-5:]})")

    def errors(self):
        return "".join(self.complaints)

    def of(self, kind):
        return [event for event in list(self.events) if event["event"] == kind]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0


@pytest.fixture
def watch(namespace, tmp_path):
    started = []

    def start(*options, **more):
        started.append(Watch(tmp_path, *options, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()


def instances():
    """Our buffers in tracefs, looked at in a mount namespace of our own."""
    done = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tracefs t /sys/kernel/tracing; ls /sys/kernel/tracing/instances"],
                          capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split() if name.startswith("clawql-ports-")]


def test_each_listener_that_lived_50_ms_is_named_by_pid_and_comm(watch):
    one = watch("--interval", "3600")
    assert one.of("watching")[0]["by"] == "tracepoint"
    before = list(os.listdir("/sys/kernel/tracing"))
    started = {}
    for number in range(40):
        address = ["127.0.0.1", "::1", "0.0.0.0", "::", "-"][number % 5]
        name = f"short [{number}] -1"  # a name made to confuse a reader
        process = subprocess.Popen([machine.PYTHON, "-c", SHORT, address, name, str(20000 + number)])
        started[process.pid] = (process, name, address, 20000 + number)
    for process, *_ in started.values():
        assert process.wait(20) == 0
    for pid, (_, name, address, port) in started.items():
        event = one.wait(lambda e: e["event"] == "listen" and e["pid"] == pid)
        assert event["name"] == name and event["declared"] is False and event["id"] == "ports.unexpected"
        if address != "-":
            assert event["place"] == f"tcp {'[' + address + ']' if ':' in address else address}:{port}"
    assert os.listdir("/sys/kernel/tracing") == before  # mounted for the watch alone
    assert f"clawql-ports-{one.process.pid}" in instances()
    one.stop()
    assert f"clawql-ports-{one.process.pid}" not in instances()


def test_a_buffer_of_a_killed_watch_is_taken_away_by_the_next(watch):
    one = watch()
    one.process.kill()
    one.process.wait()
    assert f"clawql-ports-{one.process.pid}" in instances()
    watch()
    assert f"clawql-ports-{one.process.pid}" not in instances()


def test_declared_listeners_are_told_without_alarm_and_their_end_is_drift(watch, tmp_path):
    told = tmp_path / "told"
    opened = Opened([machine.PYTHON, OPENER, "kind=tcp", "port=8080"])
    one = watch("--interval", "3600", "--command", f"cat >> {told}", "--metrics-file", tmp_path / "metrics",
                expected="version: 1\nnamespaces: own\nprotocols: [tcp]\nlisteners:\n  - {protocol: tcp, address: 127.0.0.1, port: 8080}\n")
    assert not one.of("drift")
    opened.close()
    one.wait(lambda e: e["event"] == "drift" and e["id"] == "ports.missing")
    assert 'clawql_ports_findings{id="ports.missing",severity="medium"} 1' in (tmp_path / "metrics").read_text()
    with Opened([machine.PYTHON, OPENER, "kind=tcp", "port=8080"]) as again:
        one.wait(lambda e: e["event"] == "resolved" and e["id"] == "ports.missing")
        event = one.wait(lambda e: e["event"] == "listen" and e["pid"] == again.process.pid)
        assert event["declared"] is True and "id" not in event
    lines = machine.eventually(lambda: (done := [json.loads(line) for line in told.read_text().splitlines()])[1:] and done)
    assert [(line["event"], line["id"]) for line in lines[:2]] == [("drift", "ports.missing"), ("resolved", "ports.missing")]


@contextlib.contextmanager
def receiver(status=204, certificate=None):
    """A web server on 127.0.0.1:18099 that keeps what is posted: [(path, event)]."""
    bodies = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 18099), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield bodies
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def certificate(open_folder):
    """(a PEM file with key and certificate for 127.0.0.1, the certificate alone)"""
    both, public = open_folder / "server.pem", open_folder / "public.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", both, "-out", public], check=True, capture_output=True)
    both.write_text(both.read_text() + public.read_text())
    public.chmod(0o644)
    return both, public


def test_a_webhook_on_this_machine_gets_the_alarm(watch):
    with receiver() as bodies:
        watch("--webhook", "http://127.0.0.1:18099/hook?x=1")
        machine.eventually(lambda: bodies, what="the webhook was told")
        assert bodies[0][0] == "/hook?x=1" and bodies[0][1]["id"] == "ports.unexpected"
        assert bodies[0][1]["subject"] == "tcp 127.0.0.1:18099"


def test_a_webhook_by_https_gets_the_alarm_and_its_url_stands_nowhere(watch, certificate, open_folder):
    both, public = certificate
    url = open_folder / "url"
    url.write_text("https://127.0.0.1:18099/hook/SECRET\n")
    with receiver(certificate=both) as bodies:
        one = watch("--webhook-file", url, "--webhook-ca", public)
        machine.eventually(lambda: bodies, what="the webhook was told")
        assert bodies[0][0] == "/hook/SECRET" and bodies[0][1]["id"] == "ports.unexpected"
        assert b"SECRET" not in pathlib.Path(f"/proc/{one.process.pid}/cmdline").read_bytes()


def test_a_certificate_that_nobody_vouches_for_is_refused(watch, certificate, open_folder):
    both, _ = certificate
    metrics = open_folder / "ports.prom"
    with receiver(certificate=both) as bodies:
        one = watch("--webhook", "https://127.0.0.1:18099/SECRET", "--metrics-file", metrics, "--interval", "1")
        machine.eventually(lambda: "its certificate could not be verified" in one.errors(), 20)
        assert not bodies and "SECRET" not in one.errors()
        machine.eventually(lambda: re.search(r"^clawql_ports_untold_alarms_total [1-9]", metrics.read_text(), re.MULTILINE), 10)


def test_a_webhook_that_refuses_is_complained_about_without_its_url(watch):
    with receiver(status=500):
        one = watch("--webhook", "http://127.0.0.1:18099/SECRET")
        machine.eventually(lambda: "the webhook answered 500" in one.errors(), 20)
        assert "SECRET" not in one.errors()


def test_without_the_tracepoint_it_polls(watch):
    one = watch("--poll", "--interval", "1")
    assert one.of("watching")[0]["by"] == "poll"
    with Opened([machine.PYTHON, OPENER, "kind=tcp", "port=8080"]):
        one.wait(lambda e: e["event"] == "drift" and e["subject"] == "tcp 127.0.0.1:8080")
    one.wait(lambda e: e["event"] == "resolved" and e["subject"] == "tcp 127.0.0.1:8080")


def test_an_unprivileged_watch_says_that_it_polls(namespace, open_folder):
    expected = open_folder / "ports.yaml"
    expected.write_text("version: 1\nnamespaces: own\nlisteners: []\n")
    done = subprocess.run(["timeout", "-s", "TERM", "2", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                           machine.program("clawql"), "ports", "watch", "--expected", expected], capture_output=True, text=True)
    assert "no tracepoint, so a listener that lives shorter than --interval can be missed" in done.stderr
    assert "watching  by poll" in done.stdout and "ports.view-incomplete" in done.stdout


def test_a_broken_file_on_reload_changes_nothing(watch):
    one = watch("--interval", "3600")
    one.expected.write_text("version: 1\nlisteners: [\n")
    one.process.send_signal(signal.SIGHUP)
    event = one.wait(lambda e: e["event"] == "trouble")
    assert "ports.yaml:" in event["text"] and "kept" in event["text"]


def test_bad_use_is_refused(namespace, tmp_path):
    expected = tmp_path / "ports.yaml"
    expected.write_text("version: 1\nlisteners: []\n")
    for webhook, why in (("http://", "https://HOST[:PORT]/PATH"), ("https:///x", "https://HOST"), ("ftp://SECRET/", "https://HOST"),
                         ("https://h/SECRET x", "https://HOST"), ('https://h/SECRET"', "https://HOST"), ("http://example.com/SECRET", "https:// alone"),
                         ("http://127.0.0.1@example.com/SECRET", "https:// alone"), ("http://localhost.example/SECRET", "https:// alone")):
        done = subprocess.run([machine.program("clawql"), "ports", "watch", "--expected", expected, "--webhook", webhook],
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and why in done.stderr and "SECRET" not in done.stderr, (webhook, done.stderr)
