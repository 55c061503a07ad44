# SPDX-License-Identifier: ISC
"""Include directions (docs/architecture.md): what each room may include.

- An engine (lib/smtp, lib/mail, lib/imap ...) includes only lib/base and other engines, and no
  header that does input or output, reads a clock or starts a process.
- A lib module includes only headers of itself and of the modules in its build.mk's X_needs.
- A daemon folder never includes another daemon's. bench may: its tools stand in for a daemon that does
  not run.
- Only lib/io and lib/http include event2/*, only lib/tls, keys, lib/ca and lib/dkim the SSL and key headers,
  only resolver includes unbound.h, only lib/db includes db.h.
- No .c file is included."""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ENGINES = {"catalogue", "smtp", "smtp_client", "mail", "imap", "dns", "route", "dsn", "srs", "scram", "net",
           "proxy", "spf", "dkim", "dmarc", "arc", "textindex", "authres", "idn", "reception",
           "bounce", "slot", "answers", "pack", "seal"}
IMPURE = re.compile(r"^(event2/|openssl/ssl|sys/(socket|stat|wait|epoll|mman|un)\.h|unistd\.h|"
                    r"fcntl\.h|netdb\.h|poll\.h|signal\.h|syslog\.h)")
ONLY = [
    (re.compile(r"^event2/|^event\.h|^evdns|^evhttp"), {"lib/io", "lib/http"}),
    (re.compile(r"^openssl/ssl\.h|^event2/bufferevent_ssl\.h"), {"lib/tls", "lib/http", "bench"}),
    (re.compile(r"^openssl/"), {"lib/tls", "lib/ca", "lib/dkim", "keys", "bench"}),
    (re.compile(r"^unbound"), {"resolver"}),
    (re.compile(r"^db\.h$"), {"lib/db"}),
    (re.compile(r"^sasl/"), {"auth"}),
    (re.compile(r"^confuse\.h$"), {"lib/config"}),
]
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def needs_of(folder):
    """X_needs of a module's build.mk, closed over itself."""
    try:
        with open(os.path.join(TOP, folder, "build.mk")) as f:
            text = f.read().replace("\\\n", " ")
    except OSError:
        return None
    m = re.search(r"^\w+_needs\s*:?=(.*)$", text, re.M)
    return set(m.group(1).split()) if m else set()


def closure(needs):
    todo, found = list(needs or ()), set()
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += needs_of("lib/" + one) or ()
    return found


def problems_of(folder, name, path, kind, target, daemons, libs):
    engine = folder.startswith("lib/") and folder[4:] in ENGINES
    test = name.endswith(("_test.c", "_fuzz.c"))
    if target.endswith(".c"):
        yield f"includes the code file {target}"
    if kind == "<":
        if engine and not test and IMPURE.match(target):
            yield f"an engine includes <{target}>"
        for pattern, allowed in ONLY:
            if pattern.match(target) and folder not in allowed and not test:
                yield f"<{target}> belongs to {', '.join(sorted(allowed))}"
                break
        return
    head = target.split("/")[0]
    if "/" not in target:
        return
    if head in libs:
        if engine and head not in ENGINES | {"base"} | ({folder[4:]}):
            yield f"an engine includes {target}"
        own = folder[4:] if folder.startswith("lib/") else None
        # Of a daemon the linker checks it; headers alone (a table, an enum) it may take freely.
        if own and head != own and head not in closure(needs_of(folder)):
            yield f"{target}: {head} is not in {folder}/build.mk"
    elif head in daemons and head != folder.split("/")[0]:
        if folder != "bench" and not (test and folder.startswith("tests")):
            yield f"{folder} includes {target} of another room"


def main():
    libs = {n for n in os.listdir(TOP + "/lib") if os.path.isdir(f"{TOP}/lib/{n}")}
    daemons = {n for n in os.listdir(TOP) if os.path.exists(f"{TOP}/{n}/build.mk")}
    count = bad = 0
    for where, folders, names in os.walk(TOP):
        folders[:] = [f for f in folders if f not in ("build", ".git")]
        for name in names:
            if not name.endswith((".c", ".h")):
                continue
            path = os.path.join(where, name)
            folder = os.path.relpath(where, TOP)
            count += 1
            with open(path, errors="replace") as f:
                for number, line in enumerate(f, 1):
                    m = INCLUDE.match(line)
                    for text in problems_of(folder, name, path, *m.groups(), daemons,
                                            libs) if m else ():
                        print(f"{os.path.relpath(path, TOP)}:{number}: {text}")
                        bad += 1
    print(f"{count} files, {bad} wrong includes")
    return 1 if bad or not count else 0


if __name__ == "__main__":
    sys.exit(main())
