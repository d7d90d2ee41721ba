"""docs/ports.md and deploy/systemd: every command is run, every example is read, every finding is listed."""
import re
import shlex

import pytest

from exposure.ports.host import Host
from support import machine

PAGE = (machine.ROOT / "docs" / "ports.md").read_text()
UNIT = (machine.ROOT / "deploy" / "systemd" / "clawql-ports-audit.service").read_text()
SYSTEMCTL = """#!/bin/sh -e
[ "$1 $2 $3" = "enable --now clawql-ports-audit.timer" ]
cd /etc/systemd/system && systemd-analyze verify --man=no ./clawql-ports-audit.timer ./clawql-ports-audit.service
"""


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def host(open_folder):
    one = Host(open_folder)
    # The page writes below /etc and calls clawql by its installed name: both in this machine alone.
    for number, folder in enumerate(("/etc", "/usr/bin")):
        one.run(f"mkdir -p /run/o/u{number} /run/o/w{number} && "
                f"mount -t overlay o -o lowerdir={folder},upperdir=/run/o/u{number},workdir=/run/o/w{number} {folder}")
    one.run(f"cp {machine.program('clawql')} /usr/bin/clawql && mkdir -p /etc/clawql /etc/systemd/system")
    (open_folder / "systemctl").write_text(SYSTEMCTL)
    one.run(f"install -m 755 {open_folder}/systemctl /usr/bin/systemctl")
    yield one
    one.stop()


def test_every_command_of_the_page_works_in_its_order(host):
    ran = 0
    with host.open(kind="tcp", port=8080):
        for block in blocks("sh"):
            for line in block.splitlines():
                command = line.split("  #")[0].strip()
                if "ports watch" in command:
                    command = f"timeout -s TERM --preserve-status 2 {command}"
                command = command.replace("--expected ports.yaml", "--expected /etc/clawql/ports.yaml")
                host.run(f"cd {machine.ROOT}; export EDITOR=true; {command}")
                ran += 1
    assert ran == 9


def test_the_example_of_the_file_is_read(host):
    example, = blocks("yaml")
    host.expected.write_text(example)
    done = host.clawql("audit", "--expected", host.expected)
    assert done.returncode == 1 and done.stderr == "" and "ports.missing" in done.stdout


def test_the_page_lists_every_finding(host):
    host.expected.write_text("version: 1\nlisteners: []\n")
    done = host.clawql("audit", "--expected", host.expected, "--sarif")
    known = set(re.findall(r'"id":"(ports\.[a-z-]+)"', done.stdout))
    listed = set(re.findall(r"`(ports\.[a-z-]+)`", PAGE))
    assert known and known == listed


def test_the_page_lists_every_finding_of_a_gateway_about_itself():
    source = (machine.ROOT / "src" / "exposure" / "own" / "finding.cpp").read_text()
    known = set(re.findall(r'"((?:gateway|exposure)\.[a-z.-]+)", (?:high|critical)', source))
    listed = set(re.findall(r"\| (?:`[^|]*`)", PAGE))
    assert len(known) == 11 and known == set(re.findall(r"`((?:gateway|exposure)\.[a-z.-]+)`", " ".join(listed)))


def test_the_capabilities_of_the_unit_are_enough(host):
    names = re.search(r"CapabilityBoundingSet=(.*)", UNIT)[1].split()
    bounding = "-all," + ",".join("+" + name.removeprefix("CAP_").lower() for name in names)
    host.run("install -d -m 750 -o 65534 -g 65534 /run/clawql")
    with host.open(kind="tcp", port=8080, prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")), \
            host.open(kind="unix", path="/run/x.sock", mode="0600"), host.open(kind="udp", port=53, space="blue"):
        host.run("nft add table ip t")
        host.declare()
        limits = ("setpriv", f"--bounding-set={bounding}", "--no-new-privs")
        status, found, _ = host.audit(prefix=limits)
        assert (status, found) == (0, [])
        command = shlex.split(re.search(r"ExecStart=(.*)", UNIT)[1])
        assert command == ["/usr/bin/clawql", "ports", "audit", "--expected", "/etc/clawql/ports.yaml", "--report", "/run/clawql/exposure.json"]
        host.run(f"cp {host.expected} /etc/clawql/ports.yaml && {shlex.join([*limits, *command])}")
    kind = host.run("stat -c '%a %u' /run/clawql/exposure.json").stdout.split()
    assert kind == ["644", "0"], "in a folder that is the gateway's"
