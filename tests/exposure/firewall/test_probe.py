"""`verify --probe`: real packets of a neighbour agree with the set, and leave nothing behind."""
import json

from .test_backends import CLAWQL, EXPECTED, apply_and_confirm, clawql, expected, service  # noqa: F401


def probe(service, expected):
    done = service.lab.host.run(CLAWQL, "firewall", "verify", "--expected", expected, "--json", "--probe", check=False)
    assert done.returncode in (0, 1), done.stderr
    return [one["id"] for one in json.loads(done.stdout)["findings"]]


def test_the_packets_agree_with_the_set_before_and_after(service, expected, tmp_path):
    assert "firewall.probe-disagrees" not in probe(service, expected)
    apply_and_confirm(service, "nftables", expected, tmp_path / "state")
    assert probe(service, expected) == []
    assert "clawqlprobe0" not in service.lab.host.run("ip", "link").stdout


def test_a_listener_that_does_not_answer_teaches_nothing_and_is_said(service, expected):
    expected.write_text(EXPECTED.replace("8080", "8099"))
    assert "firewall.probe-impossible" in probe(service, expected)
