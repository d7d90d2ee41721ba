"""Docker's own daemon publishing the gateway's port: shown by packets, found by verify, closed by the rendered rules."""
import os
import shutil
import subprocess

import pytest

from support import machine
from .lab import can_connect, run
from .test_backends import CLAWQL, Service

EXPECTED = """version: 1
listeners:
  - {protocol: tcp, address: 0.0.0.0, port: 18080, sources: [10.66.0.5/32], interfaces: [eth0]}
"""


class Docker:
    def __init__(self, lab, folder):
        self.lab, self.folder = lab, folder
        self.socket = f"unix:///run/cq{os.getpid()}.docker"
        self.daemon = subprocess.Popen(["nsenter", f"--net=/run/netns/{lab.host.name}", "dockerd", f"--host={self.socket}", f"--data-root={folder}/data",
                                        f"--exec-root={folder}/exec", f"--pidfile={folder}/pid", "--storage-driver=vfs"],
                                       stdout=open(folder / "log", "w"), stderr=subprocess.STDOUT)
        machine.eventually(lambda: self.run("info", check=False).returncode == 0, 40, f"dockerd: {folder}/log")

    def run(self, *arguments, **more):
        return run("/usr/bin/docker", "-H", self.socket, *arguments, **more)

    def publish(self):
        root = self.folder / "root"
        for name in ("bin", "www", "tmp"):
            (root / name).mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin/busybox")
        (root / "www/index.html").write_text("hello")
        subprocess.run(f"tar -C {root} -c . | /usr/bin/docker -H {self.socket} import - lab:1", shell=True, check=True, capture_output=True)
        self.run("run", "-d", "--name", "web", "-p", "18080:80", "lab:1", "/bin/busybox", "httpd", "-f", "-h", "/www", "-p", "80")
        return self.run("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web").stdout.strip()

    def close(self):
        self.run("rm", "-f", "web", check=False)
        self.daemon.terminate()
        self.daemon.wait(30)
        for line in open("/proc/mounts").read().splitlines():
            if f" {self.folder}/" in line:
                run("umount", line.split()[1], check=False)


@pytest.mark.timeout(180)
def test_a_published_port_passes_by_the_firewall_is_found_and_is_closed(tmp_path):
    service = Service()
    docker = Docker(service.lab, tmp_path)
    try:
        container = docker.publish()
        expected, state = tmp_path / "expected.yaml", tmp_path / "state"
        expected.write_text(EXPECTED)
        sender, host = service.lab.sender, service.lab.host
        sender.run("ip", "route", "add", "172.17.0.0/16", "via", "10.66.0.1")
        host.run("iptables", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
        host.run("iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
        host.run("iptables", "-P", "INPUT", "DROP")

        def published(source):
            return can_connect(sender, "10.66.0.1", 18080, source)

        machine.eventually(lambda: can_connect(host, container, 80), what="the container's server")
        # INPUT drops everything, and yet both ways are open.
        assert published("10.66.0.6") and can_connect(sender, container, 80, "10.66.0.6")
        host.run("iptables", "-I", "DOCKER-USER", "-i", "eth0", "-p", "tcp", "--dport", "18080", "-j", "DROP")
        assert published("10.66.0.6"), "the rule on the port after DNAT does nothing"

        def verify():
            done = host.run(CLAWQL, "firewall", "verify", "--expected", expected, check=False)
            assert done.returncode in (0, 1), done.stderr
            return done.stdout

        report = verify()
        assert "firewall.docker.bypass" in report and "firewall.docker-user.after-dnat" in report and f"{container}:80" in report
        host.run("iptables", "-D", "DOCKER-USER", "-i", "eth0", "-p", "tcp", "--dport", "18080", "-j", "DROP")

        for command in (["apply", "--backend", "docker", "--expected", expected, "--yes"], ["confirm"]):
            done = host.run(CLAWQL, "firewall", *command, "--state", state, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        assert published("10.66.0.5") and not published("10.66.0.6")
        assert not can_connect(sender, container, 80, "10.66.0.6") and not can_connect(sender, container, 80, "10.66.0.5")
        assert can_connect(host, container, 80), "the host itself still gets there"
        report = verify()
        assert "from 10.66.0.5 by eth0 sent to port 18080 (sent on to" in report and "firewall." not in report, report
        done = host.run(CLAWQL, "firewall", "remove", "--backend", "docker", "--state", state, "--yes", check=False)
        assert done.returncode == 0 and published("10.66.0.6"), done.stderr
    finally:
        docker.close()
        service.close()
