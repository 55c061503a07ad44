# SPDX-License-Identifier: ISC
"""Debian's nsd with zones of the test's own, on loopback."""
import os
import shutil
import socket
import subprocess
import tempfile

from harness import SLOW, need, wait_until

HEAD = """$TTL 60
@ SOA ns.example.net. hostmaster.example.net. 1 60 60 600 60
@ NS ns.example.net.
"""


def answers(port, name):
    """One question for the SOA of a zone; true when it is answered."""
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        try:
            s.sendto(b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0" + labels + b"\0\x06\0\x01",
                     ("127.0.0.1", port))
            got = s.recv(512)
        except OSError:
            return False
        return got[3] & 15 == 0 and got[7] > 0


class Zones:
    """zones: {name: records}; the SOA and NS come before them."""

    def __init__(self, port, zones):
        need("nsd")
        self.folder = tempfile.mkdtemp(prefix="postern-zones-")
        conf = f"""server:
  ip-address: 127.0.0.1@{port}
  username: ""
  zonesdir: "{self.folder}"
  database: ""
  pidfile: "{self.folder}/nsd.pid"
  xfrdfile: "{self.folder}/xfrd"
  zonelistfile: "{self.folder}/zones"
  xfrdir: "{self.folder}"
  server-count: 1
remote-control:
  control-enable: no
"""
        for name, records in zones.items():
            self.write(name, HEAD + records)
            conf += f'zone:\n  name: "{name}"\n  zonefile: "{name}"\n'
        path = self.write("nsd.conf", conf)
        self.proc = subprocess.Popen(["nsd", "-d", "-c", path], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("nsd answers", 20 * SLOW, lambda: answers(port, next(iter(zones))))

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def stop(self):
        self.proc.terminate()
        self.proc.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)
