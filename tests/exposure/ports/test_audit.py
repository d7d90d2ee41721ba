"""`clawql ports declare` and `audit` on a small machine: output, exit status, and every way of not being able to tell."""
import json

import pytest

from exposure.ports.host import Host, OPENER
from support import machine

REFUSE = OPENER.with_name("refuse_netlink.py")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture
def host(open_folder):
    one = Host(open_folder)
    yield one
    one.stop()


def audited(host, text, **options):
    host.expected.write_text(text)
    done = host.clawql("audit", "--expected", host.expected, **options)
    return done


def test_what_is_declared_is_found_as_declared(host):
    with host.open(kind="tcp", port=8080), host.open(kind="unix", path="/run/a b\\c.sock", mode="0660"), \
            host.open(kind="unix", path="@x\ty"), host.open(kind="udp", address="::1", port=53):
        text = host.declare()
        assert 'protocol: tcp, address: "127.0.0.1", port: 8080, user: "root", executable: "/usr/bin/python3.11"' in text
        assert 'path: "@x\\\\x09y"' in text
        done = host.clawql("audit", "--expected", host.expected)
        assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout + done.stderr
        assert "as declared" in done.stdout
        status, found, report = host.audit()
        assert (status, found) == (0, [])
        web = next(one for one in report["listeners"] if one["place"] == "tcp 127.0.0.1:8080")
        assert web["owners"][0]["executable"] == "/usr/bin/python3.11" and web["cookie"] and web["inode"]


def test_declare_does_not_overwrite_without_force(host):
    host.declare()
    before = host.expected.read_text()
    done = host.clawql("declare", "-o", host.expected)
    assert done.returncode == 2 and "--force" in done.stderr
    assert host.expected.read_text() == before


def test_ways_that_were_there_are_declared_as_accepted_and_missed_when_they_go(host):
    host.run("echo 1 >/proc/sys/net/ipv4/conf/veth0/route_localnet")
    assert "finding: ports.route-localnet" in host.declare()
    assert host.audit()[:2] == (0, [])
    host.run("echo 0 >/proc/sys/net/ipv4/conf/veth0/route_localnet")
    assert host.audit()[:2] == (0, [("ports.acceptance-unused", "sysctl net.ipv4.conf.veth0.route_localnet")])


def test_sarif_names_the_rule_and_the_line_of_the_file(host):
    host.expected.write_text("version: 1\nlisteners:\n  - {protocol: tcp, address: 127.0.0.1, port: 80}\n")
    done = host.clawql("audit", "--expected", host.expected, "--sarif")
    assert done.returncode == 1
    run = json.loads(done.stdout)["runs"][0]
    assert json.loads(done.stdout)["version"] == "2.1.0"
    result, = run["results"]
    assert result["ruleId"] == "ports.missing" and result["level"] == "warning"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == f"file://{host.expected}" and place["region"]["startLine"] == 3
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {"ports.missing", "ports.unexpected", "ports.widened", "ports.weak-host"} <= rules


def test_a_socket_of_the_kernel_can_be_declared(host):
    with host.open(kind="tcp", port=8080, pid=False):
        entry = "version: 1\nlisteners:\n  - {protocol: tcp, address: 127.0.0.1, port: 8080, executable: %s}\n"
        assert audited(host, entry % "kernel").returncode == 0
        done = audited(host, entry % "/usr/bin/python3.11")
        assert done.returncode == 2 and "ports.owner-unknown" in done.stdout


def test_namespaces_own_looks_nowhere_else(host):
    with host.open(kind="tcp", port=8080, space="blue"):
        assert audited(host, "version: 1\nlisteners: []\n").returncode == 1
        assert audited(host, "version: 1\nnamespaces: own\nlisteners: []\n").returncode == 0


def test_protocols_limits_what_is_compared(host):
    with host.open(kind="udp", port=53), host.open(kind="unix", path="/run/x"):
        done = audited(host, "version: 1\nprotocols: [tcp]\nlisteners: []\n")
        assert done.returncode == 0, done.stdout


BROKEN = {
    "no YAML": ("version: 1\nlisteners: [", ": not YAML"),
    "empty": ("", ":1:1: an expected state is a mapping"),
    "no version": ("listeners: []\n", ":1:1: `version` is missing"),
    "another version": ("version: 2\nlisteners: []\n", ":1:10: `version` is 1"),
    "unknown key": ("version: 1\nlisteners: []\nlisten: []\n", ':3:1: unknown key "listen"'),
    "unknown key of an entry": ("version: 1\nlisteners:\n  - {protocol: tcp, adress: '::1', port: 1}\n", ':3:21: unknown key "adress"'),
    "a name as address": ("version: 1\nlisteners:\n  - {protocol: tcp, address: localhost, port: 1}\n", ":3:30: `address`"),
    "port 0": ("version: 1\nlisteners:\n  - {protocol: tcp, address: 127.0.0.1, port: 0}\n", ":3:47: `port`"),
    "any port without a program": ("version: 1\nlisteners:\n  - {protocol: udp, address: 0.0.0.0, port: any}\n", ":3:5: `port: any` needs"),
    "mode as a number": ("version: 1\nlisteners:\n  - {protocol: unix, path: /x, mode: 660}\n", ":3:38: `mode`"),
    "mode of TCP": ("version: 1\nlisteners:\n  - {protocol: tcp, address: '::1', port: 1, mode: \"0660\"}\n", ":3:52: `mode` belongs to Unix"),
    "twice": ("version: 1\nlisteners:\n" + "  - {protocol: tcp, address: '::1', port: 1}\n" * 2, ":4:5: "),
    "what was not seen, accepted": ("version: 1\nlisteners: []\naccepted:\n  - {finding: ports.owner-unknown, subject: x, reason: y}\n",
                                    ":4:5: ports.owner-unknown cannot be accepted"),
    "everything accepted": ("version: 1\nlisteners: []\naccepted:\n  - {finding: ports.dnat, subject: \"*\", reason: y}\n", ":4:5: the subject"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_by_its_place(host, name):
    text, message = BROKEN[name]
    done = audited(host, text)
    assert done.returncode == 2 and done.stdout == ""
    assert str(host.expected) in done.stderr and message in done.stderr


def test_a_missing_file_is_said(host):
    done = host.clawql("audit", "--expected", host.folder / "none.yaml")
    assert done.returncode == 2 and "none.yaml: No such file" in done.stderr and done.stdout == ""


EMPTY = "version: 1\nlisteners: []\n"


def test_refused_netlink_is_no_silence(host):
    done = audited(host, EMPTY, prefix=(machine.PYTHON, REFUSE, "4"))
    assert done.returncode == 2 and done.stdout == ""
    assert "NETLINK_SOCK_DIAG: Operation not permitted" in done.stderr


def test_refused_rule_sets_are_no_silence(host):
    done = audited(host, EMPTY, prefix=(machine.PYTHON, REFUSE, "12"))
    assert done.returncode == 2
    assert "ports.view-incomplete: nf_tables rules could not be read: open NETLINK_NETFILTER: Operation not permitted" in done.stdout


def test_a_proc_that_is_none_is_said(host):
    host.expected.write_text(EMPTY)
    clawql = machine.program("clawql")
    done = host.run(f"unshare -m sh -c 'mount -t tmpfs x /proc && {clawql} ports audit --expected {host.expected}'", check=False)
    assert done.returncode == 2 and "/proc is no procfs" in done.stderr


def test_a_hidden_proc_is_said(host):
    with host.open(kind="tcp", port=8080):
        host.declare()
        host.expected.chmod(0o644)
        clawql = machine.program("clawql")
        done = host.run("unshare -m sh -c 'mount -o remount,hidepid=2 /proc && "
                        f"{' '.join(NOBODY)} {clawql} ports audit --expected {host.expected}'", check=False)
        host.run("mount -o remount,hidepid=0 /proc")
    assert done.returncode == 2
    assert "/proc is mounted with hidepid" in done.stdout
    assert "ports.owner-unknown: tcp 127.0.0.1:8080" in done.stdout


def test_an_unprivileged_audit_compares_and_says_what_it_could_not_see(host):
    with host.open(kind="tcp", port=8080), host.open(kind="tcp", port=8081, prefix=NOBODY):
        host.declare()
        host.expected.chmod(0o644)
        with host.open(kind="tcp", port=9001, prefix=NOBODY):
            status, found, report = host.audit(prefix=NOBODY)
    assert status == 2
    ids = {one for one, _ in found}
    assert {"ports.owner-unknown", "ports.namespace-hidden", "ports.view-incomplete"} <= ids
    assert ("ports.owner-unknown", "tcp 127.0.0.1:8080") in found
    assert ("ports.unexpected", "tcp 127.0.0.1:9001") in found
    assert not [one for one in found if one[1] == "tcp 127.0.0.1:8081"], report["findings"]


def fake_tool(host, script):
    tool = host.folder / "tool"
    tool.write_text(script)
    tool.chmod(0o755)
    host.run(f"mount --bind {tool} /usr/sbin/nft")


def test_a_rule_set_cut_in_half_is_no_silence(host):
    host.run("nft add table ip t")
    fake_tool(host, "#!/bin/sh\nprintf '{\"nftables\": [{\"metainfo\": '\n")
    done = audited(host, EMPTY)
    assert done.returncode == 2 and "the rule set is no JSON at byte" in done.stdout


def test_a_namespace_that_vanishes_during_the_audit_is_no_silence(host):
    host.run("nft add table ip t")
    gone = host.open(kind="tcp", port=9001, prefix=("unshare", "-n"))
    host.expected.write_text(EMPTY)
    # The audit reads this namespace's rules before it enters the others: by then their last process is gone.
    fake_tool(host, "#!/bin/sh\nfor p in /proc/[0-9]*; do case $(tr '\\0' ' ' <$p/cmdline) in *port=9001*) kill -9 ${p#/proc/};; esac; done\n"
                    "while grep -q port=9001 /proc/[0-9]*/cmdline; do :; done 2>/dev/null\necho '{\"nftables\": []}'\n")
    done = host.clawql("audit", "--expected", host.expected)
    gone.process.wait(10)
    gone.process.stdin.close()
    gone.process.stdout.close()
    assert done.returncode == 2, done.stdout
    assert "ports.namespace-hidden" in done.stdout and "vanished while it was read" in done.stdout


def test_a_tool_that_fails_is_no_silence(host):
    host.run("nft add table ip t")
    fake_tool(host, "#!/bin/sh\necho 'cache initialization failed' >&2; exit 1\n")
    done = audited(host, EMPTY)
    assert done.returncode == 2 and "cache initialization failed" in done.stdout


def test_a_missing_tool_matters_only_where_there_are_rules(host):
    host.run("mount --bind /dev/null /usr/sbin/nft")
    assert audited(host, EMPTY).returncode == 0
    host.run("umount /usr/sbin/nft && nft add table ip t && mount --bind /dev/null /usr/sbin/nft")
    done = audited(host, EMPTY)
    assert done.returncode == 2 and "no `nft` on this machine" in done.stdout


def test_a_tailscaled_that_refuses_is_no_silence(host):
    answer = host.folder / "answer"
    answer.write_text("no JSON")
    with host.open(kind="unix", path="/run/tailscaled.sock", comm="tailscaled", answer=answer):
        done = audited(host, "version: 1\nprotocols: [tcp, udp, unix]\nlisteners:\n  - {protocol: unix, path: /run/tailscaled.sock}\n")
    assert done.returncode == 2 and "serve-config is no JSON" in done.stdout


def test_a_token_on_a_command_line_is_never_shown(host):
    with host.open(kind="sleep", comm="cloudflared", words=("tunnel", "run", "--token", "s3kr1t")):
        for form in ((), ("--json",), ("--sarif",)):
            host.expected.write_text(EMPTY)
            done = host.clawql("audit", "--expected", host.expected, *form)
            assert done.returncode == 1 and "ports.cloudflared-no-config" in done.stdout
            assert "s3kr1t" not in done.stdout + done.stderr


def test_a_name_cannot_write_to_the_terminal(host):
    with host.open(kind="unix", path="@\x1b[31m"):
        done = audited(host, EMPTY)
    assert "\\x1b[31m" in done.stdout and "\x1b" not in done.stdout
