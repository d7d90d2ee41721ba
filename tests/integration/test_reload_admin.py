"""Reload and the admin socket: a bad file changes nothing and says where and why; hosts and servers change without
dropping sessions."""
import signal

import pytest

from support import http, machine, mcp
from support.gateway import plain_server


def host_status(one, host):
    return http.request(one.port, "GET", "/healthz", host=host).status


def test_allowed_hosts_change_by_reload_and_sessions_stay(gateway):
    one = gateway()
    with one.client() as client:
        assert host_status(one, "gw.example") == 403
        assert one.reload(allowedHosts=["gw.example"]).status == 200
        machine.eventually(lambda: host_status(one, "gw.example") == 200, 5)
        assert client.request("ping") == {}
        assert one.reload(allowedHosts=[]).status == 200
        machine.eventually(lambda: host_status(one, "gw.example") == 403, 5)
        assert client.request("ping") == {}


@pytest.mark.parametrize("text,where,why", [
    ("listen: [\n", "clawql.yaml:2:", ""),
    ("allowedHosts: ['*']\n", "clawql.yaml:1:", "wildcard"),
    ("allowedHostz: []\n", "clawql.yaml:1:1", "allowedHosts"),
    ("listen:\n  http: { bind: 0.0.0.0, port: 8080 }\n", "clawql.yaml:2:", "loopback"),
    ("allowedHosts: []\nallowedHosts: []\n", "clawql.yaml:2:1", ""),
])
def test_a_bad_file_changes_nothing_and_says_file_line_column_and_why(gateway, text, where, why):
    one = gateway(allowedHosts=["gw.example"])
    with one.client() as client:
        doors = one.door.pid, one.engine.pid
        answer = one.reload(text)
        assert answer.status >= 400 and where in answer.body.decode() and why in answer.body.decode(), answer
        assert host_status(one, "gw.example") == 200
        assert client.request("ping") == {} and doors == (one.door.pid, one.engine.pid)


def test_sighup_reloads_too(gateway):
    one = gateway()
    one.config["allowedHosts"] = ["gw.example"]
    one.write_config()
    one.process.send_signal(signal.SIGHUP)
    machine.eventually(lambda: host_status(one, "gw.example") == 200, 5)


def test_only_the_servers_that_changed_restart(gateway):
    one = gateway(mcpServers={"a": plain_server(), "b": plain_server()})
    with one.client() as client:
        machine.eventually(lambda: {"a__pid", "b__pid"} <= {tool["name"] for tool in client.tools()}, 10)
        servers = {p.pid for p in machine.Namespace().processes() if "plain.py" in " ".join(p.command)}
        stream = client.stream()
        assert one.reload(mcpServers={"a": plain_server(), "b": plain_server(env={"NEW": "1"}), "c": plain_server()}).status == 200
        machine.eventually(lambda: {"a__pid", "b__pid", "c__pid"} <= {tool["name"] for tool in client.tools()}, 10)
        machine.eventually(lambda: "NEW" in mcp.text_of(client.call("b__environment")), 10)
        assert stream.wait_for(lambda event: event.get("method") == "notifications/tools/list_changed")
        kept = servers & {p.pid for p in machine.Namespace().processes()}
        assert kept, "the server that did not change was not restarted"
        assert one.reload(mcpServers={"a": plain_server()}).status == 200
        machine.eventually(lambda: {t["name"].split("__")[0] for t in client.tools()} == {"a", "clawql"}, 10)
        stream.close()


def test_a_new_listener_arrives_and_an_old_one_goes_by_reload(gateway):
    one = gateway()
    with one.client() as client:
        listen = dict(one.config["listen"], http={"bind": "loopback", "port": 8081})
        assert one.reload(listen=listen).status == 200
        machine.eventually(lambda: _refused(8080), 5, "the old port is closed")
        assert http.request(8081, "GET", "/healthz").status == 200
        moved = mcp.HttpClient(8081)
        moved.session, moved.version = client.session, client.version
        assert moved.request("ping") == {}


def _refused(port):
    try:
        http.Connection(port, 1).close()
        return False
    except ConnectionRefusedError:
        return True


def test_status_names_listeners_servers_and_sessions(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.client() as client:
        machine.eventually(lambda: "plain__echo" in [tool["name"] for tool in client.tools()], 10)
        text = str(one.status())
        for word in ("plain", "127.0.0.1:8080", str(one.socket), "supervisor", "engine"):
            assert word in text, (word, text)


def test_a_server_is_restarted_by_its_name_and_nothing_else_is_taken(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.client() as client:
        machine.eventually(lambda: "plain__echo" in [tool["name"] for tool in client.tools()], 10)
        old = {p.pid for p in machine.Namespace().processes() if "plain.py" in " ".join(p.command)}
        assert one.admin_request("POST", "/admin/servers/plain/restart").status == 200
        machine.eventually(lambda: not old & {p.pid for p in machine.Namespace().processes()}, 10)
        assert mcp.text_of(client.call("plain__echo", {"text": "x"})) == "x", "a call waits for the server that starts"
    for method, path, status in (("POST", "/admin/servers/nobody/restart", 409), ("POST", "/admin/servers/plain/explode", 404),
                                 ("POST", "/admin/nothing", 404), ("GET", "/admin/nothing", 404)):
        assert one.admin_request(method, path).status == status, path
    for method, path, allow in (("GET", "/admin/reload", "POST"), ("POST", "/admin/status", "GET"), ("DELETE", "/admin/status", "GET"),
                                ("GET", "/admin/servers/plain/restart", "POST")):
        answer = one.admin_request(method, path)
        assert (answer.status, answer.header("Allow")) == (405, allow), path


def test_admin_is_served_on_its_own_socket_alone_and_the_rest_not_there(gateway):
    one = gateway()
    assert http.request(one.socket, "GET", "/admin/status").status == 404
    assert http.request(one.port, "GET", "/admin/status").status == 404
    assert http.request(one.admin, "POST", "/mcp", {"Content-Type": "application/json", "Accept": mcp.ACCEPT}, b"{}").status == 404
    assert http.request(one.admin, "GET", "/admin/status", host="evil.example").status == 403
