"""UDP and TCP packets of any source, sent for real to a host that listens and forwards: who came where, and whose later
packets did."""
import contextlib
import ipaddress
import select
import socket
import struct
import time

from .generate import BEHIND
from .lab import HOST_MAC, SENDER_MAC, Host, checksum

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
QUIET = 0.04  # seconds without a sign of a packet
LATER = 0x80000000  # the mark of a connection's second packet
SEGMENT = 600  # the segment size that the listener on the lowest port announces; the next ones announce more
LINKS = {"eth0": ["10.66.0.1/24", "fd66::1/64"], "eth1": ["10.67.0.1/24", "fd67::1/64"], "eth2": ["10.99.0.254/24", "fd99::fe/64"]}


def frame(source, to, protocol, segment):
    """An Ethernet frame; `segment` is a UDP or TCP segment whose checksum is 0."""
    source, to = ipaddress.ip_address(source), ipaddress.ip_address(to)
    pseudo = source.packed + to.packed + (struct.pack("!BBH", 0, protocol, len(segment)) if source.version == 4
                                          else struct.pack("!IHBB", len(segment), 0, 0, protocol))
    at = 6 if protocol == 17 else 16
    segment = segment[:at] + struct.pack("!H", checksum(pseudo + segment) or (0xFFFF if protocol == 17 else 0)) + segment[at + 2:]
    if source.version == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, protocol, 0) + source.packed + to.packed
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    else:
        ip = struct.pack("!IHBB", 6 << 28, len(segment), protocol, 64) + source.packed + to.packed
    return HOST_MAC + SENDER_MAC + (b"\x08\x00" if source.version == 4 else b"\x86\xdd") + ip + segment


def udp(source, source_port, to, port, payload):
    return frame(source, to, 17, struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload)


def tcp(source, source_port, to, port, flags, sequence, acknowledged=0, payload=b""):
    head = struct.pack("!HHIIBBHHH", source_port, port, sequence, acknowledged, 5 << 4, flags, 65535, 0, 0)
    return frame(source, to, 6, head + payload)


class Seen:
    """A frame of the host, taken apart; `protocol` is None where it is neither UDP nor TCP."""

    def __init__(self, data):
        self.protocol = None
        if data[6:12] != HOST_MAC or data[12:14] not in (b"\x08\x00", b"\x86\xdd"):
            return
        ip = data[14:]
        if data[12:14] == b"\x08\x00":
            protocol, source, to, rest = ip[9], ip[12:16], ip[16:20], ip[20:struct.unpack("!H", ip[2:4])[0]]
        else:
            protocol, source, to, rest = ip[6], ip[8:24], ip[24:40], ip[40:40 + struct.unpack("!H", ip[4:6])[0]]
        if protocol not in (6, 17):
            return
        self.source, self.to = str(ipaddress.ip_address(source)), str(ipaddress.ip_address(to))
        self.source_port, self.port = struct.unpack("!HH", rest[:4])
        if protocol == 17:
            self.payload = rest[8:]
        else:
            self.sequence, self.acknowledged, words, self.flags = struct.unpack("!IIBB", rest[4:14])
            self.options, self.payload = rest[20:(words >> 4) * 4], rest[(words >> 4) * 4:]
        self.protocol = "udp" if protocol == 17 else "tcp"

    def segment_size(self):
        options = self.options
        while options and options[0] != 0:
            if options[0] == 2:
                return struct.unpack("!H", options[2:4])[0]
            options = options[1:] if options[0] == 1 else options[options[1]:]
        return None


class Target(Host):
    """A host with UDP and TCP listeners on each port, which forwards to another host behind eth2."""

    def __init__(self, ports):
        super().__init__(links=tuple(LINKS), addresses=LINKS)
        self.ports = ports
        self.listening = []
        # Answers go out whatever their address: nobody is asked for its link address.
        self.host.ip(*(f"link set {link} arp off" for link in LINKS), "route add ::/0 dev eth0")
        self.host.sysctl("ipv4/ip_forward", 1)
        self.host.sysctl("ipv6/conf/all/forwarding", 1)
        self.listen_udp(ports)
        for one in (*self.taps.values(), *(one for _, one in self.sockets)):
            one.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)  # SO_RCVBUFFORCE: all packets of an exchange may wait
        for _, one in self.sockets:
            if one.family == socket.AF_INET:
                one.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
            else:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        with self.host.inside():
            for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                for number, port in enumerate(ports):
                    one = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                    if family == socket.AF_INET6:
                        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT + number)
                    one.bind((any_address, port))
                    one.listen(512)
                    self.listening.append((port, one))

    def close(self):
        for _, one in self.listening:
            one.close()
        super().close()


class Exchange:
    """Sends packets and their followers. Afterwards `first` and `later` hold (index, "local" or "forwarded", port), and
    `followed` those indexes that had a follower of a connection that both sides had spoken in."""

    def __init__(self, target, packets):
        self.target, self.packets = target, packets
        self.first, self.later, self.followed = set(), set(), set()
        self.answers = {}  # index: what the host or the one behind it said
        for index, packet in enumerate(packets):
            self.send(packet["link"], self.opening(index, packet))
        self.watch()
        self.follow()
        self.watch()
        self.take_connections()

    def send(self, link, data):
        self.target.taps[link].send(data)

    @staticmethod
    def opening(index, packet):
        tuple_ = packet["source"], packet["source_port"], packet["to"], packet["port"]
        return udp(*tuple_, struct.pack("!I", index)) if packet["protocol"] == "udp" else tcp(*tuple_, SYN, index << 12)

    def watch(self):
        """Until nothing has happened for a while."""
        udps, taps = dict((one, port) for port, one in self.target.sockets), {tap: link for link, tap in self.target.taps.items()}
        quiet_until = time.monotonic() + QUIET
        while time.monotonic() < quiet_until:
            ready, _, _ = select.select([*udps, *taps], [], [], QUIET / 4)
            for one in ready:
                quiet_until = time.monotonic() + QUIET
                with contextlib.suppress(BlockingIOError):
                    while True:
                        if one in udps:
                            self.at_socket(one, udps[one])
                        else:
                            self.at_tap(taps[one], one.recv(2000))

    def at_socket(self, one, port):
        payload, about, _, peer = one.recvmsg(100, 200)
        index = struct.unpack("!I", payload)[0]
        (self.later if index & LATER else self.first).add((index & ~LATER, "local", port))
        if not index & LATER:
            # From the address that it was sent to; of IPv4 that is the last member, sent as the first one.
            level, kind, data = about[0]
            if one.family == socket.AF_INET:
                data = b"\0" * 4 + data[8:12] + b"\0" * 4
            else:
                data = data[:16] + b"\0" * 4
            one.sendmsg([b"\xff\xff\xff\xff"], [(level, kind, data)], 0, peer)
            self.answers[index] = ("local", None)

    def at_tap(self, link, data):
        seen = Seen(data)
        if seen.protocol is None:
            return
        if link == "eth2" and seen.to in BEHIND.values():
            self.at_neighbour(seen)
        elif seen.protocol == "tcp" and seen.flags & (SYN | ACK | RST) == SYN | ACK:
            index = (seen.acknowledged - 1) >> 12
            size = seen.segment_size()
            if size is not None:  # the neighbour's own has none
                self.first.add((index, "local", self.target.ports[size - SEGMENT]))
            self.answers[index] = ("local" if size is not None else "forwarded", seen.sequence)
        elif seen.protocol == "udp" and len(seen.payload) == 4 and seen.payload[0] == 0xFE:
            self.answers[struct.unpack("!I", seen.payload)[0] & 0xFFFFFF] = ("forwarded", None)

    def at_neighbour(self, seen):
        """What came to the other host, which answers by the same way."""
        back = seen.to, seen.port, seen.source, seen.source_port
        if seen.protocol == "udp":
            index = struct.unpack("!I", seen.payload)[0]
            (self.later if index & LATER else self.first).add((index & ~LATER, "forwarded", seen.port))
            if not index & LATER:
                self.send("eth2", udp(*back, struct.pack("!I", 0xFE000000 | index)))
        elif seen.flags & (SYN | ACK) == SYN:
            self.first.add((seen.sequence >> 12, "forwarded", seen.port))
            self.send("eth2", tcp(*back, SYN | ACK, 7, seen.sequence + 1))
        elif seen.payload:
            self.later.add((struct.unpack("!I", seen.payload)[0], "forwarded", seen.port))

    def follow(self):
        for index, (_, sequence) in self.answers.items():
            packet = self.packets[index]
            tuple_ = packet["source"], packet["source_port"], packet["to"], packet["port"]
            self.followed.add(index)
            self.send(packet["link"], udp(*tuple_, struct.pack("!I", index | LATER)) if packet["protocol"] == "udp" else
                      tcp(*tuple_, ACK | PSH, (index << 12) + 1, (sequence + 1) & 0xFFFFFFFF, struct.pack("!I", index)))

    def take_connections(self):
        for port, one in self.target.listening:
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection, _ = one.accept()
                    with connection, contextlib.suppress(BlockingIOError, ConnectionError):
                        connection.setblocking(False)
                        payload = connection.recv(100)
                        if payload:
                            self.later.add((struct.unpack("!I", payload)[0], "local", port))
