# SPDX-License-Identifier: ISC
"""A network namespace in which every address is this machine's: whoever runs in it can connect from any
address and be the server at any address. Nothing leaves it."""
import json
import os
import socket
import subprocess

ANY = {socket.AF_INET: "0.0.0.0/0", socket.AF_INET6: "::/0"}
IP_FREEBIND, IPV6_FREEBIND = 15, 78  # bind(2) takes addresses that no interface has


class NotPrivate(Exception):
    """The namespace has ways to the outside: nothing was changed in it."""


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def ways_out():
    """Interfaces that lead somewhere: everything that is up, but loopback."""
    links = json.loads(ip("-json", "link", "show"))
    return [link["ifname"] for link in links
            if "LOOPBACK" not in link["flags"] and "UP" in link["flags"]]


def enter():
    """Makes all addresses local to the namespace this process is in; more than once does no harm."""
    if ways_out():
        raise NotPrivate(f"this network namespace reaches the outside ({', '.join(ways_out())}): "
                         "start with tests/world/run")
    ip("link", "set", "lo", "up")
    for family, every in ANY.items():
        if family == socket.AF_INET or socket.has_ipv6:
            ip("-6" if family == socket.AF_INET6 else "-4", "route", "replace", "local", every,
               "dev", "lo")


def own(address):
    """Gives loopback an IPv6 address, for servers that can bind to their own addresses only. All
    IPv4 addresses are bound to without."""
    if ":" in address:
        ip("-6", "address", "replace", address + "/128", "dev", "lo", "nodad")


def free_socket(address, kind=socket.SOCK_STREAM):
    """A socket that may be bound to any address of this one's family."""
    six = ":" in address
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
    if six:
        s.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    else:
        s.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return s


def connect(source, to, timeout=30):
    """A TCP connection from an address of anybody's to (address, port)."""
    s = free_socket(source)
    try:
        s.settimeout(timeout)
        s.bind((source, 0))
        s.connect(to)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s
    except BaseException:
        s.close()
        raise


def listen(address, port, backlog=64):
    s = free_socket(address)
    try:
        s.bind((address, port))
        s.listen(backlog)
        return s
    except BaseException:
        s.close()
        raise


def private_words():
    """The words before a command that give it a namespace of its own; without root a user namespace."""
    words = ["unshare", "--net", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return words if os.geteuid() == 0 else words + ["--user", "--map-root-user"]
