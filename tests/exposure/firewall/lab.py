"""A host and its neighbours: network namespaces, links between them, and packets that are really sent, of any source."""
import contextlib
import ctypes
import functools
import ipaddress
import itertools
import json
import os
import select
import socket
import struct
import subprocess
import time

from support import machine

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)
SENDER_MAC = bytes.fromhex("0277000000aa")
HOST_MAC = bytes.fromhex("0277000000bb")


def run(*command, check=True, text=None, env=None):
    done = subprocess.run([str(part) for part in command], input=text, capture_output=True, text=True, env=env)
    assert not check or done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


class Space:
    """A named network namespace."""

    def __init__(self):
        self.name = f"cq{os.getpid()}x{next(_numbers)}"
        run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command, **more):
        return run("ip", "netns", "exec", self.name, *command, **more)

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is in this namespace: for opening sockets."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            assert _libc.setns(there, 0x40000000) == 0, os.strerror(ctypes.get_errno())
            yield
        finally:
            assert _libc.setns(before, 0x40000000) == 0
            os.close(before)
            os.close(there)

    def ip(self, *lines, force=False):
        """`ip` commands, one a line, by one process."""
        run("ip", "-n", self.name, *(["-force"] if force else []), "-batch", "-", text="\n".join(lines), check=not force)

    def sysctl(self, name, value):
        with self.inside():
            with open(f"/proc/sys/net/{name}", "w") as file:
                file.write(str(value))

    def close(self):
        run("ip", "netns", "del", self.name)


class Host:
    """The host under test with links to a sender: `links` are names in the host."""

    def __init__(self, links=("eth0", "eth1"), addresses=None):
        self.host, self.sender = Space(), Space()
        self.links = links
        self.sockets = []
        addresses = addresses or {"eth0": ["10.66.0.1/24", "fd66::1/64"], "eth1": ["10.67.0.1/24", "fd67::1/64"]}
        for knob in ("ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_dad", "ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter"):
            self.host.sysctl(knob, 0)
        self.host.ip(*(f"link add {link} address {HOST_MAC.hex(':')} type veth peer name n{number} netns {self.sender.name} "
                       f"address {SENDER_MAC.hex(':')}" for number, link in enumerate(links)),
                     *(f"address add {address} dev {link}{' nodad' if ':' in address else ''}" for link in links for address in addresses.get(link, [])),
                     *(f"link set {link} up" for link in links))
        self.sender.ip(*(f"link set n{number} up" for number in range(len(links))))
        # Answers go somewhere, whatever the source was.
        self.host.ip(f"route add default dev {links[0]}", force=True)
        with self.sender.inside():
            self.taps = {}
            for number, link in enumerate(links):
                tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(3))
                tap.bind((f"n{number}", 0))
                self.taps[link] = tap

    def listen_udp(self, ports):
        with self.host.inside():
            for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                for port in ports:
                    one = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                    if family == socket.AF_INET6:
                        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    one.bind((any_address, port))
                    self.sockets.append((port, one))

    def send(self, packets):
        """Sends UDP packets {link, source, source_port, to, port}; gives back the set of (index, port of the socket) of
        those that arrived at a socket of the host."""
        for index, packet in enumerate(packets):
            self.taps[packet["link"]].send(udp_frame(packet, struct.pack("!I", index)))
        arrived = set()
        quiet_until = time.monotonic() + 0.03
        while time.monotonic() < quiet_until:
            ready, _, _ = select.select([one for _, one in self.sockets], [], [], 0.01)
            for port, one in self.sockets:
                if one not in ready:
                    continue
                with contextlib.suppress(BlockingIOError):
                    while True:
                        payload = one.recv(100)
                        arrived.add((struct.unpack("!I", payload)[0], port))
                        quiet_until = time.monotonic() + 0.03
        return arrived

    def verify(self, expected_file, *more, check=True):
        done = self.host.run(machine.program("clawql"), "firewall", "verify", "--expected", expected_file, "--json", *more, check=False)
        assert not check or done.returncode in (0, 1), f"{done.returncode} {done.stderr}"
        return json.loads(done.stdout) if done.stdout else {}, done

    def close(self):
        for _, one in self.sockets:
            one.close()
        for tap in self.taps.values():
            tap.close()
        self.sender.close()
        self.host.close()


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp_frame(packet, payload):
    source, to = ipaddress.ip_address(packet["source"]), ipaddress.ip_address(packet["to"])
    length = 8 + len(payload)
    head = struct.pack("!HHHH", packet["source_port"], packet["port"], length, 0)
    pseudo = source.packed + to.packed + (struct.pack("!BBH", 0, 17, length) if source.version == 4 else struct.pack("!IHBB", length, 0, 0, 17))
    head = head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xFFFF)
    if source.version == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0) + source.packed + to.packed
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        kind = b"\x08\x00"
    else:
        ip = struct.pack("!IHBB", 6 << 28, length, 17, 64) + source.packed + to.packed
        kind = b"\x86\xdd"
    return HOST_MAC + SENDER_MAC + kind + ip + head + payload


def interface_number(name):
    return int.from_bytes(name.encode().ljust(16, b"\0"), "big")


@functools.lru_cache(100_000)
def address_number(text):
    return int(ipaddress.ip_address(text))


def is_in(flow, packet):
    """Is this packet in one member of the set that `clawql firewall verify --json` prints?"""
    def within(name, value, read=int):
        return name not in flow or any(read(first) <= value <= read(last) for first, last in flow[name])

    return (within("interfaces", interface_number(packet["link"]), lambda text: int(text, 16)) and
            within("sources", address_number(packet["source"]), address_number) and within("source_ports", packet["source_port"]) and
            within("sent_to", address_number(packet["to"]), address_number) and within("sent_to_ports", packet["port"]))


def reached_ports(proof, packet):
    """The ports of the listeners that the packet gets through to, by the proof."""
    family = "ipv4" if ipaddress.ip_address(packet["source"]).version == 4 else "ipv6"
    return {int(one["listener"].rsplit(":", 1)[1]) for one in proof["listeners"] for way in one["ways"]
            if way["family"] == family and not way["forwarded"] and any(is_in(flow, packet) for flow in way["set"])}


def can_connect(space, address, port, source=None, seconds=0.4):
    """Does a TCP connection from this namespace come about?"""
    with space.inside():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.settimeout(seconds)
        if source:
            one.bind((source, 0))
        one.connect((address, port))
        return True
    except OSError:
        return False
    finally:
        one.close()
