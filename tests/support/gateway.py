"""Starts a gateway with a configuration and a runtime folder of its own, and knows its processes, log, audit and metrics."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import yaml

from support import http, machine, mcp


class StartFailed(Exception):
    def __init__(self, status, log):
        super().__init__(f"the gateway ended with status {status}:\n{log}")
        self.status, self.log = status, log


class Gateway:
    """`Gateway(mcpServers={…}, limits={…}, …)`: any key of the configuration; `listen` and `audit` have defaults in
    the test's own folder. `environment` is the supervisor's. Use inside machine.own_namespace()."""

    PORT = 8080

    def __init__(self, environment=None, listen=None, audit=None, **config):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cq"))
        self.folder.chmod(0o755)
        self.socket = self.folder / "run" / "gateway.sock"
        self.admin = self.folder / "run" / "admin" / "admin.sock"
        self.audit_file = self.folder / "audit.jsonl"
        self.config_file = self.folder / "clawql.yaml"
        self.log_file = self.folder / "log"
        self.port = self.PORT
        defaults = {"unix": {"path": str(self.socket), "mode": "0660", "group": "root"}, "http": {"bind": "loopback", "port": self.PORT}}
        self.config = {"listen": {**defaults, **(listen or {})}, "audit": {"path": str(self.audit_file), **(audit or {})}, **config}
        self.environment = {"PATH": machine.TOOL_PATH, "HOME": os.path.expanduser("~"), "LANG": "C.UTF-8", **(environment or {})}
        self.supervisor = machine.program("clawql-api")
        self.process = None
        self.known = None

    # -- life
    def use_programs_for_anybody(self):
        """Copies the programs to the test's own folder: another user may be unable to enter the one they were built in (/root)."""
        programs = self.folder / "programs"
        for name in ("bin", "libexec"):
            shutil.copytree(machine.BUILD / name, programs / name)
        self.supervisor = programs / "bin" / "clawql-api"

    def write_config(self, text=None):
        self.config_file.write_text(text if text is not None else yaml.safe_dump(self.config, sort_keys=False))
        self.config_file.chmod(0o600)

    def spawn(self):
        """Starts the program without waiting for it."""
        if not self.config_file.exists():
            self.write_config()
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([self.supervisor, "--config", self.config_file], env=self.environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        self.known = machine.Process(self.process.pid)
        return self

    def start(self, seconds=20.0):
        self.spawn()
        machine.eventually(self._ready, seconds, "the gateway answers readyz")
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise StartFailed(self.process.returncode, self.log())
        try:
            where = self.socket if self.config["listen"]["unix"] else self.port
            return http.request(where, "GET", "/readyz", timeout=2.0).status == 200
        except (OSError, EOFError):
            return False

    def refused(self, seconds=10.0):
        """Starts it, expecting that it refuses: exit status and log."""
        self.spawn()
        return self.process.wait(seconds), self.log()

    def stop(self, seconds=20.0):
        """SIGTERM and wait. It must end by itself, with status 0 unless it was dead already."""
        try:
            if self.process and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    assert self.process.wait(seconds) == 0, f"status {self.process.returncode}:\n{self.log()}"
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
                    raise AssertionError(f"did not end {seconds} s after SIGTERM:\n{self.log()[-4000:]}") from None
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self):
        """SIGKILL to the supervisor alone."""
        self.process.kill()
        self.process.wait()

    # -- its processes
    def child(self, name) -> machine.Process:
        """The one live child of the supervisor with this program's name."""
        return machine.eventually(lambda: next((c for c in machine.children(self.process.pid) if c.name == name and c.alive), None),
                                  10, f"{name} is running")

    @property
    def door(self):
        return self.child("clawql-door")

    @property
    def engine(self):
        return self.child("clawql-engine")

    def zombies(self):
        return [p for p in map(machine.Process, machine.all_pids()) if p.state == "Z" and p.parent == self.process.pid]

    # -- what it says
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def log_records(self):
        records = []
        for line in self.log().splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                records.append({"raw": line})
        return records

    def audit(self):
        return [json.loads(line) for line in self.audit_file.read_text().splitlines()] if self.audit_file.exists() else []

    def audit_with(self, word, seconds=5.0):
        """Waits for an audit record that holds the word, and returns all that do."""
        return machine.eventually(lambda: [r for r in self.audit() if word in json.dumps(r)], seconds, f"an audit record with {word}")

    def metrics(self) -> dict:
        """{'name{label="x"}': value}"""
        where = self.socket if self.config["listen"]["unix"] else self.port
        answer = http.request(where, "GET", "/metrics")
        assert answer.status == 200, answer
        lines = [line for line in answer.body.decode().splitlines() if line and not line.startswith("#")]
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}

    def refusals(self, reason) -> float:
        return sum(v for k, v in self.metrics().items() if k.startswith("clawql_refusals_total{") and f'reason="{reason}"' in k)

    def metric_reaches(self, reason, value, seconds=5.0):
        machine.eventually(lambda: self.refusals(reason) >= value, seconds, f"clawql_refusals_total{{reason={reason}}} ≥ {value}")

    def admin_request(self, method, path) -> http.Response:
        return http.request(self.admin, method, path)

    def status(self) -> dict:
        answer = self.admin_request("GET", "/admin/status")
        assert answer.status == 200, answer
        return answer.json()

    def reload(self, text=None, **changes) -> http.Response:
        self.config.update(changes)
        self.write_config(text)
        return self.admin_request("POST", "/admin/reload")

    # -- clients
    def client(self, **options) -> mcp.HttpClient:
        client = mcp.HttpClient(options.pop("where", self.port), **options)
        client.initialize()
        return client

    def line_client(self) -> mcp.LineClient:
        client = mcp.LineClient(self.socket)
        client.initialize()
        return client


def plain_server(**entry):
    """An entry of mcpServers: the well-behaved test server."""
    return {"command": machine.PYTHON, "args": ["-B", str(machine.SERVERS / "plain.py")], **entry}


def hostile_server(mode, **entry):
    return {"command": machine.PYTHON, "args": ["-B", str(machine.SERVERS / "hostile.py"), mode], **entry}
