#!/usr/bin/python3
"""Runs a program for which the kernel refuses one netlink family: refuse_netlink.py NUMBER PROGRAM ARGUMENTS…"""
import ctypes
import os
import platform
import struct
import sys

SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
AF_NETLINK, EPERM = 16, 1
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | EPERM


def main():
    family = int(sys.argv[1])
    program = [(LOAD, 0, 0, 0), (JUMP_EQUAL, 0, 5, SOCKET), (LOAD, 0, 0, 16), (JUMP_EQUAL, 0, 3, AF_NETLINK),
               (LOAD, 0, 0, 32), (JUMP_EQUAL, 0, 1, family), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    filter_ = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, ctypes.create_string_buffer(filter_), 0, 0) == 0, ctypes.get_errno()  # PR_SET_SECCOMP
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
