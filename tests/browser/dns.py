#!/usr/bin/python3
"""A small authoritative DNS server for the rebinding test: `dns.py ADDRESS ZONE NAME=A[,A…][>A] …`. Answers A for the given
names with TTL 0 (what stands after `>` from three seconds after the name was first asked for), everything else of the zone
with NODATA and foreign names with NXDOMAIN. UDP only, one question."""
import socket
import struct
import sys
import time

SECONDS_UNTIL_THEN = 3.0


def parse_question(data):
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1").lower())
        at += 1 + data[at]
    kind, _ = struct.unpack_from("!HH", data, at + 1)
    return ".".join(labels), kind, data[12:at + 5]


class Name:
    """The addresses of one name: the first ones, later the others."""

    def __init__(self, text):
        first, _, then = text.partition(">")
        self.first, self.then, self.asked = first.split(","), then.split(",") if then else None, None

    def addresses(self):
        self.asked = self.asked or time.monotonic()
        later = self.then and time.monotonic() - self.asked > SECONDS_UNTIL_THEN
        return self.then if later else self.first


def answer(data, zone, records):
    ident, flags = struct.unpack_from("!HH", data)
    name, kind, question = parse_question(data)
    inside = name == zone or name.endswith("." + zone)
    found = records[name].addresses() if kind == 1 and name in records else []
    code = 0 if inside else 3
    head = struct.pack("!HHHHHH", ident, 0x8400 | (flags & 0x0100) | code, 1, len(found), 0, 0)
    body = b"".join(struct.pack("!HHHIH", 0xC00C, 1, 1, 0, 4) + socket.inet_aton(a) for a in found)
    return head + question + body


def main():
    address, zone = sys.argv[1:3]
    records = {name: Name(text) for name, text in (pair.split("=") for pair in sys.argv[3:])}
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    print("ready", flush=True)
    while True:
        data, peer = server.recvfrom(4096)
        try:
            server.sendto(answer(data, zone, records), peer)
        except (IndexError, struct.error):
            continue


if __name__ == "__main__":
    main()
