mailbox_needs := daemon imap textindex pack mail journal db command io ipc proc settings base
