"""No secret in any log, audit record, status, metric or answer."""
import json
import secrets
import subprocess

from support import http, machine, mcp
from support.gateway import hostile_server, plain_server


def test_a_servers_secret_and_a_clients_credential_show_nowhere(gateway):
    in_env, in_args, from_env, token, argument = (secrets.token_hex(12) for _ in range(5))
    plain = plain_server(env={"API_KEY": in_env, "OTHER": "${env:FROM_OUTSIDE}"})
    plain["args"] = [*plain["args"], f"--token={in_args}"]
    one = gateway(environment={"FROM_OUTSIDE": from_env}, mcpServers={"plain": plain, "bad": hostile_server("exit_at_once")})
    with one.client(fields={"Authorization": f"Bearer {token}"}) as client:
        machine.eventually(lambda: "plain__environment" in [tool["name"] for tool in client.tools()], 10)
        session = client.session
        assert mcp.text_of(client.call("plain__echo", {"text": argument})) == argument
        seen = json.loads(mcp.text_of(client.call("plain__environment")))
        assert seen["API_KEY"] == in_env and seen["OTHER"] == from_env, "the server has them"
        assert token not in json.dumps(seen)
        try:
            client.call("bad__act", {"password": argument})
        except mcp.RpcError as problem:
            assert argument not in json.dumps(problem.error)
        one.reload("nonsense: true\n")
        http.request(one.port, "GET", "/nothing?key=" + argument)
        told = [one.log(), one.audit_file.read_text(), json.dumps(one.status()), json.dumps(one.metrics())]
        shown = subprocess.run([machine.program("clawql"), "config", "show", "--config", one.config_file], capture_output=True, text=True, timeout=10,
                               env=one.environment)
        told.append(shown.stdout + shown.stderr)
    for secret in (in_env, in_args, from_env, token, argument, session):
        for text in told:
            assert secret not in text, text[max(0, text.find(secret) - 200):text.find(secret) + 60]


def test_each_call_has_intent_and_outcome_with_a_hash_and_no_argument(gateway):
    one = gateway(mcpServers={"plain": plain_server()})
    with one.client() as client:
        machine.eventually(lambda: "plain__echo" in [tool["name"] for tool in client.tools()], 10)
        client.call("plain__echo", {"text": "hash me"})
    records = machine.eventually(lambda: [r for r in one.audit() if "echo" in json.dumps(r)][1:] and [r for r in one.audit() if "echo" in json.dumps(r)], 5)
    outcomes = [word for r in records for word in ("intent", "success") if f'"{word}"' in json.dumps(r)]
    assert outcomes == ["intent", "success"]
    import hashlib
    assert hashlib.sha256(b'{"text":"hash me"}').hexdigest() in json.dumps(records[0])
