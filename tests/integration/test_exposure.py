"""The gateway looks at itself: what is not as declared is told, shown in /readyz or the end of it, and gone when it is undone."""
import json
import os
import shutil
import stat
import subprocess
import time

import pytest

from support import http, machine
from support.gateway import Gateway

EVERY_SECOND = {"interval": 1}
UNREADY = {"interval": 1, "onDrift": "unready"}
STOP = {"interval": 1, "onDrift": "stop"}


def listener(**sandbox):
    return {"command": machine.PYTHON, "args": ["-B", str(machine.SERVERS / "listener.py")], "sandbox": sandbox}


def for_anybody(one, **entry):
    """The same, where every user can read it."""
    for name in ("listener.py", "base.py"):
        shutil.copy(machine.SERVERS / name, one.folder / name)
        (one.folder / name).chmod(0o644)
    one.use_programs_for_anybody()
    one.config["mcpServers"] = {"l": {**listener(listen=True), "args": ["-B", str(one.folder / "listener.py")], "cwd": str(one.folder), **entry}}


def readyz(one):
    answer = http.request(one.socket, "GET", "/readyz")
    return answer.status, answer.json()["status"]


def drift(one):
    """{finding: how many}, of /metrics."""
    return {name.split('"')[1]: value for name, value in one.metrics().items() if name.startswith("clawql_exposure_drift{")}


def logged(one, event, finding):
    return [r for r in one.log_records() if r.get("event") == event and r.get("id") == finding]


def recorded(one, subtype, finding):
    return [r for r in one.audit() if r["event"]["subtype"] == subtype and r["reason"] == finding]


def looks(one):
    return one.metrics()["clawql_exposure_checked_timestamp_seconds"]


def wait_for_looks(one, count=2):
    """So many more looks, each a second or more apart."""
    before = looks(one)
    machine.eventually(lambda: looks(one) >= before + count, 10, "the gateway looked again")


def wait_drift(one, finding, value=1.0):
    machine.eventually(lambda: drift(one).get(finding) == value, 10, f"{finding} is {value} in /metrics")


def wait_told(one, event, finding):
    machine.eventually(lambda: logged(one, event, finding), 10, f"{event} {finding} in the log")
    return machine.eventually(lambda: recorded(one, event, finding), 10, f"{event} {finding} in the audit log")


def test_a_gateway_as_declared_says_so(gateway):
    one = gateway(exposure=EVERY_SECOND, mcpServers={"l": listener(listen=True)})
    wait_for_looks(one)
    assert one.metrics()["clawql_exposure_as_declared"] == 1 and drift(one) == {}
    assert not [r for r in one.log_records() if r.get("event") == "exposure.drift"], one.log()


def test_a_chmod_by_hand_is_told_once_and_so_is_its_end(gateway):
    one = gateway(exposure=EVERY_SECOND)
    one.socket.chmod(0o666)
    event, = wait_told(one, "exposure.drift", "gateway.socket.mode")
    assert (event["event"]["outcome"], event["event"]["severity"]) == ("error", "high") and "0666 instead of 0660" in event["detail"]
    assert "chmod it back" in logged(one, "exposure.drift", "gateway.socket.mode")[0]["remedy"]
    wait_drift(one, "gateway.socket.mode")
    assert readyz(one) == (200, "ok"), "alert leaves the gateway in service"
    wait_for_looks(one)
    one.socket.chmod(0o660)
    wait_told(one, "exposure.resolved", "gateway.socket.mode")
    wait_drift(one, "gateway.socket.mode", 0.0)
    assert one.metrics()["clawql_exposure_as_declared"] == 1
    assert len(recorded(one, "exposure.drift", "gateway.socket.mode")) == 1


def test_drift_is_shown_by_status_with_its_remedy(gateway):
    one = gateway(exposure=EVERY_SECOND)
    one.admin.chmod(0o660)
    found = machine.eventually(lambda: [f for f in one.status()["supervisor"]["findings"] if f["id"] == "gateway.socket.mode"], 10)
    assert str(one.admin) in found[0]["text"] and found[0]["remedy"]


@pytest.mark.parametrize("threads", [1, 2])
def test_unready_says_so_until_it_is_as_declared_again(gateway, threads):
    one = gateway(exposure=UNREADY, threads={"door": threads, "engine": threads})
    os.chown(one.socket, 0, 12345)
    machine.eventually(lambda: readyz(one) == (503, "drift"), 10)
    wait_drift(one, "gateway.socket.group")
    with one.client() as client:
        assert client.request("ping") == {}, "who is connected is served"
    os.chown(one.socket, 0, 0)
    machine.eventually(lambda: readyz(one) == (200, "ok"), 10)


def test_a_listener_of_a_server_is_named_by_its_process(gateway):
    one = gateway(exposure=UNREADY, mcpServers={"l": listener(listen=True)})
    with one.client() as client:
        machine.eventually(lambda: "l__listen" in {tool["name"] for tool in client.tools()}, 10)
        client.call("l__listen", {"port": 9999})
        event, = wait_told(one, "exposure.drift", "gateway.listener.unexpected")
        assert "tcp 127.0.0.1:9999" in event["detail"] and "(pid " in event["detail"] and event["event"]["severity"] == "critical"
        assert readyz(one) == (503, "drift")
        client.call("l__close")
        wait_told(one, "exposure.resolved", "gateway.listener.unexpected")
        machine.eventually(lambda: readyz(one) == (200, "ok"), 10)


def test_a_new_engine_knows_of_the_drift(gateway):
    one = gateway(exposure=UNREADY)
    one.socket.chmod(0o600)
    machine.eventually(lambda: readyz(one) == (503, "drift"), 10)
    one.engine.kill()

    def says_drift():
        answer = http.request(one.socket, "GET", "/readyz")
        return answer.status == 503 and answer.body == b'{"status":"drift"}'
    machine.eventually(says_drift, 10)
    assert drift(one) == {"gateway.socket.mode": 1}


def ended(one):
    status = one.process.wait(20)
    return status, [r["reason"] for r in one.log_records() if r.get("event") == "exposure.stop"]


def test_stop_ends_the_gateway_with_the_reason(namespace):
    one = Gateway(exposure=STOP)
    try:
        one.start()
        one.socket.chmod(0o666)
        status, reasons = ended(one)
        assert status == 1 and len(reasons) == 1
        assert "gateway.socket.mode" in reasons[0] and "chmod it back" in reasons[0] and "exposure.onDrift" in reasons[0]
        assert recorded(one, "exposure.drift", "gateway.socket.mode"), "the last thing in the audit log"
        assert not one.socket.exists()
        namespace.wait_empty()
    finally:
        one.stop()


def test_a_removed_and_a_replaced_socket_are_told(gateway):
    one = gateway(exposure=EVERY_SECOND, listen={"http": {"bind": "loopback", "port": Gateway.PORT}})
    kept = one.socket.with_name("kept")
    one.socket.rename(kept)
    machine.eventually(lambda: logged(one, "exposure.drift", "gateway.socket.replaced"), 10)
    kept.rename(one.socket)
    wait_told(one, "exposure.resolved", "gateway.socket.replaced")


def test_a_folder_that_everybody_may_write_to_is_told(gateway):
    one = gateway(exposure=EVERY_SECOND)
    mode = stat.S_IMODE(one.socket.parent.stat().st_mode)
    one.socket.parent.chmod(mode | 0o002)
    wait_told(one, "exposure.drift", "gateway.socket.folder")
    one.socket.parent.chmod(mode)
    wait_told(one, "exposure.resolved", "gateway.socket.folder")


def test_a_reload_that_changes_listeners_is_no_drift(gateway):
    one = gateway(exposure=STOP)
    other = one.folder / "run" / "other.sock"
    http_and = {"http": {"bind": "loopback", "port": 8090}}
    assert one.reload(listen={"unix": {"path": str(one.socket), "mode": "0600", "group": "root"}, **http_and}).status == 200
    wait_for_looks(one)
    assert stat.S_IMODE(one.socket.stat().st_mode) == 0o600
    assert one.reload(listen={"unix": {"path": str(other), "mode": "0660", "group": "root"}, **http_and}).status == 200
    one.socket = other
    one.admin = one.folder / "run" / "admin" / "admin.sock"
    wait_for_looks(one)
    assert one.reload(listen={"unix": {"path": str(other), "mode": "0660", "group": "root"}, "http": False}).status == 200
    wait_for_looks(one)
    assert one.process.poll() is None, one.log()
    assert not [r for r in one.log_records() if r.get("event") == "exposure.drift"], one.log()


def test_a_reload_looks_at_once(gateway):
    one = gateway(exposure={"interval": 86400})
    one.socket.chmod(0o666)
    assert one.reload().status == 200
    wait_told(one, "exposure.drift", "gateway.socket.mode")


def test_a_reload_changes_what_drift_does(namespace):
    one = Gateway(exposure=EVERY_SECOND)
    try:
        one.start()
        one.socket.chmod(0o666)
        wait_told(one, "exposure.drift", "gateway.socket.mode")
        assert one.reload(exposure=UNREADY).status == 200
        machine.eventually(lambda: readyz(one) == (503, "drift"), 10)
        one.config["exposure"] = STOP
        one.write_config()
        one.process.send_signal(1)
        assert ended(one)[0] == 1
    finally:
        one.stop()


def test_as_another_user_too(namespace):
    """Door and engine hide their descriptors, and the supervisor has no capability: it still tells what is declared."""
    one = Gateway(exposure=UNREADY, user="nobody")
    for_anybody(one)
    os.chown(one.folder, 65534, 65534)
    try:
        one.start()
        wait_for_looks(one)
        assert drift(one) == {}
        with one.client() as client:
            machine.eventually(lambda: "l__listen" in {tool["name"] for tool in client.tools()}, 10)
            client.call("l__listen", {"port": 9999})
            wait_told(one, "exposure.drift", "gateway.listener.unexpected")
            client.call("l__close")
            machine.eventually(lambda: readyz(one) == (200, "ok"), 10)
    finally:
        one.stop()


def test_a_server_with_a_user_of_its_own_is_found_by_what_is_left_over(namespace):
    one = Gateway(exposure=EVERY_SECOND)
    for_anybody(one, user="nobody")
    try:
        one.start()
        with one.client() as client:
            machine.eventually(lambda: "l__listen" in {tool["name"] for tool in client.tools()}, 10)
            client.call("l__listen", {"port": 9999})
            event, = wait_told(one, "exposure.drift", "gateway.listener.unexpected")
            assert "tcp 127.0.0.1:9999" in event["detail"] and "uid 65534" in event["detail"]
            client.call("l__close")
            wait_told(one, "exposure.resolved", "gateway.listener.unexpected")
    finally:
        one.stop()


# ---- the report of the host's audit

def audit_host(one, *listeners):
    """Runs the audit that the root timer runs, for this namespace."""
    expected = one.folder / "ports.yaml"
    expected.write_text("version: 1\nnamespaces: own\nprotocols: [tcp]\nlisteners:\n" + "".join(
        f"  - {{protocol: tcp, address: '{address}', port: {port}}}\n" for address, port in listeners) + ("" if listeners else "  []\n"))
    report = one.folder / "exposure.json"
    done = subprocess.run([machine.program("clawql"), "ports", "audit", "--expected", expected, "--report", report], capture_output=True, text=True)
    return report, done


OWN = [("127.0.0.1", Gateway.PORT), ("::1", Gateway.PORT)]


def with_report(**exposure):
    one = Gateway()
    one.report = one.folder / "exposure.json"
    one.config["exposure"] = {"report": str(one.report), **exposure}
    return one


def rewrite(report, **changes):
    value = json.loads(report.read_text())
    value.update(changes)
    beside = report.with_name("beside")
    beside.write_text(json.dumps(value))
    beside.rename(report)


def test_a_report_is_read_and_its_drift_is_ours(namespace):
    one = with_report(**UNREADY)
    try:
        _, done = audit_host(one, *OWN)
        assert done.returncode == 1, "the gateway does not run yet"
        one.start()
        assert drift(one) == {}, "that our own listeners were missing then is no drift now"
        assert audit_host(one)[1].returncode == 1
        machine.eventually(lambda: readyz(one) == (503, "drift"), 10)
        wait_drift(one, "ports.unexpected", 2.0)
        assert "tcp 127.0.0.1:8080" in one.audit_with("ports.unexpected")[0]["detail"]
        assert audit_host(one, *OWN)[1].returncode == 0
        machine.eventually(lambda: readyz(one) == (200, "ok"), 10)
    finally:
        one.stop()


def test_every_way_in_which_a_report_cannot_be_believed_is_drift(namespace):
    one = with_report(interval=1, maxAge=3600)
    try:
        one.start()
        wait_told(one, "exposure.drift", "exposure.report-unreadable")

        def good():
            one.report.unlink(missing_ok=True)
            audit_host(one, *OWN)
            machine.eventually(lambda: one.metrics()["clawql_exposure_as_declared"] == 1, 10)

        good()
        for finding, spoil in [
            ("exposure.report-stale", lambda: rewrite(one.report, written=int(time.time()) - 3700)),
            ("exposure.report-broken", lambda: one.report.write_text(one.report.read_text()[:40])),
            ("exposure.report-untrusted", lambda: one.report.chmod(0o666)),
            ("exposure.report-untrusted", lambda: os.chown(one.report, 4711, 0)),
            ("exposure.report-unreadable", one.report.unlink),
        ]:
            spoil()
            wait_drift(one, finding)
            good()
    finally:
        one.stop()


def test_with_stop_a_gateway_without_its_report_does_not_start(namespace):
    one = with_report(**STOP)
    try:
        status, log = one.refused()
        assert status == 1 and "start.refused" in log and "exposure.report-unreadable" in log and "clawql-ports-audit.service" in log
        assert not one.socket.exists()
    finally:
        one.stop()


def test_with_unready_a_gateway_is_not_ready_before_it_is_as_declared(namespace):
    one = with_report(**UNREADY)
    try:
        one.spawn()
        machine.eventually(lambda: "gateway.listening" in one.log(), 20)
        assert readyz(one) == (503, "drift")
        audit_host(one, *OWN)
        machine.eventually(one._ready, 10)
    finally:
        one.stop()
