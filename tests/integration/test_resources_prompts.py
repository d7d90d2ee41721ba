"""Resources, templates, subscriptions, prompts and completion of two servers as one, for clients of both eras."""
import json
import re

import pytest

from support import http, machine, mcp
from support.gateway import Gateway


def library(*schemes, **entry):
    return {"command": machine.PYTHON, "args": ["-B", str(machine.SERVERS / "library.py"), *schemes], **entry}


@pytest.fixture(params=[1, 2], ids=["one shard", "two shards"])
def served(request):
    with machine.own_namespace():
        one = Gateway(threads={"engine": request.param}, mcpServers={"first": library("alpha"), "second": library("beta", "gamma")})
        try:
            one.start()
            with one.client() as client:
                machine.eventually(lambda: len(client.request("resources/list")["resources"]) == 7, 20, "both libraries are listed")
            yield one
        finally:
            one.stop()


@pytest.fixture(params=["handshake", "modern"])
def client(request, served):
    if request.param == "modern":
        one = mcp.ModernClient(served.port)
        machine.eventually(lambda: len(one.request("resources/list")["resources"]) == 7, 20, "every shard knows both")
        yield one
    else:
        with served.client() as one:
            machine.eventually(lambda: len(one.request("resources/list")["resources"]) == 7, 20, "this shard knows both")
            yield one


def words_of(result):
    return result["contents"][0]["text"]


def test_lists_are_merged_in_the_order_of_the_configuration(client):
    listed = client.request("resources/list")["resources"]
    assert [one["uri"] for one in listed] == ["alpha:///book/1", "alpha:///book/2", "shelf:///common", "beta:///book/1", "beta:///book/2", "gamma:///book/1", "gamma:///book/2"]
    assert listed[2]["name"] == "of alpha", "the first server that lists a URI has it"
    assert [one["uriTemplate"] for one in client.request("resources/templates/list")["resourceTemplates"]] == [f"{scheme}:///page/{{number}}" for scheme in ("alpha", "beta", "gamma")]
    assert [one["name"] for one in client.request("prompts/list")["prompts"]] == ["first__greet", "second__greet"]


def test_a_resource_is_read_where_it_is_listed_or_where_its_template_is(client):
    assert words_of(client.request("resources/read", {"uri": "gamma:///book/2"})) == "beta has gamma:///book/2"
    assert words_of(client.request("resources/read", {"uri": "shelf:///common"})) == "alpha has shelf:///common"
    assert words_of(client.request("resources/read", {"uri": "beta:///page/77"})) == "beta has beta:///page/77"


def test_a_resource_that_nobody_has_is_refused_with_its_uri(client, served):
    with pytest.raises(mcp.RpcError) as refused:
        client.request("resources/read", {"uri": "alpha:///page/7/8"})
    assert refused.value.code == (-32602 if isinstance(client, mcp.ModernClient) else -32002)
    assert refused.value.data["uri"] == "alpha:///page/7/8"
    assert served.audit_with("resource.unknown")


def test_a_prompt_goes_to_its_server_under_its_own_name(client):
    got = client.request("prompts/get", {"name": "second__greet", "arguments": {"whom": "you"}})
    assert got["messages"][0]["content"]["text"] == "greet you from beta"
    with pytest.raises(mcp.RpcError) as refused:
        client.request("prompts/get", {"name": "greet"})
    assert refused.value.code == -32602


def test_completion_is_asked_of_the_server_that_has_the_reference(client):
    def complete(reference):
        return client.request("completion/complete", {"ref": reference, "argument": {"name": "whom", "value": "yo"}})["completion"]["values"]

    assert complete({"type": "ref/prompt", "name": "second__greet"}) == ["beta greet yo"]
    assert complete({"type": "ref/resource", "uri": "gamma:///page/{number}"}) == ["beta gamma:///page/{number} yo"]
    for bad in ({"type": "ref/prompt", "name": "nobody__greet"}, {"type": "ref/resource", "uri": "other:///x"}, {"type": "ref/else"}):
        with pytest.raises(mcp.RpcError) as refused:
            complete(bad)
        assert refused.value.code == -32602


def test_a_list_result_of_2026_07_28_says_how_long_it_may_be_kept(served):
    client = mcp.ModernClient(served.port)
    for method in ("tools/list", "resources/list", "resources/templates/list", "prompts/list", "server/discover"):
        result = client.request(method)
        assert (result["ttlMs"], result["cacheScope"], result["resultType"]) == (0, "private", "complete"), method
    read = client.request("resources/read", {"uri": "alpha:///book/1"})
    assert (read["ttlMs"], read["cacheScope"], read["resultType"]) == (0, "private", "complete")
    assert "ttlMs" not in client.request("tools/call", {"name": "first__subscribed"})


def subscribed_at(client, server):
    return json.loads(mcp.text_of(client.call(f"{server}__subscribed")))


def test_the_server_is_asked_once_for_each_uri_and_told_when_the_last_one_stops(served):
    def changed(event):
        return event.get("method") == "notifications/resources/updated"

    with served.client() as one, served.client() as two:
        streams = [one.stream(), two.stream()]
        for client in (one, two):
            client.request("resources/subscribe", {"uri": "beta:///book/1"})
        machine.eventually(lambda: subscribed_at(one, "second") == ["beta:///book/1"], 10, "the server was asked once")
        listen = mcp.ModernClient(served.port).listen(resourceSubscriptions=["beta:///book/1", "nobody:///x"])
        granted = listen.wait_for(lambda event: event.get("method") == "notifications/subscriptions/acknowledged")
        assert granted["params"]["notifications"] == {"resourceSubscriptions": ["beta:///book/1"]}
        one.call("second__touch", {"uri": "beta:///book/2"})  # nobody's
        one.call("second__touch", {"uri": "beta:///book/1"})
        for stream in streams:
            assert stream.wait_for(changed)["params"] == {"uri": "beta:///book/1"}
        heard = listen.wait_for(changed)
        assert heard["params"] == {"uri": "beta:///book/1", "_meta": {"io.modelcontextprotocol/subscriptionId": "listen"}}

        listen.close()
        one.request("resources/unsubscribe", {"uri": "beta:///book/1"})
        one.call("second__touch", {"uri": "beta:///book/1"})
        machine.eventually(lambda: len(list(filter(changed, streams[1].events))) == 2, 10, "the other one still hears")
        assert len(list(filter(changed, streams[0].events))) == 1
        two.delete()
        machine.eventually(lambda: subscribed_at(one, "second") == [], 10, "the server was told that nobody listens")
        streams[0].close()


def test_what_changes_while_the_connection_of_a_get_is_gone_comes_with_the_next_one(served):
    with served.client() as one, served.client() as other:
        one.request("resources/subscribe", {"uri": "beta:///book/1"})
        machine.eventually(lambda: subscribed_at(other, "second") == ["beta:///book/1"], 10, "the server was asked")
        fields = one.headers({"Content-Type": None, "Accept": "text/event-stream"})
        with http.Connection(served.port) as connection:
            connection.send(http.request_bytes("GET", "/mcp", fields))
            assert connection.head().status == 200
            ident = re.search(r"id: (\S+)", connection.chunk().decode()).group(1)
        other.call("second__touch", {"uri": "beta:///book/1"})
        stream = mcp.EventStream(served.port, "/mcp", {**fields, "Last-Event-ID": ident}, "localhost")
        assert stream.wait_for(lambda event: event.get("method") == "notifications/resources/updated")["params"] == {"uri": "beta:///book/1"}
        stream.close()


def test_subscriptions_outlive_a_restart_of_the_server(served):
    with served.client() as client:
        stream = client.stream()
        client.request("resources/subscribe", {"uri": "alpha:///book/1"})
        with pytest.raises(mcp.RpcError):
            client.call("first__end")
        machine.eventually(lambda: subscribed_at(client, "first") == ["alpha:///book/1"], 20, "it is subscribed again")
        client.call("first__touch", {"uri": "alpha:///book/1"})
        assert stream.wait_for(lambda event: event.get("method") == "notifications/resources/updated")
        stream.close()


def test_listen_streams_hear_what_they_asked_for_alone(served):
    client = mcp.ModernClient(served.port)
    tools, prompts = client.listen("t", toolsListChanged=True), client.listen("p", promptsListChanged=True)
    for stream, member in ((tools, "toolsListChanged"), (prompts, "promptsListChanged")):
        assert stream.wait_for(lambda event: True)["params"]["notifications"] == {member: True}
    served.reload(mcpServers={"first": library("alpha", tools=["touch"]), "second": library("beta", "gamma")})
    changed = tools.wait_for(lambda event: event["method"] == "notifications/tools/list_changed")
    assert changed["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "t"}
    assert not [event for event in prompts.events if event["method"] == "notifications/tools/list_changed"]
    tools.close()
    prompts.close()
