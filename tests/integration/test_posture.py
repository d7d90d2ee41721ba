"""What the gateway refuses to start with: every spelling of a wildcard, forms of bind that do not exist yet, sockets that
are not its own."""
import os
import socket
import stat
import subprocess

import pytest

from support import http, machine
from support.gateway import Gateway

WILDCARDS = ["0.0.0.0", "0", "::", "[::]", "::ffff:0.0.0.0", "::0", "0:0:0:0:0:0:0:0", "0x0", "00.0.0.0", "0.0", "*", "", " ", "any", "all",
             "address:0.0.0.0", "address:::", "address:[::]", "address:::ffff:0.0.0.0", "address:0", "address:", "0.0.0.0:8080"]


@pytest.fixture
def refused(namespace):
    started = []

    def run(**config):
        one = Gateway(**config)
        started.append(one)
        status, log = one.refused()
        return status, log, one

    yield run
    for one in started:
        one.stop()


@pytest.mark.parametrize("bind", WILDCARDS)
def test_a_wildcard_bind_is_refused_before_anything_listens(refused, bind):
    status, log, one = refused(listen={"unix": False, "http": {"bind": bind, "port": 8080}})
    assert status == 1
    assert f"{one.config_file}:" in log, "the place in the file is named"
    assert "loopback" in log, "the remedy is named"


@pytest.mark.parametrize("bind", ["tailscale", "interface:lo", "address:127.0.0.1", "address:192.0.2.1"])
def test_forms_of_bind_that_come_later_say_so(refused, bind):
    status, log, _ = refused(listen={"unix": False, "http": {"bind": bind, "port": 8080}})
    assert status == 1 and "not yet" in log


@pytest.mark.parametrize("bind", ["localhost", "example.com", "127.0.0.1.nip.io", "127.0.0.1"])
def test_names_and_bare_addresses_are_refused(refused, bind):
    assert refused(listen={"unix": False, "http": {"bind": bind, "port": 8080}})[0] == 1


@pytest.mark.parametrize("port", [0, 65536, -1, "08080", "http"])
def test_ports_that_are_none_are_refused(refused, port):
    assert refused(listen={"unix": False, "http": {"bind": "loopback", "port": port}})[0] == 1


def test_no_environment_variable_changes_where_it_listens(gateway):
    one = gateway(environment={name: "0.0.0.0" for name in ("HOST", "BIND", "CLAWQL_BIND", "CLAWQL_HOST", "CLAWQL_LISTEN", "LISTEN", "MCP_HOST")}
                  | {name: "9999" for name in ("PORT", "CLAWQL_PORT", "MCP_PORT")})
    assert http.request(one.port, "GET", "/healthz").status == 200
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", 9999), 2)


def test_the_socket_has_its_mode_group_and_folder(gateway):
    one = gateway()
    kind = os.stat(one.socket)
    assert stat.S_ISSOCK(kind.st_mode) and kind.st_mode & 0o777 == 0o660 and kind.st_gid == 0
    assert os.stat(one.socket.parent).st_mode & 0o777 == 0o750


def socket_config(path, **more):
    return {"unix": {"path": str(path), "mode": "0660", "group": "root", **more}, "http": False}


def test_a_group_that_is_missing_makes_the_socket_private_with_a_warning(namespace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("s")
    one = Gateway(listen=socket_config(folder / "g.sock", group="no-such-group-here"))
    one.socket = folder / "g.sock"
    try:
        one.start()
        assert os.stat(one.socket).st_mode & 0o777 == 0o600
        assert "groupadd -r no-such-group-here" in one.log()
    finally:
        one.stop()


def test_a_stale_socket_is_replaced(namespace, tmp_path_factory):
    path = tmp_path_factory.mktemp("s") / "g.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
        old.listen()
    one = Gateway(listen=socket_config(path))
    one.socket = path
    try:
        one.start()
    finally:
        one.stop()


def test_a_live_socket_of_another_process_is_not_stolen(refused, tmp_path_factory):
    path = tmp_path_factory.mktemp("s") / "g.sock"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        before = os.stat(path).st_ino
        status, log, _ = refused(listen=socket_config(path))
        assert status == 1 and str(path) in log
        assert os.stat(path).st_ino == before


@pytest.mark.parametrize("target", ["file", "dangling", "socket"])
def test_a_symlink_as_the_last_component_is_refused(refused, tmp_path_factory, target):
    folder = tmp_path_factory.mktemp("s")
    path = folder / "g.sock"
    if target == "file":
        (folder / "victim").write_text("keep")
    if target == "socket":
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(str(folder / "victim"))
    path.symlink_to(folder / "victim")
    status, log, _ = refused(listen=socket_config(path))
    assert status == 1 and ("symlink" in log.lower() or "symbolic link" in log.lower())
    assert path.is_symlink()
    assert target != "file" or (folder / "victim").read_text() == "keep"


def test_a_file_in_the_place_of_the_socket_is_not_removed(refused, tmp_path_factory):
    path = tmp_path_factory.mktemp("s") / "g.sock"
    path.write_text("keep")
    assert refused(listen=socket_config(path))[0] == 1
    assert path.read_text() == "keep"


def test_two_starts_at_once_leave_exactly_one(namespace, tmp_path_factory):
    path = tmp_path_factory.mktemp("s") / "g.sock"
    both = [Gateway(listen=socket_config(path)) for _ in range(2)]
    try:
        for one in both:
            one.socket = path
            one.spawn()
        machine.eventually(lambda: sum(one.process.poll() is None for one in both) == 1, 10, "one of them ends")
        winner = next(one for one in both if one.process.poll() is None)
        machine.eventually(winner._ready, 10, "the other serves")
        assert next(one for one in both if one is not winner).process.returncode == 1
    finally:
        for one in both:
            one.stop()


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_configuration_that_others_may_write_is_refused_with_the_command_that_mends_it(namespace, mode):
    one = Gateway()
    one.write_config()
    one.config_file.chmod(mode)
    try:
        status, log = one.refused()
        assert status == 1 and "chmod" in log and str(one.config_file) in log
    finally:
        one.stop()


@pytest.mark.parametrize("key,value", [("mcpServers", {"a": {"url": "https://example.com/mcp"}})])
def test_keys_of_a_later_version_say_so(refused, key, value):
    status, log, _ = refused(**{key: value})
    assert status == 1 and "not yet" in log


@pytest.mark.parametrize("words", [["--nonsense"], ["--config"], ["extra"]])
def test_bad_usage_is_status_2(namespace, words):
    assert subprocess.run([machine.program("clawql-api"), *words], capture_output=True, timeout=10).returncode == 2
