# SPDX-License-Identifier: ISC
"""LIST and LSUB of some dozen folders, written from rfc3501:6.3.8, 6.3.9 and rfc5258:3 as they read, for
imap_model.py to compare with. Folders: their special use by name, "" for none."""
import re

USES = {"Archive": "\\Archive", "Drafts": "\\Drafts", "Junk": "\\Junk", "Sent": "\\Sent", "Trash": "\\Trash"}


def matches(name, pattern):
    words = {"*": ".*", "%": "[^/]*"}
    text = "".join(words.get(c) or re.escape(c) for c in pattern)
    return re.fullmatch(text, name, re.I if name == "INBOX" else 0) is not None


def parents(name):
    parts = name.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


def selected(folders, subscribed, selection):
    """The names that selection options mean; without any: all that exist."""
    names = set(folders) if not selection & {"SUBSCRIBED"} else set(subscribed)
    if "SPECIAL-USE" in selection:
        names = {n for n in names if folders.get(n)}
    return names


def below(names, parent):
    return {n for n in names if n.startswith(parent + "/")}


def attributes(name, folders, subscribed, shows_subscribed):
    out = {"\\HasChildren" if below(folders, name) else "\\HasNoChildren"}
    if name not in folders:
        out.add("\\NonExistent")
    elif folders[name]:
        out.add(folders[name])
    if shows_subscribed and name in subscribed:
        out.add("\\Subscribed")
    return out


def listed(folders, subscribed, selection, returns, patterns):
    """name -> (attributes, is there CHILDINFO) of LIST (selection) "" (patterns) RETURN (returns)"""
    chosen = selected(folders, subscribed, selection)
    shown, recursive = set(chosen), "RECURSIVEMATCH" in selection
    if recursive:
        shown |= {p for name in chosen for p in parents(name)}
    return {name: (attributes(name, folders, subscribed, "SUBSCRIBED" in selection | returns),
                   recursive and bool(below(chosen, name)))
            for name in shown if any(matches(name, p) for p in patterns)}


def lsub(folders, subscribed, pattern):
    """name -> is it \\Noselect. What "%" hides is told by its parent."""
    out = {name: name not in folders for name in subscribed if matches(name, pattern)}
    for name in subscribed:
        if not matches(name, pattern):
            out.update({p: True for p in parents(name) if matches(p, pattern) and p not in subscribed})
    return out
