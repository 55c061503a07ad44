# SPDX-License-Identifier: ISC
"""A fake Internet in one network namespace: every address is here, one text is the whole DNS, and mail
servers can be played anywhere. See README.md beside it."""
import atexit
import os
import shutil
import tempfile

import space
from mx import MailServer
from names import Names
from space import NotPrivate, connect, listen, own  # noqa: F401


class World:
    """Enters the namespace this process is in (space.enter) and starts the DNS.

    zones: the text of the DNS. ours: addresses under which our own server is to be found besides
    127.0.0.1; they are bound to by whoever takes settings()."""

    def __init__(self, zones="", ours=("192.0.2.25", "2001:db8::25"), dns=("127.0.0.53",)):
        space.enter()
        self.ours = ours
        for address in ours:
            own(address)
        self.names = Names(zones, dns)
        self.folder = tempfile.mkdtemp(prefix="postern-world-")
        os.chmod(self.folder, 0o755)
        self.servers = []
        with open(self.anchor_file(), "w") as f:
            f.write(self.names.anchors())
        atexit.register(self.stop)

    def anchor_file(self):
        return os.path.join(self.folder, "anchors")

    def settings(self):
        """What an instance needs to live in this world, as (setting, value)."""
        return [("general.listen", ",".join(("127.0.0.1", *self.ours))),
                ("resolver.server", self.names.servers()),
                ("resolver.trust-anchor-file", self.anchor_file())]

    def mx(self, address, port=25):
        """A mail server at this address."""
        server = MailServer(port, address)
        self.servers.append(server)
        return server

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.servers = []
        self.names.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
