#!/usr/bin/python3
"""Opens sockets as it is told, says "ready" and holds them until its standard input ends.

    opener.py KEY=VALUE…    kind=tcp|mptcp|udp|udplite|unix|unix-datagram|sleep, address=, port=, device=, v6only=0|1, path=, mode=,
                            bind=0, reuseport=1, uid=, comm=, count=, thread=unshare, answer=FILE (HTTP body for every client)
"""
import ctypes
import os
import socket
import sys
import threading

FAMILIES = {"tcp": (socket.SOCK_STREAM, 0), "mptcp": (socket.SOCK_STREAM, 262), "udp": (socket.SOCK_DGRAM, 0),
            "udplite": (socket.SOCK_DGRAM, 136)}


def open_inet(want, port):
    kind, number = FAMILIES[want["kind"]]
    address = want.get("address", "127.0.0.1")
    six = ":" in address
    one = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind, number)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if want.get("reuseport"):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if six:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(want.get("v6only", "1")))
    if "device" in want:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, want["device"].encode())
    if want.get("bind") != "0":
        one.bind((address, port))
    if kind == socket.SOCK_STREAM:
        one.listen()
    return one


def open_unix(want):
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if want["kind"] == "unix-datagram" else socket.SOCK_STREAM)
    path = want["path"]
    if not path.startswith("@") and os.path.lexists(path):
        os.unlink(path)
    one.bind("\0" + path[1:] if path.startswith("@") else path)
    if "mode" in want:
        os.chmod(path, int(want["mode"], 8))
    if want["kind"] == "unix":
        one.listen()
    return one


def answer(listener, body):
    while True:
        client, _ = listener.accept()
        client.recv(65536)
        client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)
        client.close()


def main():
    want = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    if "comm" in want:
        with open("/proc/self/comm", "w") as file:
            file.write(want["comm"])
    if "uid" in want:
        os.setgid(int(want["uid"]))
        os.setuid(int(want["uid"]))
    held = []

    def work():
        if want.get("thread") == "unshare":
            assert ctypes.CDLL(None).unshare(0x40000000) == 0
        if want["kind"] in FAMILIES:
            first = int(want.get("port", "0"))
            held.extend(open_inet(want, first + i if first else 0) for i in range(int(want.get("count", "1"))))
        elif want["kind"] != "sleep":
            held.append(open_unix(want))
        print("ready", flush=True)
        if "answer" in want:
            threading.Thread(target=answer, args=(held[0], open(want["answer"], "rb").read()), daemon=True).start()
        done.wait()

    done = threading.Event()
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    sys.stdin.buffer.read()
    done.set()


if __name__ == "__main__":
    main()
