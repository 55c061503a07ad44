# SPDX-License-Identifier: ISC
"""A daemon alone: the test plays master and the peers over its channels, with the messages of
lib/ipc/ipc_table.h. For what a whole instance cannot be brought to do."""
import array
import os
import re
import select
import socket
import struct
import subprocess
import time

from harness import OUT, SLOW, TOP, wait_until


def read_table():
    """name -> (number, has a descriptor, [(kind, field)])."""
    with open(TOP + "/lib/ipc/ipc_table.h") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    rows, number = {}, 0
    for name, args, body in re.findall(
            r"IPC_BEGIN\((\w+), ([^)]*)\)(.*?)IPC_END\(\1\)", text, flags=re.S):
        number += 1
        fields = re.findall(r"IPC_(U8|U32|U64|STR|BYTES)\((\w+)", body)
        rows[name] = (number, args.split(", ")[3] == "FD", fields)
    return rows


def read_channels():
    with open(TOP + "/lib/ipc/ipc_channels.h") as f:
        names = re.findall(r"^IPC_CHANNEL\((\w+),", f.read(), flags=re.M)
    return {name: number for number, name in enumerate(names)}


TABLE, CHANNELS = read_table(), read_channels()
NAMES = {row[0]: name for name, row in TABLE.items()}
SIZES = {"U8": "<B", "U32": "<I", "U64": "<Q"}


def as_bytes(value):
    return value.encode() if isinstance(value, str) else value


class Channel:
    """One end of a channel, blocking."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def send(self, name, number=0, descriptor=None, **fields):
        kind, has_fd, layout = TABLE[name]
        assert has_fd == (descriptor is not None), name
        payload = b""
        for what, field in layout:
            value = fields.pop(field, 0 if what in SIZES else b"")
            if what in SIZES:
                payload += struct.pack(SIZES[what], value)
            else:
                value = as_bytes(value)
                payload += struct.pack("<I", len(value)) + value
        assert not fields, fields
        frame = struct.pack("<IHHQ", len(payload), kind, has_fd, number) + payload
        if has_fd:
            self.sock.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                         array.array("i", [descriptor]))])
        else:
            self.sock.sendall(frame)

    def receive(self, seconds=60):
        """(name, id, fields); None at the end."""
        end = time.monotonic() + seconds * SLOW
        while True:
            if len(self.buffer) >= 16:
                size, kind, _, number = struct.unpack("<IHHQ", self.buffer[:16])
                if len(self.buffer) >= 16 + size:
                    payload, self.buffer = self.buffer[16:16 + size], self.buffer[16 + size:]
                    return NAMES[kind], number, decode(NAMES[kind], payload)
            ready, _, _ = select.select([self.sock], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no message within {seconds} s")
            got = self.sock.recv(65536)
            if not got:
                return None
            self.buffer += got


def decode(name, payload):
    fields, at = {}, 0
    for what, field in TABLE[name][2]:
        if what in SIZES:
            size = struct.calcsize(SIZES[what])
            fields[field], = struct.unpack(SIZES[what], payload[at:at + size])
            at += size
        else:
            n, = struct.unpack("<I", payload[at:at + 4])
            value = payload[at + 4:at + 4 + n]
            fields[field] = value.decode("ascii", "replace") if what == "STR" else value
            at += 4 + n
    assert at == len(payload), name
    return fields


class Room:
    """peers: [(channel, as server, peer's name, descriptor)]; settings: {"section.key": value}."""

    def __init__(self, program, settings, peers, uid):
        ours, theirs = socket.socketpair()
        self.log_socket, log = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.text = ""
        lock = os.open("/dev/null", os.O_RDONLY)
        path = os.path.join(OUT, "libexec", "postern", program)

        def become():
            high = os.dup(theirs.fileno()), os.dup(lock)
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
            os.closerange(5, 4096)

        self.proc = subprocess.Popen([path], stdin=subprocess.DEVNULL, close_fds=False,
                                     preexec_fn=become, env={"TZ": "UTC"})
        os.close(lock)
        theirs.close()
        self.master = Channel(ours)
        lines = "".join(f"{k}={v}\n" for k, v in settings.items())
        self.master.send("setup", uid=uid, gid=uid, root=os.geteuid() == 0, settings=lines)
        self.peer("log", False, "logger", log.fileno())
        log.close()
        for channel, server, name, descriptor in peers:
            self.peer(channel, server, name, descriptor)
        self.master.send("setup_done")
        name, _, self.ready = self.master.receive()
        assert name == "ready", (name, self.log())

    def peer(self, channel, server, name, descriptor):
        self.master.send("setup_peer", descriptor=descriptor, channel=CHANNELS[channel],
                         as_server=server, peer=name)

    def log(self):
        while select.select([self.log_socket], [], [], 0)[0]:
            got = self.log_socket.recv(65536)
            if not got:
                break
            self.text += got.decode("utf-8", "replace")
        return self.text

    def stop(self):
        """Orderly; its exit status."""
        self.master.send("stop")
        try:
            status = self.proc.wait(20 * SLOW)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
            raise
        self.log()
        return status


__all__ = ["Channel", "Room", "wait_until"]
