"""Packets at and beside every border of a computed set: what `clawql firewall verify --json` printed says where the borders are,
whatever the rules were."""
import ipaddress

from .generate import LINKS, LISTENERS, LOCAL, PORTS, SOURCES
from .lab import interface_number

FAMILIES = {"ipv4": 4, "ipv6": 6}


def edges(intervals, last_of_all):
    """The numbers at the ends of each interval, and those beside them."""
    return sorted({number for first, last in intervals for number in (first - 1, first, last, last + 1) if 0 <= number <= last_of_all})


def ranges(*networks):
    return [(int(one[0]), int(one[-1])) for one in map(ipaddress.ip_network, networks)]


# What no router delivers, and the ends of the links' networks, which the kernel takes for nobody's: no rule decides on those.
NOBODY = {4: ranges("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255", "10.66.0.0", "10.66.0.255", "10.67.0.0", "10.67.0.255"),
          6: ranges("::/127", "fe80::/10", "ff00::/8", "fd66::", "fd67::")}
# From the host's own addresses nothing comes in; and to the network behind packets go without a translation.
SOURCES_OF_NOBODY = {4: NOBODY[4] + ranges(*LOCAL[4], "10.99.0.254"), 6: NOBODY[6] + ranges(*LOCAL[6], "fd99::fe")}
TO_NOBODY = {4: NOBODY[4] + ranges("10.99.0.0/24"), 6: NOBODY[6] + ranges("fd99::/64")}


def is_in_any(intervals, number):
    return any(first <= number <= last for first, last in intervals)


class Borders:
    """Of one proof. `random` decides where a flow leaves a choice."""

    def __init__(self, proof, random):
        self.random = random
        self.packets = []
        for one in proof["listeners"]:
            for way in one["ways"]:
                for flow in (*way["set"], *way["established"]):
                    self.add(one["listener"].split()[0], FAMILIES[way["family"]], flow)

    def add(self, protocol, version, flow):
        def numbers(name, read):
            return [(read(first), read(last)) for first, last in flow[name]] if name in flow else []

        def address(text):
            return int(ipaddress.ip_address(text))

        links = [link for link in LINKS if not flow.get("interfaces") or
                 any(int(first, 16) <= interface_number(link) <= int(last, 16) for first, last in flow["interfaces"])]
        if not links:
            return  # only what this host sends to itself
        top = 2 ** (32 if version == 4 else 128) - 1
        fields = {"source": (numbers("sources", address), top, lambda: SOURCES[version] + self.random.randrange(-4, 60)),
                  "source_port": (numbers("source_ports", int), 65535, lambda: self.random.randrange(1024, 65535)),
                  "to": (numbers("sent_to", address), top, lambda: address(self.random.choice(LOCAL[version]))),
                  "port": (numbers("sent_to_ports", int), 65535, lambda: self.random.choice((*LISTENERS, *PORTS)))}
        inside = {name: self.inside(*field) for name, field in fields.items()}
        self.put(protocol, version, self.random.choice(LINKS), inside)
        for name, (intervals, last_of_all, _) in fields.items():
            for number in edges(intervals, last_of_all):
                again = {other: self.inside(*field) for other, field in fields.items()}
                self.put(protocol, version, self.random.choice(links), again | {name: number})

    def inside(self, intervals, _, anything):
        if not intervals:
            return anything()
        first, last = self.random.choice(intervals)
        return self.random.randint(first, last)

    def put(self, protocol, version, link, numbers):
        if 0 in (numbers["source_port"], numbers["port"]):
            return  # nobody can answer, or be sent, to port 0
        if is_in_any(SOURCES_OF_NOBODY[version], numbers["source"]) or is_in_any(TO_NOBODY[version], numbers["to"]):
            return
        kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        self.packets.append({"protocol": protocol, "link": link, "source": str(kind(numbers["source"])), "source_port": numbers["source_port"],
                             "to": str(kind(numbers["to"])), "port": numbers["port"]})

    def some(self, count):
        return self.random.sample(self.packets, min(count, len(self.packets)))
