"""Rule sets made at random, for both languages, whose constants stand close together so that borders matter."""
import ipaddress
import random

LISTENERS = (1000, 1001, 1002)
PORTS = (999, 1000, 1001, 1002, 1003, 1100)
LINKS = ("eth0", "eth1")
BEHIND = {4: "10.99.0.1", 6: "fd99::1"}  # another host, behind eth2
OTHER_LINKS = ("eth9", "wg0")
LOCAL = {4: ("10.66.0.1", "10.67.0.1"), 6: ("fd66::1", "fd67::1")}
SOURCES = {4: int(ipaddress.ip_address("10.66.0.16")), 6: int(ipaddress.ip_address("fd66::10"))}


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.borders = {4: set(), 6: set()}  # source addresses as numbers
        self.source_ports = {1024, 40000, 65535}
        self.alone = False  # the rule may speak of both protocols at once
        self.protocol = "udp"  # of the rule that is being made
        self.names_family = False
        self.unsure = False  # something in the set cannot be known: what is computed is no less than what comes through
        self.forwards = False  # the rule is in a chain of the forward hook
        self.flags = False  # of packets that open no connection they may say either way: what is computed is no less

    def chance(self, likelihood):
        return self.random.random() < likelihood

    def network(self, version):
        """(text, first, last)"""
        base = SOURCES[version] + self.random.randrange(0, 32)
        bits = 32 if version == 4 else 128
        length = self.random.choice((bits, bits - 1, bits - 2, bits - 3, bits - 4, bits))
        net = ipaddress.ip_network((base, length), strict=False)
        self.borders[version] |= {int(net[0]) - 1, int(net[0]), int(net[-1]), int(net[-1]) + 1}
        return str(net) if length != bits else str(net[0])

    def range(self, version):
        first = SOURCES[version] + self.random.randrange(0, 32)
        last = first + self.random.randrange(1, 9)
        self.borders[version] |= {first - 1, first, last, last + 1}
        kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        return f"{kind(first)}-{kind(last)}"

    def port_range(self, colon):
        first = self.random.choice(PORTS)
        last = self.random.choice([port for port in PORTS if port >= first])
        return str(first) if first == last else f"{first}{colon}{last}"

    def source_port_range(self, colon):
        first = self.random.choice((1024, 2000, 40000))
        last = first + self.random.choice((0, 1, 10, 20000))
        self.source_ports |= {first - 1, first, last, min(last + 1, 65535)}
        return str(first) if first == last else f"{first}{colon}{last}"

    def packets(self, count):
        out = []
        for _ in range(count):
            version = self.random.choice((4, 6))
            border = sorted(self.borders[version]) or [SOURCES[version]]
            number = self.random.choice(border) if self.chance(0.9) else SOURCES[version] + self.random.randrange(-4, 60)
            kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
            out.append({"protocol": self.random.choice(("udp", "tcp")), "link": self.random.choice(LINKS), "source": str(kind(number)),
                        "source_port": self.random.choice(sorted(self.source_ports)) if self.chance(0.6) else self.random.randrange(1024, 65535),
                        "to": self.random.choice(LOCAL[version]), "port": self.random.choice(PORTS)})
        return out


class Nft(Maker):
    def text(self):
        sets = [f"  set s{n} {{ type ipv4_addr; flags interval; elements = {{ {', '.join(self.disjoint(4))} }} }}" for n in range(2)]
        sets += [f"  set t{n} {{ type ipv6_addr; flags interval; elements = {{ {', '.join(self.disjoint(6))} }} }}" for n in range(2)]
        sets.append(f"  set p0 {{ type inet_service; elements = {{ {', '.join(map(str, self.random.sample(PORTS, 3)))} }} }}")
        sets.append("  map v0 { type inet_service : verdict; elements = { 1000 : jump c2, 1002 : drop, 1100 : accept } }")
        chains = []
        for name, below in (("c2", ()), ("c1", ("c2",)), ("c0", ("c1", "c2"))):
            chains.append(f"  chain {name} {{\n" + self.rules(self.random.randrange(0, 5), below) + "  }")
        bases = [f"  chain in0 {{ type filter hook input priority 0; policy {self.random.choice(('accept', 'drop'))};\n"
                 + self.rules(self.random.randrange(1, 8), ("c0", "c1", "c2")) + "  }"]
        if self.chance(0.4):
            bases.append("  chain in1 { type filter hook input priority -20; policy accept;\n" + self.rules(3, ("c1",)) + "  }")
        if self.chance(0.6):
            self.forwards = True
            bases.append(f"  chain fwd0 {{ type filter hook forward priority 0; policy {self.random.choice(('accept', 'drop'))};\n"
                         + self.rules(self.random.randrange(1, 6), ("c0", "c1", "c2")) + "  }")
            self.forwards = False
        if self.chance(0.3):
            bases.append("  chain pre { type filter hook prerouting priority raw; policy accept;\n" + self.rules(2, (), raw=True) + "  }")
        if self.chance(0.5):
            bases.append("  chain nat0 { type nat hook prerouting priority dstnat; policy accept;\n" + self.nat_rules() + "  }")
        return "table inet t {\n" + "\n".join(sets + chains + bases) + "\n}\n"

    def disjoint(self, version):
        """Networks of a set: intervals must not overlap."""
        bits, out = (32 if version == 4 else 128), []
        for slot in self.random.sample(range(8), 3):
            base = SOURCES[version] - SOURCES[version] % 4 + slot * 4
            net = ipaddress.ip_network((base, self.random.choice((bits - 2, bits - 1, bits))), strict=False)
            self.borders[version] |= {int(net[0]) - 1, int(net[0]), int(net[-1]), int(net[-1]) + 1}
            out.append(str(net))
        return out

    def rules(self, count, below, raw=False):
        return "".join("    " + self.rule(below, raw) + "\n" for _ in range(count))

    def rule(self, below, raw):
        self.protocol = self.random.choice(("udp", "tcp"))
        if not raw and self.chance(0.05):
            return "ct state vmap { established : accept, related : accept, invalid : drop }"
        if not raw and self.chance(0.08):
            return f"{self.protocol} dport vmap @v0" if below == ("c0", "c1", "c2") else f"iifname vmap {{ \"eth0\" : {self.random.choice(('accept', 'drop', 'return', 'continue'))}, \"wg0\" : drop }}"
        parts = self.random.sample(["source", "destination", "port", "source_port", "interface", "state", "protocol", "original", "concat", "local", "flags", "out"], self.random.randrange(0, 4))
        self.version = self.random.choice((4, 6))  # two families in one rule cannot be loaded
        if "protocol" in parts and {"port", "source_port", "concat", "flags", "original"} & set(parts):
            parts.remove("protocol")  # nft refuses a set of protocols before a match on one of them
        self.names_family = bool({"source", "destination", "concat"} & set(parts))
        self.alone = not {"source_port", "concat", "flags", "original"} & set(parts)
        words = []
        for part in parts:
            words += self.match(part, raw)
        return " ".join(words + [self.verdict(below, raw)])

    def match(self, part, raw):
        not_ = self.random.choice(("", "", "!= "))
        version = self.version
        family = "ip" if version == 4 else "ip6"
        if part == "source":
            value = self.random.choice((self.network(version), self.range(version), f"{{ {', '.join(self.disjoint(version))} }}",
                                        f"@{'s' if version == 4 else 't'}{self.random.randrange(2)}"))
            return [f"{family} saddr {not_}{value}"]
        if part == "destination":
            return [f"{family} daddr {not_}{self.random.choice((*LOCAL[version], BEHIND[version]))}"]
        if part == "port":
            if self.alone and self.chance(0.3):
                return ["meta l4proto { tcp, udp } th dport " + self.port_range("-")]
            return [f"{self.protocol} dport {not_}{self.random.choice((self.port_range('-'), '{ 1000, 1002 }', '@p0', '{ 999-1001, 1100 }'))}"] if self.chance(0.8) else [
                f"{self.protocol} dport {self.random.choice(('<', '>', '<=', '>='))} {self.random.choice(PORTS)}"]
        if part == "source_port":
            return [f"{self.protocol} sport {not_}{self.source_port_range('-')}"]
        if part == "interface":
            return [f"iifname {not_}{self.random.choice(('eth0', 'eth1', 'wg0', 'eth*', '{ eth0, eth9 }', '{ wg0, lo }'))}"]
        if part == "state":
            return [] if raw else [self.random.choice(("ct state new", "ct state established,related", "ct state != new", "ct state invalid",
                                                       "ct state { new, untracked }", "ct state != { new, related }", "ct state established", "ct state != established",
                                                       "ct state related", "ct state untracked", "ct state { invalid, established, related }", "ct state != invalid",
                                                       "ct direction original", "ct direction reply", "ct status dnat"))]
        if part == "protocol":
            return [self.random.choice(("meta l4proto udp", "meta l4proto { tcp, udp }", "meta l4proto != tcp", f"meta nfproto ipv{version}", "ip protocol udp" if version == 4 else "meta protocol ip6"))]
        if part == "flags":
            if self.protocol != "tcp":
                return []
            self.flags = True
            return [self.random.choice(("tcp flags & (fin|syn|rst|ack) == syn", "tcp flags & (fin|syn|rst|ack) != syn", "tcp flags & (syn|ack) == ack",
                                        "tcp flags & (fin|rst) == 0", "tcp flags & (fin|syn) == (fin|syn)"))]
        if part == "out":
            return [f"oifname {not_}eth2"] if self.forwards else []
        if part == "original":
            return [f"meta l4proto {self.protocol} ct original proto-dst {not_}{self.port_range('-')}"] if not raw else []
        if part == "local":
            return [f"fib daddr type {not_}local"]
        return [f"{family} saddr . {self.protocol} dport {{ {self.network(version)} . 1000, {self.network(version)} . {self.random.choice(PORTS[3:])} }}"]

    def verdict(self, below, raw=False):
        options = ["accept", "drop", "accept", "drop", "return", "counter", "counter accept", "notrack" if raw else "reject"]
        options += [f"jump {name}" for name in below] + [f"goto {name}" for name in below[:1]]
        chosen = self.random.choice(options)
        if chosen == "reject":
            way = self.random.choice(("reject", "reject with icmpx port-unreachable", "meta l4proto tcp reject with tcp reset",
                                      "reject with icmp host-unreachable" if self.version == 4 else "reject with icmpv6 no-route"))
            # nft does not print the family of a reset, so a rule that says nothing else of it is not relied on.
            if "reset" in way and not self.names_family:
                if self.chance(0.8):
                    return "reject"
                self.unsure = True
            return way
        return chosen

    def nat_rules(self):
        out = ""
        for _ in range(self.random.randrange(1, 4)):
            self.version, self.protocol = self.random.choice((4, 6)), self.random.choice(("udp", "tcp"))
            words = self.match("source", True) if self.chance(0.3) else []
            words += self.match("interface", True) if self.chance(0.4) else []
            words.append(f"{self.protocol} dport {self.random.choice(PORTS)}")
            to = self.random.choice(LISTENERS)
            kinds = [f"redirect to :{to}", f"dnat ip to 10.67.0.1:{to}", f"dnat ip6 to [fd66::1]:{to}", "dnat ip to 10.66.0.1", f"dnat ip to 10.99.0.1:{to}", "dnat ip to 10.99.0.1",
                     f"dnat ip6 to [fd99::1]:{to}"]
            kind = self.random.choice(kinds)
            # Two families in one rule cannot be loaded.
            text = " ".join(words)
            if ("dnat ip to" in kind and "ip6 " in text) or ("dnat ip6" in kind and ("ip saddr" in text)):
                kind = kinds[0]
            out += "    " + text + " " + kind + "\n"
        return out


class Iptables(Maker):
    def texts(self):
        """(iptables, ip6tables)"""
        return self.one(4), self.one(6)

    def one(self, version):
        out = "*filter\n" + f":INPUT {self.random.choice(('ACCEPT', 'DROP'))} [0:0]\n:FORWARD {self.random.choice(('ACCEPT', 'DROP'))} [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        out += "".join(f":C{n} - [0:0]\n" for n in range(3))
        for name, below in (("INPUT", ("C0", "C1", "C2")), ("FORWARD", ("C0", "C1", "C2")), ("C0", ("C1", "C2")), ("C1", ("C2",)), ("C2", ())):
            for _ in range(self.random.randrange(0, 7)):
                out += self.rule(version, name, below) + "\n"
        out += "COMMIT\n"
        if self.chance(0.5):
            out += "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n"
            local, behind = ("10.67.0.1", "10.99.0.1") if version == 4 else ("[fd67::1]", "[fd99::1]")
            for _ in range(self.random.randrange(1, 4)):
                self.protocol = self.random.choice(("udp", "tcp"))
                words = self.match("source", version) if self.chance(0.3) else []
                words += self.match("interface", version) if self.chance(0.4) else []
                target = self.random.choice((f"REDIRECT --to-ports {self.random.choice(LISTENERS)}", f"DNAT --to-destination {local}:{self.random.choice(LISTENERS)}",
                                             f"DNAT --to-destination {behind}:{self.random.choice(LISTENERS)}", f"DNAT --to-destination {behind.strip('[]')}"))
                out += " ".join(["-A PREROUTING", *words, f"-p {self.protocol} -m {self.protocol} --dport {self.random.choice(PORTS)} -j {target}"]) + "\n"
            out += "COMMIT\n"
        if self.chance(0.3):
            out += "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
            out += " ".join(["-A PREROUTING", *self.match("source", version), self.random.choice(("-j DROP", "-p udp -j CT --notrack", "-p tcp -j CT --notrack"))]) + "\nCOMMIT\n"
        return out

    def rule(self, version, chain, below):
        words = ["-A", chain]
        self.forwards = chain == "FORWARD"
        self.protocol = self.random.choice(("udp", "tcp"))
        parts = self.random.sample(["source", "destination", "port", "source_port", "interface", "state", "original", "multiport", "iprange", "local", "flags", "out"], self.random.randrange(0, 4))
        if {"port", "source_port", "multiport"} & set(parts):
            words.append(f"-p {self.protocol} -m {self.protocol}")
        elif "flags" in parts:
            self.protocol = "tcp"
            words.append("-p tcp -m tcp")
        for part in parts:
            words += self.match(part, version)
        targets = ["ACCEPT", "DROP", "ACCEPT", "DROP", "RETURN", "REJECT", *below]
        if "-p tcp -m tcp" in words:
            targets.append("REJECT --reject-with tcp-reset")
        chosen = self.random.choice(targets)
        return " ".join(words + [f"-g {chosen}" if chosen in below and self.chance(0.2) else f"-j {chosen}"])

    def match(self, part, version):
        not_ = self.random.choice(([], [], ["!"]))
        if part == "source":
            return [*not_, "-s", self.network(version)]
        if part == "destination":
            return [*not_, "-d", self.random.choice((*LOCAL[version], BEHIND[version]))]
        if part == "port":
            return [*not_, "--dport", self.port_range(":")]
        if part == "source_port":
            return [*not_, "--sport", self.source_port_range(":")]
        if part == "interface":
            return [*not_, "-i", self.random.choice(("eth0", "eth1", "wg0", "eth+"))]
        if part == "state":
            return ["-m conntrack", *not_, "--ctstate", self.random.choice(("NEW", "RELATED,ESTABLISHED", "INVALID", "NEW,UNTRACKED", "DNAT", "NEW,DNAT", "ESTABLISHED", "RELATED", "UNTRACKED"))]
        if part == "flags":
            if self.protocol != "tcp":
                return []
            self.flags = True
            return [*not_, self.random.choice(("--syn", "--tcp-flags SYN,ACK ACK", "--tcp-flags FIN,RST NONE", "--tcp-flags FIN,SYN,RST,ACK SYN"))]
        if part == "out":
            return [*not_, "-o", "eth2"] if self.forwards else ["-m conntrack --ctdir", self.random.choice(("ORIGINAL", "REPLY"))]
        if part == "original":
            return ["-m conntrack", *not_, "--ctorigdstport", self.port_range(":")]
        if part == "multiport":
            return ["-m multiport", *not_, "--dports", self.random.choice(("1000,1002", "999:1001,1100", "1001"))]
        if part == "iprange":
            return ["-m iprange", *not_, "--src-range", self.range(version)]
        return ["-m addrtype", *not_, "--dst-type LOCAL"]
