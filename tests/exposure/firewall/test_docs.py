"""Every command of docs/firewall.md does what a reader of the page expects: it runs."""
import re
import shlex

from support import machine
from .test_backends import CLAWQL, expected, service  # noqa: F401

PAGE = (machine.ROOT / "docs/firewall.md").read_text()
COMMANDS = re.findall(r"^ *(clawql firewall .+)$", PAGE, re.MULTILINE) + re.findall(r"`(clawql firewall [^`]+ --[^`]+)`", PAGE)


def test_every_command_of_the_page_runs(service, tmp_path):
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL).group(1)
    (tmp_path / "expected.yaml").write_text("\n".join(line.removeprefix("   ") for line in example.splitlines()) + "\n")
    service.lab.host.run("iptables", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
    service.lab.host.run("ip6tables", "-A", "INPUT", "-i", "lo", "-j", "ACCEPT")
    for name, tool in (("rules.v4", ["iptables-save"]), ("rules.v6", ["ip6tables-save"]), ("ruleset.json", ["nft", "-j", "list", "ruleset"])):
        (tmp_path / name).write_text(service.lab.host.run(*tool).stdout)
    assert len(COMMANDS) >= 9
    for command in COMMANDS:
        words = [CLAWQL, *shlex.split(command)[1:]]
        if words[2] in ("apply", "remove"):
            words.append("--yes")
        if words[2] in ("apply", "remove", "confirm"):
            words += ["--state", str(tmp_path / "state")]
        done = service.lab.host.run("sh", "-c", f"cd {tmp_path} && exec {shlex.join(words)}", check=False)
        assert done.returncode in ((0, 1) if words[2] == "verify" else (0,)), f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
