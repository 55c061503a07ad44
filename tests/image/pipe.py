#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""pipe.py PORT: what QEMU starts for each connection of a machine to a server of the tests, which listens on this
port of the loopback interface. Standard input and output are the machine's end."""
import os
import socket
import sys
import threading


def copy(source, target):
    while data := os.read(source, 1 << 16):
        while data:
            data = data[os.write(target, data):]


def main():
    server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))

    def to_server():
        copy(0, server.fileno())
        server.shutdown(socket.SHUT_WR)
    threading.Thread(target=to_server, daemon=True).start()
    copy(server.fileno(), 1)


main()
