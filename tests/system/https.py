# SPDX-License-Identifier: ISC
"""An HTTPS server for tests, in a thread: a folder of files in memory that takes GET with ranges, PUT and
DELETE, and what can be wrong with an answer, by functions that a test puts in."""
import http.server
import os
import ssl
import subprocess
import tempfile
import threading


class Server:
    """files: content by path. before(handler): called before each answer; true: it has answered."""

    def __init__(self, folder, names="DNS:localhost,IP:127.0.0.1"):
        self.files, self.asked, self.before = {}, [], lambda handler: False
        folder = tempfile.mkdtemp(prefix="https-", dir=folder)
        self.ca, key = os.path.join(folder, "certificate.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-keyout", key, "-out", self.ca, "-days", "2", "-subj", "/CN=test",
                        "-addext", "subjectAltName=" + names], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.owner = self
        # The handshake is the handler's thread's business.
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True,
                                               do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def count(self, method):
        return sum(1 for asked in self.asked if asked[0] == method)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except (OSError, ssl.SSLError):
            pass  # the client has gone, or did not like the certificate

    def answer(self, status, content=b"", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def cut(self, content, n, **fields):
        """Promises content and breaks off behind n bytes of it."""
        self.send_response(206)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:n])
        self.close_connection = True

    def part(self, whole):
        """What the field Range wants of it: content and Content-Range."""
        want = self.headers.get("Range", "")[len("bytes="):]
        first, last = want.split("-")
        if first == "":
            first, last = max(0, len(whole) - int(last)), len(whole) - 1
        first, last = int(first), min(int(last or len(whole)), len(whole) - 1)
        return whole[first:last + 1], f"bytes {first}-{last}/{len(whole)}"

    def begin(self):
        owner = self.server.owner
        owner.asked.append((self.command, self.path, self.headers.get("Range"),
                            self.headers.get("Authorization")))
        return owner.before(self)

    def do_GET(self):
        if self.begin():
            return
        whole = self.server.owner.files.get(self.path)
        if whole is None:
            self.answer(404, b"There is no such thing.")
        elif "Range" not in self.headers:
            self.answer(200, whole)
        else:
            content, told = self.part(whole)
            self.answer(206, content, Content_Range=told)

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.begin():
            return
        self.server.owner.files[self.path] = content
        self.answer(201)

    def do_DELETE(self):
        if self.begin():
            return
        self.answer(204 if self.server.owner.files.pop(self.path, None) is not None else 404)
