"""Tasks of 2025-11-25 through the whole gateway: a client and a server on the official SDK, and a server whose ids can be
guessed, for what must not happen."""
import json
import subprocess
import threading

import pytest

from integration.test_threads import THREADS, client_on, names, shard_of
from support import machine, mcp

CLIENT = machine.ROOT / "tests" / "integration" / "task_client.cjs"
EVERYTHING = machine.MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
RESEARCH = "simulate-research-query"
RELATED = "io.modelcontextprotocol/related-task"


def everything(**entry):
    return {"command": str(machine.NODE), "args": [str(EVERYTHING), "stdio"], **entry}


def tasks_server(name, **entry):
    return {"command": machine.PYTHON, "args": ["-B", str(machine.SERVERS / "tasks.py"), name], **entry}


def run_task(one, where, tool, **arguments):
    """What the SDK's client said, as pairs."""
    done = subprocess.run([machine.NODE, CLIENT, where, tool, json.dumps(arguments)], env=one.environment, capture_output=True, text=True, timeout=60)
    said = [next(iter(json.loads(line).items())) + (json.loads(line),) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (said, done.stderr)
    return said


def of(said, what):
    return [value for key, value, _ in said if key == what]


def only(said, what):
    [value] = of(said, what)
    return value


def stdio(one):
    return f"- {machine.program('clawql')} stdio --socket {one.socket}"


def tasks_gateway(gateway, *servers, **config):
    one = gateway(mcpServers={name: tasks_server(name) for name in servers}, **config)
    with one.client() as client:
        machine.eventually(lambda: {f"{name}__work" for name in servers} <= {tool["name"] for tool in client.tools()}, 15)
    return one


def work(client, server, meta=None):
    params = {"name": f"{server}__work", "arguments": {}, "task": {"ttl": 60000}, **({"_meta": meta} if meta else {})}
    return client.request("tools/call", params)["task"]


def refused(client, method, task):
    with pytest.raises(mcp.RpcError) as caught:
        client.request(method, {"taskId": task})
    return caught.value.error


@pytest.mark.parametrize("isolation", ["shared", "principal"])
@pytest.mark.parametrize("way", ["http", "socket"])
def test_a_real_client_runs_a_task_at_a_real_server(gateway, way, isolation):
    one = gateway(mcpServers={"all": everything(isolation=isolation)})
    where = f"http://localhost:{one.port}/mcp" if way == "http" else stdio(one)
    said = run_task(one, where, f"all__{RESEARCH}", topic="tasks")
    first = next(line for key, _, line in said if key == "declared")
    assert first == {"declared": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}, "taskSupport": "required"}
    task = only(said, "taskCreated")["taskId"]
    assert len(task) == 64
    assert {state["taskId"] for state in of(said, "taskStatus")} == {task}
    assert of(said, "taskStatus")[-1]["status"] == "completed"
    result = only(said, "result")
    assert "Research Report: tasks" in mcp.text_of(result)
    assert result["_meta"] == {RELATED: {"taskId": task}}
    assert of(said, "listed") == [[task]]
    outcomes = {r["event"]["outcome"] for r in one.audit_with("tasks/result") if r["event"]["subtype"] == "tasks/result"}
    assert outcomes == {"intent", "success"}


@pytest.mark.parametrize("way", ["http", "socket"])
def test_a_real_server_asks_during_its_task(gateway, way):
    one = gateway(mcpServers={"all": everything(isolation="session")})
    where = f"http://localhost:{one.port}/mcp" if way == "http" else stdio(one)
    said = run_task(one, where, f"all__{RESEARCH}", topic="python", ambiguous=True)
    task = only(said, "taskCreated")["taskId"]
    [asked] = [line for key, _, line in said if key == "asked"]
    assert asked["task"] == task and "Please clarify" in asked["asked"]
    assert "input_required" in [state["status"] for state in of(said, "taskStatus")]
    assert "technical" in mcp.text_of(only(said, "result"))


def test_two_servers_with_the_same_ids_and_two_principals(gateway):
    one = tasks_gateway(gateway, "left", "right")
    with one.client() as web, one.line_client() as user, one.line_client() as again:
        mine, other, theirs = work(web, "left"), work(web, "right"), work(user, "left")
        ids = [task["taskId"] for task in (mine, other, theirs)]
        assert len(set(ids)) == 3 and not [task for task in ids if "task-" in task]
        assert [task["taskId"] for task in web.request("tasks/list")["tasks"]] == ids[:2]
        assert [task["taskId"] for task in again.request("tasks/list")["tasks"]] == ids[2:], "of the principal, whatever session made it"
        assert again.request("tasks/get", {"taskId": ids[2]}) == theirs

        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            errors = [refused(user, method, guess) for guess in (ids[0], "task-1", "0" * 64, "")]
            assert errors == [{"code": -32602, "message": "Unknown task", "data": {"reason": "task.unknown"}}] * 4
        assert one.refusals("task.unknown") == 12
        assert any(r["reason"] == "task.unknown" for r in one.audit_with("task.unknown"))

        assert user.request("tasks/cancel", {"taskId": ids[2]})["status"] == "cancelled"
        assert web.request("tasks/get", {"taskId": ids[0]})["status"] == "working"
        assert refused(user, "tasks/cancel", ids[2])["message"] == "it is over"


def test_the_result_blocks_until_the_task_is_over(gateway):
    one = tasks_gateway(gateway, "left")
    with one.client() as client, one.client() as finisher:
        task = work(client, "left")["taskId"]
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(client.request("tasks/result", {"taskId": task})))
        waiting.start()
        assert finisher.request("tasks/get", {"taskId": task})["status"] == "working"
        assert not answers
        assert mcp.text_of(finisher.call("left__finish")) == "finished"
        waiting.join(10)
        assert mcp.text_of(answers[0]) == "left task-1" and answers[0]["_meta"] == {RELATED: {"taskId": task}}


def test_what_a_shared_server_says_of_a_task_reaches_who_made_it_and_nobody_else(gateway):
    one = tasks_gateway(gateway, "left")
    with one.line_client() as owner, one.client() as other:
        task = work(owner, "left", {"progressToken": "mine"})["taskId"]
        # The only call in flight is another's: what the server works at is no longer told by that.
        assert mcp.text_of(other.call("left__tell")) == "told"
        assert not other.notifications
        owner.request("ping")
        heard = {note["method"]: note["params"] for note in owner.notifications if "params" in note}
        assert heard["notifications/progress"] == {"progressToken": "mine", "progress": 1, "_meta": {RELATED: {"taskId": task}}}
        assert heard["notifications/message"] == {"level": "warning", "data": "of task-1", "_meta": {RELATED: {"taskId": task}}}
        assert heard["notifications/tasks/status"]["taskId"] == task
        machine.eventually(lambda: "of nobody in particular" in one.log(), 5)


def test_a_task_is_gone_with_the_process_that_ran_it_and_that_is_said(gateway):
    one = tasks_gateway(gateway, "left")
    with one.client() as client:
        task = work(client, "left")["taskId"]
        next(p for p in machine.Namespace().processes() if "tasks.py" in " ".join(p.command) and p.name != "clawql-run").kill()
        error = machine.eventually(lambda: (e := refused(client, "tasks/get", task))["data"]["reason"] == "task.lost" and e, 10)
        assert error["code"] == -32602 and "has ended" in error["message"]
        machine.eventually(lambda: work(client, "left"), 15)
        # The next process makes the same id for another task: the old one is not it.
        assert refused(client, "tasks/result", task)["data"]["reason"] == "task.lost"
        assert len(client.request("tasks/list")["tasks"]) == 1


def test_over_the_limit_no_task_is_made(gateway):
    one = tasks_gateway(gateway, "left", limits={"tasksPrincipal": 1, "tasks": 2})
    with one.client() as client, one.line_client() as user:
        work(client, "left")
        for who, expected in ((client, 1), (user, 2)):
            if who is user:
                work(user, "left")
            with pytest.raises(mcp.RpcError) as caught:
                work(who, "left")
            assert caught.value.code == -32603 and caught.value.data["reason"] == "limit.tasks"
            assert one.refusals("limit.tasks") == expected


def test_clients_of_other_revisions_and_servers_without_tasks(gateway):
    one = tasks_gateway(gateway, "left")
    with mcp.HttpClient(one.port, version="2025-06-18") as old:
        assert "tasks" not in old.initialize()["capabilities"]
        with pytest.raises(mcp.RpcError) as caught:
            work(old, "left")
        assert caught.value.error["message"] == "as a task alone", "it came without `task`"
    with one.client() as client, pytest.raises(mcp.RpcError) as caught:
        client.request("tools/call", {"name": "clawql__cache", "arguments": {}, "task": {}})
    assert caught.value.code == -32601 and caught.value.data["reason"] == "task.unsupported"


def test_tasks_of_servers_in_another_shard(gateway):
    servers = names()
    assert {shard_of(name) for name in servers} == {0, 1}
    one = tasks_gateway(gateway, *servers, threads=THREADS)
    first, second = client_on(one, 0), client_on(one, 1)
    with first, second:
        made = [work(first, name)["taskId"] for name in servers]
        assert [task["taskId"] for task in second.request("tasks/list")["tasks"]] == made
        for name, task in zip(servers, made):
            assert second.request("tasks/get", {"taskId": task})["status"] == "working"
            assert mcp.text_of(second.call(f"{name}__finish")) == "finished"
            assert mcp.text_of(first.request("tasks/result", {"taskId": task})) == f"{name} task-1"
        stream = first.stream()
        try:
            for name, task in zip(servers, made):
                second.call(f"{name}__tell")
                assert stream.wait_for(lambda event: event.get("params", {}).get("taskId") == task)["params"]["status"] == "completed"
                progress = stream.wait_for(lambda event: event.get("method") == "notifications/message"
                                           and event["params"]["_meta"][RELATED]["taskId"] == task)
                assert progress["params"]["data"] == "of task-1"
        finally:
            stream.close()
        # A process that ended is another one for the other shard too.
        for process in [p for p in machine.Namespace().processes() if "tasks.py" in " ".join(p.command) and p.name != "clawql-run"]:
            process.kill()
        for task in made:
            machine.eventually(lambda: refused(first, "tasks/get", task)["data"]["reason"] == "task.lost", 10)
