"""What goes wrong meanwhile: servers killed, stalled and restarted, reloads, the door killed."""
import asyncio
import collections
import signal
import time

from support import http


def servers_of(namespace):
    """Processes of the servers: neither the gateway's programs nor their launchers."""
    return [p for p in namespace.processes() if p.name and not p.name.startswith("clawql")]


class Monkey:
    def __init__(self, one, namespace, ledger, rng):
        self.one, self.namespace, self.ledger, self.rng = one, namespace, ledger, rng
        self.done = collections.Counter()
        self.doors_end = float("inf")  # from then on the door is left alive
        self.servers = dict(one.config["mcpServers"])

    async def live(self, until):
        deeds = [(self.kill_server, 3), (self.stall_server, 4), (self.kill_launcher, 1), (self.restart_server, 4), (self.reload, 3), (self.kill_door, 2)]
        while time.monotonic() < until:
            await asyncio.sleep(self.rng.uniform(0.3, 1.5))
            deed = self.rng.choices([deed for deed, _ in deeds], [share for _, share in deeds])[0]
            if deed != self.kill_door or time.monotonic() < self.doors_end:
                await deed()
                self.done[deed.__name__] += 1
        await self.mend()

    async def _victim(self):
        found = await asyncio.to_thread(servers_of, self.namespace)
        return self.rng.choice(found) if found else None

    async def kill_server(self):
        if victim := await self._victim():
            victim.kill()

    async def stall_server(self):
        """Mostly short; sometimes longer than a call may take."""
        if victim := await self._victim():
            victim.kill(signal.SIGSTOP)
            await asyncio.sleep(self.rng.choice([0.2, 0.5, 1, 1, 2, 6]))
            victim.kill(signal.SIGCONT)

    async def kill_launcher(self):
        found = [p for p in await asyncio.to_thread(self.namespace.processes) if p.name == "clawql-run"]
        if found:
            self.rng.choice(found).kill()

    async def restart_server(self):
        """Also ends its back-off, so that there is somebody to kill."""
        name = self.rng.choice(sorted(self.servers))
        await self._admin(f"/admin/servers/{name}/restart", (200, 409))

    async def reload(self, servers=None):
        changed = servers or dict(self.servers)
        if servers is None:
            if self.rng.random() < 0.6:
                changed.pop("coming")
            if self.rng.random() < 0.6:
                changed["changing"] = {**changed["changing"], "env": {"TURN": str(self.rng.random())}}
        self.one.config["mcpServers"] = changed
        self.one.write_config()
        await self._admin("/admin/reload", (200,))

    async def kill_door(self):
        door = await asyncio.to_thread(lambda: self.one.door)
        self.ledger.door_killed()
        door.kill()
        deadline = time.monotonic() + 15
        while not await asyncio.to_thread(self._another_serves, door):
            if time.monotonic() > deadline:
                return self.ledger.problem("no new door within 15 s")
            await asyncio.sleep(0.05)
        self.ledger.door_serves()
        return None

    def _another_serves(self, door):
        return not door.alive and self.one._ready()

    async def _admin(self, path, statuses):
        answer = await asyncio.to_thread(self._ask_admin, path)
        if answer is not None and answer.status not in statuses:
            self.ledger.problem(f"POST {path}: {answer}")

    def _ask_admin(self, path):
        """None: the door died meanwhile."""
        try:
            return http.request(self.one.admin, "POST", path)
        except (OSError, EOFError) as problem:
            self.ledger.lose("admin", problem, time.monotonic())
            return None

    async def mend(self):
        """The configuration of the beginning, and every server up."""
        await self.reload(dict(self.servers))
        for name in self.servers:
            await self._admin(f"/admin/servers/{name}/restart", (200, 409))


def mended(one, names):
    found = {server["name"]: server["state"] for server in one.status()["engine"]["servers"]}
    return all(found.get(name) == "ready" for name in names)
