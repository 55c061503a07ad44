#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Signs messages with dkimpy (DKIM) and seals them (ARC), as other mail servers would.

dkimpy is there for Debian's own Python only, whichever Python runs the tests: so this file is both the
class for a test, which imports it, and the program behind it, which gets a line of JSON and answers one."""
import base64
import json
import subprocess
import sys


class Key:
    """A pair of keys, made by openssl. private: as dkimpy wants it; record: the text for the DNS."""

    def __init__(self, kind="rsa", bits=2048):
        options = ["-pkeyopt", f"rsa_keygen_bits:{bits}"] if kind == "rsa" else []
        made = subprocess.run(["openssl", "genpkey", "-algorithm", kind, *options], capture_output=True, check=True)
        form = ["openssl", "pkey", "-outform", "DER"]
        public = subprocess.run([*form, "-pubout"], input=made.stdout, capture_output=True, check=True).stdout
        if kind == "rsa":
            self.private = made.stdout.decode()
        else:
            seed = subprocess.run(form, input=made.stdout, capture_output=True, check=True).stdout[-32:]
            self.private, public = base64.b64encode(seed).decode(), public[-32:]
        self.kind = kind
        self.record = f"v=DKIM1; k={kind}; p=" + base64.b64encode(public).decode()

    def zone(self, name):
        """A line for the world."""
        parts = " ".join(f'"{self.record[at:at + 200]}"' for at in range(0, len(self.record), 200))
        return f"{name}. TXT {parts}\n"


class Signer:
    """keys: by selector; the same ones for each domain."""

    def __init__(self, keys):
        self.keys = keys
        self.process = subprocess.Popen(["/usr/bin/python3", __file__], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def _ask(self, op, message, selector, domain, **more):
        key = self.keys[selector]
        print(json.dumps(dict(more, op=op, message=message.decode("latin-1"), selector=selector, domain=domain,
                              private=key.private, kind=key.kind)),
              file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return answer["fields"].encode("latin-1") + message

    def sign(self, message, selector, domain, canon=("relaxed", "relaxed"), length=False):
        return self._ask("sign", message, selector, domain, canon=canon, length=length)

    def seal(self, message, selector, domain, results):
        message = b"Authentication-Results: " + results.encode() + b"\r\n" + message
        return self._ask("seal", message, selector, domain)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def answer(dkim, ask):
    message, private = ask["message"].encode("latin-1"), ask["private"].encode()
    selector, domain = ask["selector"].encode(), ask["domain"].encode()
    if ask["op"] == "sign":
        fields = dkim.sign(message, selector, domain, private, length=ask["length"],
                           canonicalize=tuple(c.encode() for c in ask["canon"]),
                           signature_algorithm=ask["kind"].encode() + b"-sha256")
    else:
        fields = b"".join(dkim.arc_sign(message, selector, domain, private, domain))
    return {"fields": fields.decode("latin-1")}


def main():
    import dkim
    for line in sys.stdin:
        try:
            got = answer(dkim, json.loads(line))
        except Exception as why:  # told to the test
            got = {"error": repr(why)}
        print(json.dumps(got), flush=True)


if __name__ == "__main__":
    main()
