# SPDX-License-Identifier: ISC
"""SORT and THREAD of a few hundred messages, written from rfc5256 as it reads: slow and plain, for
imap_model.py to compare with. A message has number, head (sender, date, arrival, ident, references) and
subject."""
import re


class Head:
    def __init__(self, sender, date, arrival, ident, references):
        self.sender, self.date, self.arrival = sender, date, arrival  # date None: no Date field
        self.ident, self.references = ident, references


def base_subject(text):
    """(base subject, is it a reply or forward)"""
    reply = False
    text = re.sub(r"\s+", " ", text)
    while True:
        while m := re.search(r"(\(fwd\)| )$", text, re.I):
            reply |= m.group() != " "
            text = text[:m.start()]
        while True:
            if m := re.match(r"(\[[^][]*\] *)*(re|fwd?) *(\[[^][]*\] *)?:", text, re.I):
                reply, text = True, text[m.end():]
            elif text.startswith(" "):
                text = text[1:]
            elif (m := re.match(r"\[[^][]*\] *", text)) and text[m.end():]:
                text = text[m.end():]
            else:
                break
        m = re.fullmatch(r"\[fwd:(.*)\]", text, re.I)
        if not m:
            return text.upper(), reply
        reply, text = True, m.group(1)


def sent(m):
    return m.head.arrival if m.head.date is None else m.head.date


KEYS = {"ARRIVAL": lambda m: m.head.arrival, "DATE": sent, "SIZE": lambda m: m.size,
        "FROM": lambda m: m.head.sender.upper(), "SUBJECT": lambda m: base_subject(m.subject)[0],
        "TO": lambda m: "", "CC": lambda m: ""}


def sort(messages, criteria):
    """criteria: (name, is it reversed), the first counts most."""
    messages = list(messages)
    for name, reverse in reversed(criteria):
        # keeps the order of equals in both directions
        messages.sort(key=KEYS[name], reverse=reverse)
    return messages


class Node:
    def __init__(self, message=None):
        self.message, self.parent, self.children = message, None, []

    def move(self, parent):
        if self.parent:
            self.parent.children.remove(self)
        self.parent = parent
        if parent:
            parent.children.append(self)

    def is_below(self, other):
        node = self
        while node and node is not other:
            node = node.parent
        return node is not None

    def lead(self):
        return self.message or self.children[0].message

    def order(self):
        return sent(self.lead()), self.lead().place

    def arrange(self):
        for child in self.children:
            child.arrange()
        self.children.sort(key=Node.order)

    def is_reply(self):
        return bool(self.message) and base_subject(self.message.subject)[1]


def ordered_subject(messages):
    threads = {}
    for m in sorted(messages, key=lambda m: (sent(m), m.place)):
        threads.setdefault(base_subject(m.subject)[0], []).append(m)
    root = Node()
    for group in threads.values():
        first = Node(group[0])
        first.move(root)
        for m in group[1:]:
            Node(m).move(first)
    return root


def link(messages):
    """Step 1."""
    table, own = {}, []
    for m in messages:
        own.append(Node(m))
        if m.head.ident:
            table.setdefault(m.head.ident, own[-1])
    nodes = list(own)
    for node in own:
        last = None
        for ident in node.message.head.references:
            if ident not in table:
                table[ident] = Node()
                nodes.append(table[ident])
            this = table[ident]
            if last and not this.parent and not last.is_below(this):
                this.move(last)
            last = this
        node.move(None)
        if last and not last.is_below(node):
            node.move(last)
    return nodes


def prune(node, root):
    """Step 3 for what is below node."""
    for child in list(node.children):
        prune(child, root)
        if child.message:
            continue
        if node is not root or len(child.children) <= 1:
            for grand in list(child.children):
                grand.move(node)
            child.move(None)


def join(root):
    """Step 5."""
    table = {}
    for node in root.children:
        subject = base_subject(node.lead().subject)[0]
        if not subject:
            continue
        other = table.get(subject)
        if other is None or (other.message and (not node.message or (other.is_reply() and not node.is_reply()))):
            table[subject] = node
    for node in list(root.children):
        if node.parent is not root:
            continue
        subject = base_subject(node.lead().subject)[0]
        other = table.get(subject)
        if not subject or other is node:
            continue
        if not other.message and not node.message:
            for child in list(node.children):
                child.move(other)
            node.move(None)
        elif not other.message or (node.is_reply() and not other.is_reply()):
            node.move(other)
        else:
            both = Node()
            both.move(root)
            node.move(both)
            other.move(both)
            table[subject] = both


def references(messages):
    root = Node()
    for node in link(messages):
        if not node.parent:
            node.move(root)
    prune(root, root)
    root.arrange()
    join(root)
    root.arrange()
    return root


def shown(node, number):
    """A thread as IMAP writes it: nested lists."""
    words = [number(node.message)] if node.message else []
    if node.message and len(node.children) == 1:
        return words + shown(node.children[0], number)
    return words + [shown(child, number) for child in node.children]


def threads(algorithm, messages, number):
    root = references(messages) if algorithm == "REFERENCES" else ordered_subject(messages)
    return [shown(child, number) for child in root.children]
