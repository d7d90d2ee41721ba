"""Servers that die, flood, stall or write garbage: their own call fails with a reason, everybody else is served."""
import json
import os
import signal
import threading
import time

import pytest

from support import http, machine, mcp
from support.gateway import hostile_server, plain_server


def wait_for_tool(client, name, seconds=15):
    return machine.eventually(lambda: name in [tool["name"] for tool in client.tools()], seconds, f"{name} is listed")


def call_error(client, name, arguments=None):
    with pytest.raises(mcp.RpcError) as caught:
        client.call(name, arguments)
    return caught.value


def in_background(function):
    result = {}

    def run():
        try:
            result["value"] = function()
        except BaseException as problem:
            result["error"] = problem

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, result


@pytest.fixture
def both(gateway):
    """A gateway with one hostile server beside a good one."""

    def start(mode, **entry):
        one = gateway(mcpServers={"bad": hostile_server(mode, **entry), "plain": plain_server()}, limits={"callSeconds": 3})
        client = one.client()
        wait_for_tool(client, "plain__echo")
        return one, client

    return start


def served_again(client):
    """A call that comes while the death is not yet noticed fails too: that is lawful, the next ones must not."""
    try:
        return mcp.text_of(client.call("plain__echo", {"text": "again"})) == "again"
    except mcp.RpcError as problem:
        assert problem.code == -32603
        return False


def check_the_other_is_served(client, within=1.0):
    began = time.monotonic()
    assert mcp.text_of(client.call("plain__echo", {"text": "hi"})) == "hi"
    assert time.monotonic() - began < within


def test_a_server_killed_mid_call_fails_that_call_at_once_and_the_next_works(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.client() as client, one.client() as second:
        wait_for_tool(client, "plain__pid")
        thread, result = in_background(lambda: client.call("plain__slow", {"seconds": 30}))
        one.audit_with("slow")  # the intent is written before the call is sent
        # The pid is of the server's own PID namespace, if it has one: what is killed is the process as we see it.
        server = next(p for p in machine.Namespace().processes() if "plain.py" in " ".join(p.command) and p.name.startswith("python"))
        began = time.monotonic()
        server.kill()
        thread.join(5)
        assert time.monotonic() - began < 2
        assert result["error"].code == -32603 and result["error"].data["reason"]
        machine.eventually(lambda: served_again(second), 10)
        assert not one.zombies()


def test_a_server_that_kills_itself_fails_the_call_and_is_restarted(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.client() as client:
        wait_for_tool(client, "plain__die")
        assert call_error(client, "plain__die").code == -32603
        assert mcp.text_of(client.call("plain__echo", {"text": "back"})) == "back"
        one.audit_with("server.exited")


@pytest.mark.parametrize("mode", ["garbage", "wrong_ids"])
def test_garbage_before_the_answer_is_passed_over_or_ends_that_server_alone(both, mode):
    _, client = both(mode)
    wait_for_tool(client, "bad__act")
    try:
        assert mcp.text_of(client.call("bad__act")) in ("after garbage", "mine")
    except mcp.RpcError as problem:
        assert problem.code == -32603
    check_the_other_is_served(client)


@pytest.mark.parametrize("mode", ["duplicate_keys", "bad_utf8", "too_deep", "too_long", "stall", "close_stdout", "exit_at_once", "deaf"])
def test_an_answer_that_is_none_fails_that_call_with_a_reason(both, mode):
    one, client = both(mode)
    wait_for_tool(client, "bad__act")
    thread, result = in_background(lambda: client.call("bad__act"))
    with one.client() as other:
        check_the_other_is_served(other)
    thread.join(10)
    assert isinstance(result.get("error"), mcp.RpcError), result
    assert result["error"].code == -32603
    check_the_other_is_served(client)


@pytest.mark.parametrize("mode", ["flood_stdout", "flood_stderr"])
def test_a_flood_from_a_server_leaves_the_others_served_and_memory_bounded(both, mode):
    one, client = both(mode)
    wait_for_tool(client, "bad__act")
    client.call("bad__act")
    before = one.engine.resident_bytes()
    for _ in range(20):
        check_the_other_is_served(client, within=2.0)
    assert one.engine.resident_bytes() < before + (64 << 20)
    assert len(one.log()) < 4 << 20, "the log is rate-limited"
    assert "\x1b" not in one.log()


def test_a_second_answer_to_one_call_reaches_nobody(both):
    _, client = both("twice")
    wait_for_tool(client, "bad__act")
    assert mcp.text_of(client.call("bad__act")) == "first"
    assert mcp.text_of(client.call("bad__good")) == "good"


def test_requests_of_a_server_are_refused_and_its_ping_answered(both):
    _, client = both("asks")
    wait_for_tool(client, "bad__act")
    answers = mcp.text_of(client.call("bad__act"))
    assert "('mine-1', -3260" in answers and "('mine-2', None)" in answers


def test_a_server_that_cannot_start_is_absent_with_its_reason_in_status(both):
    one, client = both("dies_at_start")
    assert not any(tool["name"].startswith("bad__") for tool in client.tools())
    status = machine.eventually(lambda: "licence" in json.dumps(one.status()) and one.status(), 10, "stderr's last line is in status")
    assert "\x1b" not in json.dumps(status, ensure_ascii=False)
    check_the_other_is_served(client)


def test_a_command_that_does_not_exist_is_named(gateway):
    one = gateway(mcpServers={"ghost": {"command": "no-such-command-here"}, "plain": plain_server()})
    with one.client() as client:
        wait_for_tool(client, "plain__echo")
        machine.eventually(lambda: "no-such-command-here" in json.dumps(one.status()), 10, "the command is named in status")


def test_a_server_that_never_initializes_delays_a_list_by_five_seconds_once(both):
    _, client = both("never_initializes")
    began = time.monotonic()
    client.tools()
    assert time.monotonic() - began < 1.0, "the wait is counted from the server's start"


def test_an_allow_list_hides_and_refuses_the_other_tools(gateway, tmp_path):
    calls = tmp_path / "calls"
    one = gateway(mcpServers={"plain": plain_server(tools=["ec*"], env={"CALLS_FILE": str(calls)})})
    with one.client() as client:
        wait_for_tool(client, "plain__echo")
        assert [t["name"] for t in client.tools() if t["name"].startswith("plain__")] == ["plain__echo"]
        assert call_error(client, "plain__environment").code == -32602
        assert not calls.exists(), "the server was not asked"
        one.audit_with("tool.unknown")


def test_list_changed_reaches_the_clients_stream(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.client() as client:
        wait_for_tool(client, "plain__grow")
        stream = client.stream()
        assert stream.answer.status == 200
        name = mcp.text_of(client.call("plain__grow"))
        assert stream.wait_for(lambda event: event.get("method") == "notifications/tools/list_changed")
        wait_for_tool(client, f"plain__{name}")
        stream.close()


def test_progress_comes_with_the_callers_own_token(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.client() as client:
        wait_for_tool(client, "plain__steps")
        client.call("plain__steps", {"steps": 3}, meta={"progressToken": "mine ✓"})
        seen = [n["params"] for n in client.notifications if n["method"] == "notifications/progress"]
        assert [(p["progressToken"], p["progress"]) for p in seen] == [("mine ✓", 1), ("mine ✓", 2), ("mine ✓", 3)]


def test_a_cancelled_call_is_cancelled_at_the_server(gateway, tmp_path):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.line_client() as client:
        machine.eventually(lambda: "plain__slow" in [tool["name"] for tool in client.tools()], 10)
        client.send({"jsonrpc": "2.0", "id": 70, "method": "tools/call", "params": {"name": "plain__slow", "arguments": {"seconds": 60}}})
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 70, "reason": "test"}})
        assert mcp.text_of(client.call("plain__echo", {"text": "still here"})) == "still here"
        one.audit_with("cancelled")


def test_a_client_that_vanishes_mid_call_leaves_nothing_behind(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.client() as client:
        wait_for_tool(client, "plain__slow")
        door = one.door.descriptors()
        for _ in range(20):
            gone = one.client()
            body = mcp.dumps({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "plain__slow", "arguments": {"seconds": 0.3}}})
            gone.connection.send(http.request_bytes("POST", "/mcp", gone.headers(), body))
            gone.connection.socket.setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")  # SO_LINGER 0: a reset, as when a process dies
            gone.connection.close()
        machine.eventually(lambda: one.door.descriptors() <= door, 10, "the door has closed its side")
        assert mcp.text_of(client.call("plain__echo", {"text": "hi"})) == "hi"


def test_the_environment_of_a_server_is_the_short_list_and_its_own(gateway):
    one = gateway(environment={"GATEWAY_SECRET": "never", "FOR_SERVER": "expanded"},
                  mcpServers={"plain": plain_server(env={"MINE": "${env:FOR_SERVER}", "PLAIN": "yes"})})
    with one.client() as client:
        wait_for_tool(client, "plain__environment")
        seen = json.loads(mcp.text_of(client.call("plain__environment")))
    assert seen.pop("MINE") == "expanded" and seen.pop("PLAIN") == "yes"
    assert set(seen) - {"LC_CTYPE", "PWD"} <= {"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "TZ", "TMPDIR"}, seen


def test_no_descriptor_leaks_over_two_hundred_calls_and_a_restart(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.client() as client:
        wait_for_tool(client, "plain__echo")
        before = {p.name: p.descriptors() for p in (one.door, one.engine, one.known)}
        for number in range(200):
            client.call("plain__echo", {"text": str(number)})
        os.kill(next(p for p in machine.Namespace().processes() if "plain.py" in " ".join(p.command) and p.name.startswith("python")).pid, signal.SIGKILL)
        machine.eventually(lambda: served_again(client), 10)
        machine.eventually(lambda: {p.name: p.descriptors() for p in (one.door, one.engine, one.known)} == before, 5, f"the same descriptors as {before}")
