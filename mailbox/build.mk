mailbox_needs := daemon imap textindex mail journal db command io ipc proc settings base
