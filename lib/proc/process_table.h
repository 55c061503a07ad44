/* SPDX-License-Identifier: ISC */
/*
 * The rooms of the house; no include guard. Define what you need and include it:
 *
 *   PROCESS(name, uid, dir, stage, what)
 *       uid    offset from the setting uid.daemons; PROC_UID_ROOT, PROC_UID_MAILBOX
 *       dir    its own directory below the instance directory, "" for none
 *       stage  when it is stopped: 0 first (takes from the network) ... 3 last
 *   PEER(channel, server, client)       master connects every instance of both
 *   LISTENER(service, process, port)    port 0: a socket in the file system
 */
#ifndef PROCESS
#define PROCESS(name, uid, dir, stage, what)
#endif
#ifndef PEER
#define PEER(channel, server, client)
#endif
#ifndef LISTENER
#define LISTENER(service, process, port)
#endif

PROCESS(master, PROC_UID_ROOT, "", 4, "starts the others, holds listening sockets")
PROCESS(logger, 0, "log", 3, "writes the log")
PROCESS(keys, 1, "keys", 2, "signs with the private keys")
PROCESS(resolver, 2, "", 2, "asks the DNS")
PROCESS(accounts, 3, "accounts", 2, "knows domains, accounts, addresses, verifiers")
PROCESS(reputation, 11, "reputation", 2, "remembers clients, greylisted mail, what was sent")
PROCESS(auth, 4, "", 2, "proves logins")
PROCESS(queue, 5, "queue", 1, "keeps accepted messages until they are delivered")
PROCESS(control, 6, "", 2, "the admin socket")
PROCESS(smtpd, 7, "", 0, "port 25")
PROCESS(submission, 9, "", 0, "ports 465 and 587: mail of users")
PROCESS(imapd, 8, "", 0, "IMAP before the login, TLS")
PROCESS(delivery, 10, "", 0, "brings messages to other servers")
PROCESS(mailbox, PROC_UID_MAILBOX, "mail", 1, "one user's mail")

PEER(keys, keys, smtpd)
PEER(keys, keys, submission)
PEER(keys, keys, imapd)
PEER(resolver, resolver, smtpd)
PEER(resolver, resolver, delivery)
PEER(reputation, reputation, smtpd)
PEER(reputation, reputation, submission)
PEER(accounts_lookup, accounts, smtpd)
PEER(accounts_auth, accounts, auth)
PEER(accounts_queue, accounts, queue)
PEER(auth, auth, submission)
PEER(auth, auth, imapd)
PEER(queue_accept, queue, smtpd)
PEER(delivery, delivery, queue)
PEER(admin, accounts, control)
PEER(admin, queue, control)
PEER(admin, logger, control)

LISTENER(smtp, smtpd, 25)
LISTENER(submissions, submission, 465)
LISTENER(submission, submission, 587)
LISTENER(imap, imapd, 143)
LISTENER(imaps, imapd, 993)
LISTENER(admin, control, 0)

#undef PROCESS
#undef PEER
#undef LISTENER
