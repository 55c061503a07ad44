/* SPDX-License-Identifier: ISC */
/*
 * The kinds of channels; no include guard. IPC_CHANNEL(name, what it is for).
 * "log" carries datagrams of text instead of the messages of ipc_table.h.
 */
IPC_CHANNEL(master, "start, readiness, stop; opening mailboxes")
IPC_CHANNEL(log, "log lines to the logger")
IPC_CHANNEL(admin, "administration: command line to control, control to the owner of a command")
IPC_CHANNEL(keys, "TLS signatures and session ticket keys")
IPC_CHANNEL(resolver, "DNS questions")
IPC_CHANNEL(accounts_lookup, "is this address ours, and whose is it")
IPC_CHANNEL(accounts_auth, "verifiers and the login door")
IPC_CHANNEL(accounts_queue, "who an address stands for, who may send as whom; doors of logins")
IPC_CHANNEL(auth, "SASL exchanges")
IPC_CHANNEL(mailbox_session, "hand-over of a login, then IMAP")
IPC_CHANNEL(queue_accept, "acceptance of messages")
IPC_CHANNEL(mailbox_deliver, "local delivery")
IPC_CHANNEL(delivery, "transactions with other servers")
IPC_CHANNEL(reputation, "greylist, penalties of clients, Message-IDs of mail that was sent")
