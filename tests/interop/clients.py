"""The MCP clients of other people, unmodified from npm, each as `list() → names` and `call(name, arguments) → text`, over
HTTP (a URL) or stdio (a command)."""
import json
import pathlib
import subprocess

from support import machine

HERE = pathlib.Path(__file__).parent


def text_of(result):
    assert not result.get("isError"), result
    return "".join(part.get("text", "") for part in result["content"])


class Client:
    def __init__(self, home: pathlib.Path, url=None, command=None):
        self.home, self.url, self.command = home, url, [str(word) for word in command or []]
        self.env = {"PATH": machine.TOOL_PATH, "HOME": str(home), "CLAWQL_CACHE": str(machine.CACHE), "LANG": "C.UTF-8"}

    def run(self, *words, stdin=None, seconds=60):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, input=stdin, timeout=seconds, env=self.env,
                              cwd=self.home, stdin=None if stdin is not None else subprocess.DEVNULL)
        assert done.returncode == 0, f"{words}\nstatus {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def open(self):
        pass

    def close(self):
        pass


class Inspector(Client):
    def target(self):
        return ["mcp-inspector", "--cli", *([self.url] if self.url else self.command)]

    def list(self):
        return [tool["name"] for tool in json.loads(self.run(*self.target(), "--method", "tools/list"))["tools"]]

    def call(self, name, arguments):
        words = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in arguments.items()]
        extra = ["--tool-arg", *words] if words else []
        return text_of(json.loads(self.run(*self.target(), "--method", "tools/call", "--tool-name", name, *extra)))


class Mcporter(Client):
    def target(self):
        if self.url:
            return ["--http-url", self.url, "--allow-http", "--name", "gw"]
        return ["--stdio", self.command[0], *(word for arg in self.command[1:] for word in ("--stdio-arg", arg)), "--name", "gw"]

    def list(self):
        return [tool["name"] for tool in json.loads(self.run("mcporter", "list", *self.target(), "--json"))["tools"]]

    def call(self, name, arguments):
        output = self.run("mcporter", "call", *self.target(), "--tool", name, "--args", json.dumps(arguments), "--output", "json")
        result = json.loads(output)  # it unwraps what it understands: a text, or structured content
        return text_of(result) if isinstance(result, dict) and "content" in result and isinstance(result["content"], list) else output


class Mcpc(Client):
    def open(self):
        target = self.url
        if not target:
            config = self.home / "mcp.json"
            config.write_text(json.dumps({"mcpServers": {"gw": {"command": self.command[0], "args": self.command[1:]}}}))
            target = f"{config}:gw"
        self.run("mcpc", "connect", target, "@s")

    def close(self):
        self.run("mcpc", "close", "@s")

    def list(self):
        return [tool["name"] for tool in json.loads(self.run("mcpc", "--json", "@s", "tools-list"))]

    def call(self, name, arguments):
        return text_of(json.loads(self.run("mcpc", "--json", "@s", "tools-call", name, json.dumps(arguments))))


class Sdk(Client):
    def target(self):
        return [str(machine.NODE), HERE / "sdk_client.cjs", *(["http", self.url] if self.url else ["stdio", *self.command])]

    def ask(self, wish):
        return json.loads(self.run(*self.target(), stdin=json.dumps(wish) + "\n"))

    def list(self):
        return [tool["name"] for tool in self.ask({"list": True})["tools"]]

    def call(self, name, arguments):
        return text_of(self.ask({"call": name, "arguments": arguments}))


ALL = {"inspector": Inspector, "mcporter": Mcporter, "mcpc": Mcpc, "sdk": Sdk}
