mailbox_needs := daemon imap mail journal io ipc proc settings base
