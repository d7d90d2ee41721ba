#!/usr/bin/python3
"""A small authoritative DNS server for the rebinding test: `dns.py ADDRESS ZONE NAME=A[,A…] …`. Answers A for the given
names with TTL 0, everything else of the zone with NODATA and foreign names with NXDOMAIN. UDP only, one question."""
import socket
import struct
import sys


def parse_question(data):
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1").lower())
        at += 1 + data[at]
    kind, _ = struct.unpack_from("!HH", data, at + 1)
    return ".".join(labels), kind, data[12:at + 5]


def answer(data, zone, records):
    ident, flags = struct.unpack_from("!HH", data)
    name, kind, question = parse_question(data)
    inside = name == zone or name.endswith("." + zone)
    found = records.get(name, []) if kind == 1 else []
    code = 0 if inside else 3
    head = struct.pack("!HHHHHH", ident, 0x8400 | (flags & 0x0100) | code, 1, len(found), 0, 0)
    body = b"".join(struct.pack("!HHHIH", 0xC00C, 1, 1, 0, 4) + socket.inet_aton(a) for a in found)
    return head + question + body


def main():
    address, zone = sys.argv[1:3]
    records = {name: addresses.split(",") for name, addresses in (pair.split("=") for pair in sys.argv[3:])}
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
