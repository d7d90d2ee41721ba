"""Drives a server with command lines of other people, each unmodified from npm: the inspector, mcporter, mcpc. A feature
that a program has no command for is a `Cannot`, which says so in one line."""
import json
import os
import pathlib
import subprocess
import threading

from support import machine


class Cannot(Exception):
    """The program has no way to do this, whatever the server is."""


def need(truth, what):
    if not truth:
        raise AssertionError(what)


def text_of(result):
    return "".join(part.get("text", "") for part in result.get("content", []))


class Follower:
    """A program that goes on running and prints what arrives."""

    def __init__(self, process):
        self.process, self.text = process, ""
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.text += line

    def wait(self, word, seconds=60.0):
        machine.eventually(lambda: word in self.text or self.process.poll() is not None, seconds, f"{word!r} is printed")
        need(word in self.text, f"it printed {self.text[-300:]!r}")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdin.close()
        self.thread.join(5)
        self.process.stdout.close()


def _entry(target):
    """Of a `mcpServers`."""
    return {"type": "http", "url": target["url"]} if "url" in target else {"command": target["command"][0], "args": target["command"][1:]}


class CommandLine:
    """`target`: {"url": …} or {"command": […]}. `brief` is the one for connections of a single request, which can be asked
    nothing. `home` is an empty folder of its own."""

    def __init__(self, home: pathlib.Path, target, brief):
        self.home, self.target, self.lists = home, target, {}
        self.environment = {"PATH": machine.TOOL_PATH, "HOME": str(home), "LANG": "C.UTF-8", "MCP_INSPECTOR_SECRET_STORE": "file"}
        self.config = home / "servers.json"
        self.config.write_text(json.dumps({"mcpServers": {"s": _entry(target), "brief": _entry(brief)}}))

    def open(self):
        pass

    def close(self):
        pass

    def run(self, *words, seconds=90):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds, env=self.environment, cwd=self.home,
                              stdin=subprocess.DEVNULL)
        need(done.returncode == 0, " ".join((done.stderr.strip() or done.stdout.strip()).split())[-300:] or f"status {done.returncode}")
        return done.stdout

    def follow(self, *words):
        return Follower(subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                         env=self.environment, cwd=self.home))

    def follow_log(self, check, call, *words):
        """A program that prints log messages does not say when it has begun: log until one is seen. What goes on logging by
        itself until `afterwards` is called once."""
        follower = self.follow(*words)
        try:
            call(check["tool"])
            if "afterwards" not in check:
                machine.eventually(lambda: check["expect"] in follower.text or not call(check["tool"]), 60, "the log message is printed")
            follower.wait(check["expect"])
        finally:
            follower.stop()
            if "afterwards" in check:
                call(check["afterwards"]["tool"])

    def once(self, what, ask):
        """A list holds every server of the target, so it is asked for once."""
        if what not in self.lists:
            self.lists[what] = ask()
        return self.lists[what]

    def try_one(self, check):
        getattr(self, check["feature"])(check)

    # -- what most of them have no command for
    def sampling(self, _):
        raise Cannot("has nothing that answers a question for sampling")

    def elicitation(self, _):
        raise Cannot("has nothing that answers a question for elicitation")

    def roots(self, _):
        raise Cannot("has nothing that answers a question for roots")

    def progress(self, _):
        raise Cannot("shows no progress of a call")

    def cancellation(self, _):
        raise Cannot("has no command that cancels a call")

    def subscriptions(self, _):
        raise Cannot("shows no update of a resource")

    def logging(self, _):
        raise Cannot("shows no log message")

    def completion(self, _):
        raise Cannot("has no command for completion")

    def prompts(self, _):
        raise Cannot("has no command for prompts")

    # -- what all can
    def called(self, check):
        text = self.call(check["tool"], check.get("arguments", {}))
        need(check.get("expect", "") in text, f"the tool answered {text!r}")

    def tools(self, check):
        need(check["tool"] in self.once("tools", self.tool_names), f"{check['tool']} is not listed")
        self.called(check)


class Inspector(CommandLine):
    """One request a run by `mcp-inspector --cli`, and one connection for many by its `mcpdo`."""

    def ask(self, *words):
        return json.loads(self.run("mcp-inspector", "--cli", "--config", self.config, "--server", "brief", "--format", "json", "--quiet", "--method", *words))["result"]

    def do(self, *words):
        return json.loads(self.run("mcpdo", "--format", "json", "@s", *words))

    def open(self):
        self.run("mcpdo", "--format", "json", "--config", self.config, "connect", "s")

    def close(self):
        self.run("mcpdo", "daemon", "stop")

    def tool_names(self):
        return [tool["name"] for tool in self.ask("tools/list")["tools"]]

    def call(self, name, arguments):
        return text_of(self.ask("tools/call", "--tool-name", name, "--tool-args-json", json.dumps(arguments)))

    def resources(self, check):
        resources = self.once("resources", lambda: self.ask("resources/list"))["resources"]
        need(check["uri"] in [one["uri"] for one in resources], f"{check['uri']} is not listed")
        templates = self.once("templates", lambda: self.do("resources/templates/list"))["resourceTemplates"]
        need(check["template"] in [one["uriTemplate"] for one in templates], f"{check['template']} is not listed")
        for uri, expect in ((check["uri"], check["expect"]), (check["item"], check["itemExpect"])):
            contents = self.do("resources/read", uri)["contents"]
            need(expect in contents[0]["text"], f"{uri} is {contents}")

    def prompts(self, check):
        prompts = self.once("prompts", lambda: self.do("prompts/list"))["prompts"]
        need(check["prompt"] in [one["name"] for one in prompts], f"{check['prompt']} is not listed")
        words = [f"{key}={value}" for key, value in check["arguments"].items()]
        messages = self.ask("prompts/get", "--prompt-name", check["prompt"], "--prompt-args", *words)["messages"]
        need(check["expect"] in messages[0]["content"]["text"], f"the prompt is {messages}")

    def elicitation(self, check):
        answer = self.do("tools/call", check["tool"])
        need("elicitationPending" in answer, f"no question came, but {answer}")
        text = text_of(self.do("elicitation/respond", answer["elicitationPending"]["elicitationId"], "name:=Ada"))
        need(check["expect"] in text, f"the tool answered {text!r}")

    def roots(self, check):
        self.do("roots/set", "--roots-json", json.dumps([{"uri": "file:///interop/root", "name": "root"}]))
        text = text_of(self.do("tools/call", check["tool"]))
        need(check["expect"] in text, f"the tool answered {text!r}")

    def subscriptions(self, check):
        follower = self.follow("mcpdo", "--format", "json", "@s", "resources/subscribe", check["uri"])
        try:
            follower.wait('"subscribed"')
            self.do("tools/call", check["tool"])
            follower.wait('"resources/updated"', check["patience"])
        finally:
            follower.stop()
            if "afterwards" in check:
                self.do("tools/call", check["afterwards"]["tool"])

    def logging(self, check):
        self.do("logging/setLevel", check["level"])
        self.follow_log(check, lambda tool: self.do("tools/call", tool), "mcpdo", "--format", "json", "@s", "logging/tail")

    def completion(self, check):
        reference = ("--complete-ref-type", check["ref"]["type"], "--complete-ref", check["ref"]["name"])
        argument = ("--complete-arg-name", check["argument"]["name"], "--complete-arg-value", check["argument"]["value"])
        values = self.do("prompts/complete", *reference, *argument)["values"]
        need(check["expect"] in values, f"completed with {values}")


class Mcpc(CommandLine):
    def do(self, *words):
        return json.loads(self.run("mcpc", "--json", "@s", *words))

    def open(self):
        self.run("mcpc", "connect", self.target.get("url") or f"{self.config}:s", "@s")

    def close(self):
        self.run("mcpc", "close", "@s")

    def tool_names(self):
        return [tool["name"] for tool in self.do("tools-list")]

    def call(self, name, arguments):
        return text_of(self.do("tools-call", name, json.dumps(arguments)))

    def resources(self, check):
        need(check["uri"] in [one["uri"] for one in self.once("resources", lambda: self.do("resources-list"))], f"{check['uri']} is not listed")
        templates = self.once("templates", lambda: self.do("resources-templates-list"))
        need(check["template"] in [one["uriTemplate"] for one in templates], f"{check['template']} is not listed")
        for uri, expect in ((check["uri"], check["expect"]), (check["item"], check["itemExpect"])):
            contents = self.do("resources-read", uri)["contents"]
            need(expect in contents[0]["text"], f"{uri} is {contents}")

    def prompts(self, check):
        need(check["prompt"] in [one["name"] for one in self.once("prompts", lambda: self.do("prompts-list"))], f"{check['prompt']} is not listed")
        messages = self.do("prompts-get", check["prompt"], json.dumps(check["arguments"]))["messages"]
        need(check["expect"] in messages[0]["content"]["text"], f"the prompt is {messages}")

    def logging(self, check):
        self.do("logging-set-level", check["level"])
        self.follow_log(check, lambda tool: self.call(tool, {}), "mcpc", "shell", "@s")


class Mcporter(CommandLine):
    def words(self):
        if "url" in self.target:
            return ("--http-url", self.target["url"], "--allow-http", "--name", "s")
        return ("--stdio", self.target["command"][0], *(word for one in self.target["command"][1:] for word in ("--stdio-arg", one)), "--name", "s")

    def tool_names(self):
        return [tool["name"] for tool in json.loads(self.run("mcporter", "list", *self.words(), "--json"))["tools"]]

    def call(self, name, arguments):
        # It unwraps what it understands: a text, or structured content.
        return self.run("mcporter", "call", *self.words(), "--tool", name, "--args", json.dumps(arguments), "--output", "json")

    def resources(self, check):
        listed = self.once("resources", lambda: self.run("mcporter", "--config", self.config, "resource", "s", "--json"))
        need(check["uri"] in listed, f"{check['uri']} is not listed")
        for uri, expect in ((check["uri"], check["expect"]), (check["item"], check["itemExpect"])):
            content = self.run("mcporter", "--config", self.config, "resource", "s", uri, "--json")
            need(expect in content, f"{uri} is {content!r}")


PROGRAMS = {"inspector": Inspector, "mcpc": Mcpc, "mcporter": Mcporter}


def try_features(program, home, target, brief, plan):
    """[{server, feature, ok, why}] as the drivers print them."""
    one = PROGRAMS[program](home, target, brief)
    results = []
    one.open()
    try:
        for check in plan:
            why, able = "", True
            try:
                one.try_one(check)
            except Cannot as reason:
                why, able = str(reason), False
            except (AssertionError, subprocess.TimeoutExpired, ValueError, KeyError) as problem:
                why = " ".join(f"{problem}".split())[:300] or type(problem).__name__
            results.append({"server": check["server"], "feature": check["feature"], "ok": not why, "why": why, "able": able})
    finally:
        one.close()
    return results
