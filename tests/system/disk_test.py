# SPDX-License-Identifier: ISC
"""A full disk: mail is refused for now, nothing accepted is lost, and it goes on by itself."""
import smtplib

from harness import *

OPTIONS = None


def send(m, token, size):
    """The reply code of one message."""
    try:
        m.send(message("disk", "d" * 70 + "\r\n" + ("e" * 76 + "\r\n") * (size // 78),
                       X_Token=token))
        return 250
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    except smtplib.SMTPRecipientsRefused as error:
        return list(error.recipients.values())[0][0]
    except (smtplib.SMTPException, OSError):
        return 0


def tokens(m):
    found = [re.search(rb"X-Token: (\S+)", text) for text in m.messages().values()]
    return sorted(f.group(1).decode() for f in found if f)


def test_full_disk(_):
    if os.geteuid() != 0:
        raise Skip("needs a mount")
    home = tempfile.mkdtemp(prefix="postern-disk-")
    run("mount", "-t", "tmpfs", "-o", "size=96m,mode=711", "tmpfs", home)
    m = Instance(home=home, settings=[("queue.min-free", "0")])
    try:
        accepted = ["before"]
        assert send(m, "before", 100) == 250
        filler = os.path.join(home, "filler")
        with open(filler, "wb") as f:
            try:
                while True:
                    f.write(bytes(65536))
            except OSError:
                pass
        codes = {}
        for n in range(300):
            code = send(m, f"full{n}", 200000 if n % 3 else 3000)
            codes[code] = codes.get(code, 0) + 1
            if code == 250:
                accepted.append(f"full{n}")
            if codes.get(452, 0) + codes.get(451, 0) + codes.get(0, 0) > 5:
                break
        assert codes.get(452, 0) + codes.get(451, 0) > 0, f"never refused: {codes}"
        assert 0 not in codes, f"connections broke: {codes}"
        os.unlink(filler)
        wait_until("mail is taken again", 30 * SLOW, lambda: send(m, "after", 100) == 250)
        accepted.append("after")
        wait_until("all accepted messages", 60 * SLOW,
                   lambda: set(accepted) <= set(tokens(m)))
        got = tokens(m)
        assert len(got) == len(set(got)) and set(got) == set(accepted), (
            len(got), set(got) ^ set(accepted))
        print(f"# replies while full: {codes}")
        assert m.stop() == 0
        m.start()
        assert tokens(m) == got
    finally:
        m.destroy()
        run("umount", "-l", home, check=False)
