"""Docker's own daemon on the small machine: a published port is named once, and is gone with its container."""
import shutil

import pytest

from exposure.ports.host import Host, Opened
from support import machine


@pytest.mark.timeout(180)
def test_a_published_container_port_is_named_once(tmp_path):
    host = Host(tmp_path)
    (tmp_path / "root/bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", tmp_path / "root/bin/busybox")
    daemon = None
    try:
        # Its folders on a file system of this machine alone: what is mounted there goes with it.
        host.run("mkdir /run/docker-data && mount -t tmpfs data /run/docker-data")
        daemon = Opened(host.inside("sh", "-c", "/usr/sbin/dockerd --data-root=/run/docker-data --storage-driver=vfs "
                                    f">{tmp_path}/log 2>&1 & echo ready; cat; kill $!; wait"))
        docker = "/usr/bin/docker -H unix:///run/docker.sock"
        machine.eventually(lambda: host.run(f"{docker} info", check=False).returncode == 0, 40, f"dockerd: {tmp_path}/log")
        host.run(f"tar -C {tmp_path}/root -c . | {docker} import - lab:1")
        host.declare()
        assert host.audit()[:2] == (0, [])
        host.run(f"{docker} run -d --name web -p 8000:80 lab:1 /bin/busybox httpd -f -p 80")
        status, found, report = host.audit()
        assert found.count(("ports.docker-published", "docker tcp *:8000")) == 1, report["findings"]
        # Besides it there are only the container's own listener, in its own namespace, and the sockets of its keeper.
        others = [one for one in found if one[0] != "ports.docker-published"]
        assert status in (1, 2) and not [one for one in others if ":8000" in one[1]], report["findings"]
        assert all(one == "ports.unexpected" or one == "ports.abstract-socket" for one, _ in others), report["findings"]
        host.run(f"{docker} rm -f web")
        assert host.audit()[:2] == (0, [])
    finally:
        if daemon:
            daemon.close()
        host.stop()
