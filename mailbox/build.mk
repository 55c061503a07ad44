mailbox_needs := daemon imap mail journal db command io ipc proc settings base
