"""firewalld itself, in a network namespace, with a bus and a state folder of its own."""
import json
import os
import shutil
import subprocess

import pytest

from support import machine
from .test_backends import CLAWQL, DECLARED, EXPECTED, OPEN, WAYS, service  # noqa: F401
from .lab import reached_ports

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""


class Firewalld:
    def __init__(self, service, folder):
        self.service = service
        etc = folder / "etc"
        shutil.copytree("/etc/firewalld", etc)
        # Short: a socket's path has 107 bytes at most.
        self.bus_path = f"/run/cq{os.getpid()}.bus"
        (folder / "bus.conf").write_text(BUS.format(path=self.bus_path))
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.bus_path}"}
        inside = ["ip", "netns", "exec", service.lab.host.name]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.bus = subprocess.Popen([*inside, "dbus-daemon", f"--config-file={folder / 'bus.conf'}", "--nofork"], **quiet)
        machine.eventually(lambda: os.path.exists(self.bus_path), what="the bus")
        self.daemon = subprocess.Popen([*inside, "unshare", "--mount", "sh", "-c", f"mount --bind {etc} /etc/firewalld && exec firewalld --nofork --nopid"],
                                       env=self.environment, **quiet)
        try:
            machine.eventually(lambda: self.run("firewall-cmd", "--state", check=False).returncode == 0, 20, "firewalld")
        except AssertionError:
            self.close()
            raise

    def run(self, *command, **more):
        return self.service.lab.host.run(*command, env=self.environment, **more)

    def clawql(self, *arguments, status=0):
        done = self.run(CLAWQL, "firewall", *arguments, check=False)
        assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def close(self):
        for one in (self.daemon, self.bus):
            one.terminate()
            one.wait(20)
        os.unlink(self.bus_path) if os.path.exists(self.bus_path) else None


@pytest.mark.timeout(300)
def test_firewalld_lets_in_what_was_declared_and_nothing_else(service, tmp_path):  # noqa: F811
    firewalld = Firewalld(service, tmp_path)
    try:
        # Each link in a zone of its own, and a zone that would let everybody in.
        firewalld.run("firewall-cmd", "--zone=work", "--add-interface=eth0")
        firewalld.run("firewall-cmd", "--zone=trusted", "--add-interface=eth1")
        firewalld.run("firewall-cmd", "--zone=work", "--add-port=8080/tcp")
        before = firewalld.run("nft", "-s", "list", "ruleset").stdout
        assert service.answers() == OPEN
        expected, state = tmp_path / "expected.yaml", tmp_path / "state"
        expected.write_text(EXPECTED)
        firewalld.clawql("apply", "--backend", "firewalld", "--expected", expected, "--state", state, "--yes")
        firewalld.clawql("confirm", "--state", state)
        assert service.answers() == DECLARED
        assert service.from_itself()
        report = firewalld.clawql("verify", "--expected", expected)
        assert "from 10.66.0.5 by eth0" in report and report.count("nobody else") == 2
        zone = firewalld.run("firewall-cmd", "--permanent", "--zone=work", "--list-rich-rules").stdout
        assert zone.count("accept") == 2 and zone.count("drop") == 2, "it is kept for the next start"
        firewalld.clawql("remove", "--backend", "firewalld", "--state", state, "--yes")
        assert firewalld.run("nft", "-s", "list", "ruleset").stdout == before
        assert service.answers() == OPEN
    finally:
        firewalld.close()


@pytest.mark.timeout(300)
def test_forward_ports_of_zone_files_lead_where_firewalld_leads_them(service, tmp_path):  # noqa: F811
    """The zone's file alone, without the host: who reaches the service on 8080, and packets of each of them."""
    firewalld = Firewalld(service, tmp_path)
    try:
        # What a service opens does not stand in the zone's file.
        for setting in ("--remove-service=ssh", "--remove-service=dhcpv6-client", "--add-interface=eth0", "--add-interface=eth1", "--add-forward-port=port=90-95:proto=tcp:toport=8080",
                        "--add-rich-rule=rule family=ipv4 source address=10.66.0.5 forward-port port=80 protocol=tcp to-port=8080",
                        "--add-rich-rule=rule family=ipv6 priority=-5 source NOT address=fd66::5 forward-port port=80 protocol=tcp to-port=8080 to-addr=fd66::1",
                        "--add-rich-rule=rule family=ipv4 source address=10.66.0.5 drop"):
            firewalld.run("firewall-cmd", "--permanent", "--zone=work", setting)
        firewalld.run("firewall-cmd", "--reload")
        zone, expected = tmp_path / "etc" / "zones" / "work.xml", tmp_path / "expected.yaml"
        expected.write_text(EXPECTED)
        done = firewalld.run(CLAWQL, "firewall", "verify", "--expected", expected, "--firewalld-zone", zone, "--json", check=False)
        assert done.returncode == 1, done.stderr
        proof = json.loads(done.stdout)
        for port in (80, 90, 95, 96, 8080):
            computed = {source: reached_ports(proof, {"link": "eth0" if link == "n0" else "eth1", "source": source, "source_port": 40000, "to": to, "port": port}) == {8080}
                        for source, link, to, _ in WAYS}
            assert service.answers(port) == computed, port
        assert service.answers(80) == {"10.66.0.5": True, "10.66.0.6": False, "10.67.0.5": False, "fd66::5": False, "fd66::6": True}
    finally:
        firewalld.close()
