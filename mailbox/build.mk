mailbox_needs := daemon imap mail journal db io ipc proc settings base
