# SPDX-License-Identifier: ISC
"""Only CRLF.CRLF ends a message (threats T037 to T040), over real sockets, whole and in pieces."""
from harness import *

OPTIONS = {}
# What other servers have taken for the end of data.
FAKE_ENDS = [b"\n.\n", b"\n.\r", b"\n.\r\n", b"\r.\r", b"\r.\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
             b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\n\n.\r\n",
             b"\r\n .\r\n", b"\r\n.\t\r\n", b"\r\n.\x0b\r\n", b"\x85.\x85", b"\xe2\x80\xa8.\r\n"]


def attack(m, end, pieces):
    """Sends a message with a fake end and a second transaction after it; returns the reply codes."""
    inner = (b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<" + USER.encode() +
             b">\r\nDATA\r\nSubject: smuggled\r\n\r\nsmuggled\r\n.\r\n")
    data = message("carrier").encode() + b"text" + end + inner
    with m.raw() as c:
        c.envelope()
        try:
            for at in range(0, len(data), pieces):
                c.send(data[at:at + pieces])
        except (ConnectionError, BrokenPipeError):
            pass
        codes = []
        while True:
            try:
                code, _ = c.reply()
            except TimeoutError:
                raise AssertionError(f"no reply after {end!r}")
            codes.append(code)
            if code in (0, 221, 421):
                break
            try:
                c.send(b"QUIT\r\n")
            except (ConnectionError, BrokenPipeError):
                pass
            if len(codes) > 20:
                break
        return codes


def no_second_message(m, pieces):
    for end in FAKE_ENDS:
        before = m.count()
        codes = attack(m, end, pieces)
        accepted = codes.count(250)
        assert accepted <= 1, f"{end!r}: {codes}"
        m.send(message("marker"))
        m.wait_count(before + 1 + accepted)
        assert m.count() == before + 1 + accepted, f"{end!r}: {codes}"
    for uid, text in m.messages().items():
        assert not re.match(rb"Return-Path: <evil@", text), f"smuggled message {uid}"


def test_fake_ends_whole(m):
    no_second_message(m, 1 << 20)


def test_fake_ends_in_pieces_of_one_byte(m):
    no_second_message(m, 1)


def test_bare_cr_and_lf_are_refused(m):
    for bad in (b"bare\nline", b"bare\rline"):
        with m.raw() as c:
            c.envelope()
            c.send(b"Subject: x\r\n\r\n" + bad + b"\r\n.\r\n")
            code, text = c.reply()
            assert code in (550, 554, 521), (bad, code, text)


def test_transaction_sent_ahead(m):
    """Not announced: it may be refused, but never becomes more than the one message it is."""
    before = m.count()
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        c.send(b"MAIL FROM:<ahead@example.net>\r\nRCPT TO:<" + USER.encode() + b">\r\nDATA\r\n"
               b"Subject: ahead\r\n\r\nx\r\n.\r\nQUIT\r\n")
        texts = []
        while True:
            code, text = c.reply()
            texts.append(text)
            if code in (0, 221, 421, 554):
                break
    stored = sum(b"Stored" in text for text in texts)
    m.send(message("marker"))
    m.wait_count(before + stored + 1)
    assert stored <= 1 and m.count() == before + stored + 1, texts
