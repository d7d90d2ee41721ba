"""The first call a newcomer makes, over every door, with the built-in tools alone and with a server."""
import json
import os
import socket
import subprocess

import pytest

from support import http, machine, mcp
from support.gateway import Gateway, plain_server


def test_a_call_over_http_goes_through_all_three_programs(gateway):
    one = gateway()
    with one.client() as client:
        names = [tool["name"] for tool in client.tools()]
        assert {"clawql__cache", "clawql__audit"} <= set(names)
        assert '"ok": true' in mcp.text_of(client.call("clawql__cache", {"operation": "set", "key": "k", "value": "v ✓"}))
        assert "v ✓" in mcp.text_of(client.call("clawql__cache", {"operation": "get", "key": "k"}))
    assert one.door.alive and one.engine.alive


def test_a_call_over_newline_json_on_the_socket(gateway):
    one = gateway()
    with one.line_client() as client:
        assert "clawql__cache" in [tool["name"] for tool in client.tools()]
        assert '"hit": false' in mcp.text_of(client.call("clawql__cache", {"operation": "get", "key": "none"}))


def test_http_is_spoken_on_the_unix_socket_too(gateway):
    one = gateway()
    with one.client(where=one.socket) as client:
        assert client.tools()


def test_socat_is_a_client_and_gets_its_answer_after_it_half_closed(gateway):
    one = gateway()
    message = {"jsonrpc": "2.0", "id": "é-1", "method": "initialize",
               "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": mcp.CLIENT}}
    done = subprocess.run(["socat", "-t", "5", "-", f"UNIX-CONNECT:{one.socket}"], input=mcp.dumps(message) + b"\n", capture_output=True, timeout=20)
    answer = json.loads(done.stdout)
    assert answer["id"] == "é-1" and answer["result"]["protocolVersion"] == "2025-06-18"


def test_the_wrapper_is_a_byte_pump(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    process = subprocess.Popen([machine.program("clawql"), "stdio", "--socket", one.socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    client = mcp.LineClient(process=process)
    client.initialize()
    machine.eventually(lambda: "plain__echo" in [tool["name"] for tool in client.tools()], 10)
    for size in (1, 1000, 65536, 1_000_000):
        assert mcp.text_of(client.call("plain__echo", {"text": "é" * size})) == "é" * size
    assert machine.Process(process.pid).resident_bytes() < 2 << 20
    process.stdin.close()
    assert process.wait(10) == 0


def test_the_wrapper_says_so_when_no_gateway_runs(namespace, tmp_path):
    done = subprocess.run([machine.program("clawql"), "stdio", "--socket", tmp_path / "none.sock"], input=b"{}\n", capture_output=True, timeout=10)
    assert done.returncode != 0
    assert str(tmp_path / "none.sock") in done.stderr.decode() and not done.stdout


def test_the_wrapper_ends_with_a_message_when_the_gateway_goes(gateway):
    one = gateway()
    process = subprocess.Popen([machine.program("clawql"), "stdio", "--socket", one.socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    mcp.LineClient(process=process).initialize()
    one.stop()
    assert process.wait(10) != 0
    assert process.stderr.read()


@pytest.mark.parametrize("asked,given", [("2025-11-25", "2025-11-25"), ("2025-06-18", "2025-06-18"), ("2025-03-26", "2025-03-26"),
                                         ("2024-11-05", "2024-11-05"), ("1999-01-01", "2025-11-25")])
def test_versions_are_negotiated(gateway, asked, given):
    one = gateway()
    with one.client(version=asked) as client:
        assert client.version == given
        assert client.request("ping") == {}


def test_both_loopback_addresses_serve(gateway):
    one = gateway()
    for where in (("127.0.0.1", one.port), ("::1", one.port)):
        answer = http.request(where, "GET", "/healthz")
        assert answer.status == 200 and answer.json()["status"] == "ok" and answer.json()["endpoint"] == "/mcp"


def test_a_session_ends_by_delete_and_is_unknown_afterwards(gateway):
    one = gateway()
    with one.client() as client:
        assert client.delete().status in (200, 204)
        answer = client.post(mcp.dumps({"jsonrpc": "2.0", "id": 9, "method": "tools/list"}))
        assert answer.status == 404 and answer.json()["error"]["code"] == -32001


def test_a_session_opened_over_tcp_is_unknown_on_the_unix_socket(gateway):
    one = gateway()
    with one.client() as client:
        thief = mcp.HttpClient(one.socket)
        thief.session, thief.version = client.session, client.version
        assert thief.post(mcp.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).status == 404
        assert client.tools()


def test_arguments_and_ids_travel_as_the_bytes_that_came(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    arguments = '{"big":123456789012345678901234567890,"esc":"\\u00e9\\/\\ud83d\\ude00","z":1.10e+2,"a":-0}'
    with one.client() as client:
        machine.eventually(lambda: "plain__raw" in [tool["name"] for tool in client.tools()], 10)
        for ident in ("9007199254740993", '"\\u0041\\u00e9"', "1e2"):
            body = '{"method":"tools/call","id":%s,"params":{"name":"plain__raw","arguments":%s},"jsonrpc":"2.0"}' % (ident, arguments)
            answer = client.post(body.encode())
            if ident == "1e2" and answer.status == 400:  # a fraction or exponent is no lawful id for some; then it is refused whole
                continue
            text = answer.body.decode() if answer.header("Content-Type").startswith("application/json") else answer.events()[-1][2]
            assert ident in text, text
            assert arguments in mcp.text_of(json.loads(text)["result"])


def test_two_gateways_share_nothing_and_the_second_is_told_who_holds_the_port(gateway):
    one = gateway()
    second = Gateway(listen={"unix": False, "http": {"bind": "loopback", "port": one.port}})
    try:
        status, log = second.refused()
        assert status == 1
        assert str(one.port) in log
    finally:
        second.stop()


def test_nothing_else_listens(gateway):
    one = gateway()
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout.split("\n")
    assert sorted(line.split()[3] for line in listening if line) == sorted([f"127.0.0.1:{one.port}", f"[::1]:{one.port}"])
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(one.socket))
    assert os.stat(one.admin).st_mode & 0o777 == 0o600
