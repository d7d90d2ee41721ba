"""`clawql` against a played gateway and against clients' files: no process of the gateway is needed."""
import json
import os
import socketserver
import subprocess
import threading

import pytest

from support import machine

STATUS = {
    "supervisor": {
        "version": "9", "pid": 7, "started": "2026-11-24T11:22:16Z", "config": "/c.yaml", "generation": 3,
        "listeners": [{"id": 1, "kind": "unix", "label": "unix:/g.sock"}],
        "processes": [{"name": "door", "pid": 8, "restarts": 0, "layers": [
            {"name": "seccomp", "in_force": True, "detail": ""}, {"name": "landlock", "in_force": False, "detail": "old kernel"}]}],
        "servers": [{"name": "good", "pid": 0, "state": "stopped", "restarts": 0, "isolation": "session", "max_instances": 16,
                     "running": 2, "waiting": 1, "stopping": 0, "instances": [
                         {"instance": 1, "pid": 21, "state": "running", "restarts": 0}, {"instance": 2, "pid": 0, "state": "waiting", "restarts": 3},
                         {"instance": 3, "pid": 23, "state": "running", "restarts": 0}]},
                    {"name": "bad", "pid": 9, "state": "running", "restarts": 0, "isolation": "shared"}],
        "findings": [], "warnings": []},
    "engine": {
        "sessions": 2, "principals": 1,
        "servers": [{"name": "good", "state": "ready", "tools": 3, "calls": 5,
                     "instances": {"stopped": 4, "starting": 0, "ready": 2, "failed": 1, "calls_in_flight": 0}},
                    {"name": "bad", "state": "failed", "reason": "exited with status 1", "last_stderr": ["no \u001b[31mmodule"]}],
        "hidden": [{"item": "read", "owner": "b", "hidden_by": "a"}], "refusals": {"guard.host": 4}}}


class Admin(socketserver.StreamRequestHandler):
    def handle(self):
        request = self.rfile.readline().decode().split()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        status, body = self.server.answers[(request[0], request[1])]
        body = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)


class Mcp(socketserver.StreamRequestHandler):
    """Two pages of tools, a request of its own in between, and one tool that fails."""

    def say(self, **message):
        self.wfile.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def handle(self):
        for line in self.rfile:
            message = json.loads(line)
            if "id" not in message or "method" not in message:
                self.server.heard.append(message)
                continue
            getattr(self, message["method"].replace("/", "_"))(message["id"], message.get("params", {}))

    def initialize(self, ident, _):
        self.say(id=ident, result={"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {}})

    def tools_list(self, ident, params):
        self.say(id="ping-1", method="ping")
        self.say(method="notifications/message", params={})
        if "cursor" not in params:
            return self.say(id=ident, result={"tools": [{"name": "a__one", "description": "first\nmore"}], "nextCursor": "\u00fc\"2"})
        assert params["cursor"] == "\u00fc\"2"
        self.say(id=ident, result={"tools": [{"name": "b__" + "x" * 70, "description": "\u001b[31mred"}]})

    def tools_call(self, ident, params):
        if params["name"] == "missing":
            return self.say(id=ident, error={"code": -32602, "message": "Unknown tool"})
        text = json.dumps(params["arguments"])
        self.say(id=ident, result={"content": [{"type": "text", "text": text + "\n\u001b[2J"}], "isError": params["name"] == "broken"})


class Played(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def serve(path, handler):
    server = Played(str(path), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    return server, thread


@pytest.fixture
def played(tmp_path):
    admin, admin_thread = serve(tmp_path / "admin.sock", Admin)
    admin.answers = {("GET", "/admin/status"): (200, STATUS), ("POST", "/admin/reload"): (200, {"reloaded": True, "generation": 4})}
    mcp, mcp_thread = serve(tmp_path / "gateway.sock", Mcp)
    mcp.heard = []
    admin.mcp = mcp
    yield admin
    for server, thread in ((admin, admin_thread), (mcp, mcp_thread)):
        server.shutdown()
        server.server_close()
        thread.join()


def clawql(*arguments, **environment):
    return subprocess.run([machine.program("clawql"), *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


def test_status_shows_what_the_gateway_says_and_fails_for_a_failed_server(played, tmp_path):
    shown = clawql("status", "--socket", tmp_path / "admin.sock")
    assert shown.returncode == 1, shown
    for part in ("clawql 9, pid 7", "unix:/g.sock", "good  ready", "exited with status 1", "sessions: 2", "4 × guard.host",
                 "an instance for each session, at most 16: 2 running, 1 waiting; pid 21, 23; 2 ready, 1 failed, 4 stopped\n"):
        assert part in shown.stdout
    assert shown.stdout.count("an instance for each") == 1
    assert "\x1b" not in shown.stdout
    as_json = clawql("status", "--json", "--socket", tmp_path / "admin.sock")
    assert json.loads(as_json.stdout) == STATUS


def test_without_a_gateway_nothing_can_be_told(tmp_path):
    for command in (["status"], ["reload"], ["tools", "list"]):
        answer = clawql(*command, "--socket", tmp_path / "nobody.sock")
        assert answer.returncode == 2
        assert f"{tmp_path}/nobody.sock: No such file or directory" in answer.stderr


def test_reload_says_what_became_of_it(played, tmp_path):
    done = clawql("reload", "--socket", tmp_path / "admin.sock")
    assert (done.returncode, done.stdout) == (0, "reloaded: generation 4\n")
    played.answers[("POST", "/admin/reload")] = (409, {"error": "c.yaml:1:1: unknown key\nc.yaml:2:1: more"})
    refused = clawql("reload", "--socket", tmp_path / "admin.sock")
    assert refused.returncode == 1
    assert refused.stdout == "not reloaded, nothing changed:\n  c.yaml:1:1: unknown key\n  c.yaml:2:1: more\n"


def test_a_file_that_is_refused_by_now_still_leads_to_the_gateway(played, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(f"listen: {{ unix: {{ path: {tmp_path}/gateway.sock }} }}\nadmin: {{ path: {tmp_path}/admin.sock }}\nbogus: 1\n")
    config.chmod(0o600)
    assert clawql("reload", "--config", config).returncode == 0
    assert clawql("tools", "list", "--config", config).returncode == 0
    told = json.loads(clawql("doctor", "--json", "--config", config).stdout)
    assert "config.invalid" in [finding["id"] for finding in told["findings"]]
    config.write_text(config.read_text().replace("bogus: 1", 'mcpServers: { a: { command: x, args: ["${NOT_SET_HERE}"] } }'))
    told = json.loads(clawql("doctor", "--json", "--config", config).stdout)
    assert [finding["severity"] for finding in told["findings"] if finding["id"].startswith("config.")] == ["info"]


def test_tools_are_listed_over_all_pages_and_called(played, tmp_path):
    socket = ("--socket", tmp_path / "gateway.sock")
    listed = clawql("tools", "list", *socket)
    assert listed.returncode == 0, listed
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["a__one", "b__" + "x" * 70]
    assert "\x1b" not in listed.stdout and "more" not in listed.stdout
    assert len(json.loads(clawql("tools", "list", "--json", *socket).stdout)["tools"]) == 2
    assert {"jsonrpc": "2.0", "id": "ping-1", "result": {}} in played.mcp.heard

    called = clawql("tools", "call", "echo", '{"big": 12345678901234567890}', *socket)
    assert (called.returncode, called.stdout) == (0, '{"big": 12345678901234567890}\n\\u001b[2J\n')
    assert clawql("tools", "call", "broken", *socket).returncode == 1
    missing = clawql("tools", "call", "missing", *socket)
    assert missing.returncode == 1 and "Unknown tool (-32602)" in missing.stderr
    assert clawql("tools", "call", "echo", "[1]", *socket).returncode == 2


def test_doctor_names_each_finding_with_its_remedy(played, tmp_path):
    audit = tmp_path / "audit.jsonl"
    event = {"timestamp": "2026-11-24T11:22:16.123456789Z", "event": {"subtype": "guard.host", "outcome": "refused"},
             "reason": "guard.host", "detail": "Evil.example:8080", "count": 3}
    audit.write_text(json.dumps(event) + "\n")
    config = tmp_path / "c.yaml"
    config.write_text(f"audit: {{ path: {audit} }}\nlisten: {{ unix: {{ group: root }} }}\n")
    config.chmod(0o600)
    told = clawql("doctor", "--json", "--config", config, "--socket", tmp_path / "gateway.sock", "--admin-socket", tmp_path / "admin.sock")
    assert told.returncode == 1, told
    answer = json.loads(told.stdout)
    findings = {finding["id"]: finding for finding in answer["findings"]}
    assert set(findings) == {"sandbox.layer-missing", "server.failed", "tool.hidden", "tool.name-too-long", "guard.host-refused"}
    assert f'allowedHosts: ["evil.example"] in {config}' in findings["guard.host-refused"]["remedy"]
    assert "3 times" in findings["guard.host-refused"]["text"]
    assert "server good answers, 3 tools" in answer["ok"]
    human = clawql("doctor", "--config", config, "--socket", tmp_path / "gateway.sock", "--admin-socket", tmp_path / "admin.sock")
    assert "door: +seccomp -landlock" in human.stdout and "\x1b" not in human.stdout

    tail = clawql("audit", "tail", "--config", config)
    assert tail.stdout == "2026-11-24T11:22:16.123Z  refused  guard.host  reason=guard.host  detail=Evil.example:8080  count=3\n"
    assert clawql("audit", "tail", "--json", "--file", audit).stdout == audit.read_text()


def test_audit_tail_follows_new_events_and_a_rotated_file(tmp_path):
    audit = tmp_path / "audit.jsonl"
    audit.write_text('{"n":1}\n{"n":2}\n')
    follower = subprocess.Popen([machine.program("clawql"), "audit", "tail", "-f", "-n", "1", "--json", "--file", audit],
                                stdout=subprocess.PIPE, text=True)
    try:
        assert follower.stdout.readline() == '{"n":2}\n'
        with audit.open("a") as file:
            file.write('{"n":3}\n')
        assert follower.stdout.readline() == '{"n":3}\n'
        audit.rename(tmp_path / "audit.jsonl.1")
        audit.write_text('{"n":4}\n')
        assert follower.stdout.readline() == '{"n":4}\n'
        follower.stdout.close()  # nobody reads any more: it ends by itself
        assert follower.wait(timeout=10) == 0
    finally:
        follower.kill()
        follower.wait()


def test_config_check_names_place_and_remedy(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("listen: { http: { bind: 0.0.0.0 } }\nalowedHosts: []\n")
    config.chmod(0o600)
    checked = clawql("config", "check", config)
    assert checked.returncode == 1
    assert checked.stdout.splitlines() == [
        f'{config}:1:25: `bind`: "0.0.0.0" means every interface, which the gateway never listens on: write `loopback`',
        f'{config}:2:1: unknown key "alowedHosts": did you mean `allowedHosts`?']
    assert json.loads(clawql("config", "check", "--json", config).stdout)["errors"] == checked.stdout.splitlines()
    assert clawql("config", "check", tmp_path / "missing.yaml").returncode == 2
    config.write_text("user: x\n")
    config.chmod(0o666)
    unsafe = clawql("config", "check", config)
    assert unsafe.returncode == 1 and f"`chmod go-w {config}`" in unsafe.stdout


def test_import_takes_servers_over_and_keeps_the_old_file(tmp_path):
    client = tmp_path / "claude_desktop_config.json"
    client.write_text('{ "mcpServers": { // mine\n "my files": {"command": "npx", "args": ["${GREETING}"], "env": {"K": "hunter2"}, '
                      '"autoApprove": []},\n "far": {"url": "https://x"}, "odd": {"command": "./x"}, } }')
    config = tmp_path / "c.yaml"
    config.write_text("# by hand\nmcpServers:\n  other: { command: x }  # stays\n\nuser: root\n")
    config.chmod(0o640)
    before = config.read_text()
    taken = clawql("config", "import", client, "--config", config, GREETING="hello")
    assert taken.returncode == 1, taken  # two were refused
    assert "hunter2" not in taken.stdout + taken.stderr
    for part in ("my files as my-files", 'far: "url" is not yet supported', "odd: `command` wants"):
        assert part in taken.stdout
    assert config.read_text() == before.replace(
        "# stays\n", '# stays\n  my-files: { "command": "npx", "args": ["${GREETING}"], "env": { "K": "hunter2" } }\n')
    assert config.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "c.yaml.bak").read_text() == before
    again = clawql("config", "import", client, "--config", config, "--json", GREETING="hello")
    assert json.loads(again.stdout)["added"] == [] and json.loads(again.stdout)["present"] == ["my-files"]
    assert not (tmp_path / "c.yaml.bak2").exists()


@pytest.mark.parametrize("client,key", [("claude-desktop", "mcpServers"), ("claude-code", "mcpServers"),
                                        ("cursor", "mcpServers"), ("vscode", "servers")])
def test_connect_writes_one_entry_once(tmp_path, client, key):
    file = tmp_path / "client.json"
    file.write_text('{\n  // kept\n  "%s": {\n    "files": { "command": "npx" },\n  },\n}\n' % key)
    before = file.read_text()
    first = clawql("connect", client, "--file", file)
    assert first.returncode == 0, first
    entry = '{ "command": "%s", "args": ["stdio"] }' % machine.program("clawql").resolve()
    after = before.replace('"npx" },', '"npx" },\n    "clawql": %s,' % entry)
    assert file.read_text() == after
    assert (tmp_path / "client.json.bak").read_text() == before
    assert "--import` moves it behind the gateway" in first.stdout
    assert "connected already" in clawql("connect", client, "--file", file).stdout
    assert not (tmp_path / "client.json.bak2").exists()

    config = tmp_path / "c.yaml"
    moved = clawql("connect", client, "--file", file, "--config", config, "--import")
    assert moved.returncode == 0, moved
    assert file.read_text() == before.replace('"files": { "command": "npx" }', '"clawql": %s' % entry)
    assert config.read_text() == 'mcpServers:\n  files: { "command": "npx" }\n'
    assert config.stat().st_mode & 0o777 == 0o600
