/* SPDX-License-Identifier: ISC */
/*
 * Every message between two rooms of the house: the one list. No include guard: it is included
 * once per thing that is made from it (structs, numbers, names, limits, permit maps, encoders,
 * decoders, tests, the table in docs/architecture.md).
 *
 *   IPC_BEGIN(name, channel, from, states, fd, once, reply)
 *       channel  a row of IPC_CHANNELS
 *       from     CLIENT or SERVER: the only end that may send it
 *       states   bit set of the receiver's session states in which it is permitted (IPC_ANY: all)
 *       fd       FD: exactly one descriptor comes with it; NOFD: none
 *       once     ONCE: at most once per channel; MANY
 *       reply    the message that answers it, or none
 *   IPC_U8/U32/U64(field)   IPC_STR(field, most)   IPC_BYTES(field, most)
 *   IPC_END(name)
 *
 * STR is text without NUL, BYTES anything; both are borrowed from the receive buffer and live
 * until the handler returns. The largest length of a message is computed from its fields.
 */

/* ---- master <-> every daemon: descriptors at start, readiness, stop -------------------------- */
/* The program to be, its settings ("key=value" lines, only those its row in the table names). */
IPC_BEGIN(setup, master, SERVER, IPC_ST_NEW, NOFD, MANY, none)
IPC_U32(instance)
IPC_U32(uid)
IPC_U32(gid)
IPC_U8(root)
IPC_STR(settings, 16384)
IPC_END(setup)
/* Its own directory (or the instance directory's part it may see), opened by master. */
IPC_BEGIN(setup_dir, master, SERVER, IPC_ST_NEW, FD, MANY, none)
IPC_STR(name, 32)
IPC_END(setup_dir)
IPC_BEGIN(setup_listener, master, SERVER, IPC_ST_NEW, FD, MANY, none)
IPC_STR(service, 32)
IPC_END(setup_listener)
/* One end of a channel to a peer; comes again whenever the peer was restarted. */
IPC_BEGIN(setup_peer, master, SERVER, IPC_ANY, FD, MANY, none)
IPC_U8(channel)
IPC_U8(as_server)
IPC_STR(peer, 32)
IPC_U32(peer_instance)
IPC_END(setup_peer)
/* A channel to this peer ended though neither process did: make a new one. */
IPC_BEGIN(peer_lost, master, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_U8(channel)
IPC_STR(peer, 32)
IPC_U32(peer_instance)
IPC_END(peer_lost)
/* End of the list: enter the sandbox, then say ready. */
IPC_BEGIN(setup_done, master, SERVER, IPC_ST_NEW, NOFD, ONCE, ready)
IPC_END(setup_done)
IPC_BEGIN(ready, master, CLIENT, IPC_ANY, NOFD, ONCE, none)
IPC_STR(sandbox, 128)
IPC_END(ready)
IPC_BEGIN(reload, master, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_STR(settings, 16384)
IPC_END(reload)
IPC_BEGIN(stop, master, SERVER, IPC_ANY, NOFD, ONCE, none)
IPC_END(stop)
/* accounts, queue: one end of a channel to that account's mailbox process. purpose: enum
 * ipc_mailbox_purpose; which of the two may ask for what is checked. quota_bytes, quota_messages: from
 * accounts, the account's own limits (0: as the settings say, UINT64_MAX: none). */
IPC_BEGIN(mailbox_open, master, CLIENT, IPC_ANY, NOFD, MANY, mailbox_opened)
IPC_U32(account)
IPC_U8(purpose)
IPC_U64(quota_bytes)
IPC_U64(quota_messages)
IPC_END(mailbox_open)
/* Without descriptor when result is not 0 (enum ipc_result); a failure carries no FD: see
 * mailbox_refused. */
IPC_BEGIN(mailbox_opened, master, SERVER, IPC_ANY, FD, MANY, none)
IPC_END(mailbox_opened)
IPC_BEGIN(mailbox_refused, master, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_END(mailbox_refused)
/* accounts only: the directory of a new account, owned by its uid; or its removal. */
IPC_BEGIN(mailbox_create, master, CLIENT, IPC_ANY, NOFD, MANY, done)
IPC_U32(account)
IPC_END(mailbox_create)
IPC_BEGIN(mailbox_remove, master, CLIENT, IPC_ANY, NOFD, MANY, done)
IPC_U32(account)
IPC_END(mailbox_remove)
/* accounts only: end this account's mailbox process and with it every session (suspend, passwd). */
IPC_BEGIN(mailbox_kick, master, CLIENT, IPC_ANY, NOFD, MANY, done)
IPC_U32(account)
IPC_END(mailbox_kick)
IPC_BEGIN(done, master, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_END(done)
/* To a running mailbox process: one more session (as its IMAP end), delivery or command channel. */
IPC_BEGIN(mailbox_attach, master, SERVER, IPC_ANY, FD, MANY, none)
IPC_U8(purpose)
IPC_END(mailbox_attach)
/* A mailbox process with nothing to do asks to leave; master answers with stop unless a new
 * attach is on its way. */
IPC_BEGIN(mailbox_idle, master, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_U64(attached)
IPC_END(mailbox_idle)
/* From a mailbox process, and to accounts (master adds whose it is): what it holds. Said at its start,
 * when a limit is reached or left, and before it leaves. */
IPC_BEGIN(mailbox_usage, master, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_U64(bytes)
IPC_U64(messages)
IPC_END(mailbox_usage)
IPC_BEGIN(mailbox_holds, master, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U32(account)
IPC_U64(bytes)
IPC_U64(messages)
IPC_END(mailbox_holds)
/* From accounts, and to the mailbox process if it runs: the account's own limits, as in mailbox_open. */
IPC_BEGIN(mailbox_limit, master, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_U32(account)
IPC_U64(quota_bytes)
IPC_U64(quota_messages)
IPC_END(mailbox_limit)
IPC_BEGIN(mailbox_limits, master, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U64(quota_bytes)
IPC_U64(quota_messages)
IPC_END(mailbox_limits)
/* control only: what `postern status` shows of the processes; one row each. */
IPC_BEGIN(status_query, master, CLIENT, IPC_ANY, NOFD, MANY, status_row)
IPC_END(status_query)
IPC_BEGIN(status_row, master, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(last)
IPC_STR(program, 32)
IPC_U32(instance)
IPC_U32(pid)
IPC_STR(state, 16)
IPC_U32(restarts)
IPC_U64(uptime_s)
IPC_STR(sandbox, 128)
IPC_END(status_row)
IPC_BEGIN(reload_request, master, CLIENT, IPC_ANY, NOFD, MANY, done)
IPC_END(reload_request)

/* ---- admin command line <-> control, and control <-> the owner of a command ------------------- */
/* verb: a row of the command table (lib/admin); args: each preceded by its own NUL-free text and
 * ended by NUL. */
IPC_BEGIN(admin_request, admin, CLIENT, IPC_ANY, NOFD, MANY, admin_end)
IPC_U32(verb)
IPC_BYTES(args, 8192)
IPC_BYTES(secret, 1024)
IPC_END(admin_request)
/* One line of output: the row's cells, each ended by NUL, in the order of the table's columns. */
IPC_BEGIN(admin_row, admin, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_BYTES(cells, 60000)
IPC_END(admin_row)
IPC_BEGIN(admin_end, admin, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_STR(message, 1024)
IPC_END(admin_end)

/* ---- keys: signatures for TLS handshakes (synchronous, bounded) ------------------------------- */
IPC_BEGIN(key_list, keys, CLIENT, IPC_ANY, NOFD, MANY, key_info)
IPC_END(key_list)
/* One per key, last = 1 at the end. chain: PEM certificates, leaf first; names: SNI names. */
IPC_BEGIN(key_info, keys, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(last)
IPC_U32(key)
IPC_U8(is_default)
IPC_STR(chain, 32768)
IPC_END(key_info)
/* The certificates changed: ask again. */
IPC_BEGIN(key_changed, keys, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_END(key_changed)
/* digest is the hash the algorithm signs; padding and hash are named by number (keys/keys.h). */
IPC_BEGIN(key_sign, keys, CLIENT, IPC_ANY, NOFD, MANY, key_signature)
IPC_U32(key)
IPC_U8(algorithm)
IPC_BYTES(digest, 64)
IPC_END(key_sign)
IPC_BEGIN(key_signature, keys, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_BYTES(signature, 1024)
IPC_END(key_signature)
/* TLS session tickets: current and previous key of this client's service. */
IPC_BEGIN(ticket_keys, keys, CLIENT, IPC_ANY, NOFD, MANY, ticket_keys_are)
IPC_END(ticket_keys)
IPC_BEGIN(ticket_keys_are, keys, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_BYTES(current, 80)
IPC_BYTES(previous, 80)
IPC_END(ticket_keys_are)

/* ---- resolver --------------------------------------------------------------------------------- */
IPC_BEGIN(dns_query, resolver, CLIENT, IPC_ANY, NOFD, MANY, dns_answer)
IPC_U32(type)
IPC_STR(name, 255)
IPC_END(dns_query)
/* rdata: each record preceded by its length as two bytes, most significant first. exists: the name
 * does, though with IPC_NO it has no record of this type. bogus: with IPC_TEMP, DNSSEC refuses the
 * answers that came. */
IPC_BEGIN(dns_answer, resolver, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_U8(exists)
IPC_U8(secure)
IPC_U8(bogus)
IPC_U32(ttl)
IPC_STR(canonical, 255)
IPC_BYTES(rdata, 65000)
IPC_END(dns_answer)

/* ---- reputation: what is remembered of clients and of our own mail; all of it fails open ------- */
/* domain: that SPF vouches for, or empty. */
IPC_BEGIN(grey_ask, reputation, CLIENT, IPC_ANY, NOFD, MANY, grey_answer)
IPC_STR(client, 64)
IPC_STR(sender, 512)
IPC_STR(recipient, 512)
IPC_STR(domain, 255)
IPC_END(grey_ask)
/* wait: 0, or the seconds after which it will be let in. */
IPC_BEGIN(grey_answer, reputation, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U32(wait)
IPC_END(grey_answer)
/* A message was accepted, for whose sender's domain SPF (spf 1) or DKIM vouches. */
IPC_BEGIN(good_note, reputation, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_STR(client, 64)
IPC_STR(domain, 255)
IPC_U8(spf)
IPC_END(good_note)
/* what: a row of reputation_client/offence_table.h. */
IPC_BEGIN(client_note, reputation, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_STR(client, 64)
IPC_U8(what)
IPC_U32(count)
IPC_END(client_note)
/* key: net_client_key or net_network_key (lib/net). Seconds for which it is refused and watched. Sent
 * when that changes, and for all at the beginning of a channel. */
IPC_BEGIN(client_state, reputation, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U64(key)
IPC_U32(refused)
IPC_U32(watched)
IPC_END(client_state)
/* A message of ours with this Message-ID (without brackets) was accepted. */
IPC_BEGIN(sent_note, reputation, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_STR(message_id, 998)
IPC_END(sent_note)
/* Some could not be noted. */
IPC_BEGIN(sent_gap, reputation, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_END(sent_gap)
/* Is one of these ours? Each is ended by NUL. */
IPC_BEGIN(sent_ask, reputation, CLIENT, IPC_ANY, NOFD, MANY, sent_answer)
IPC_BYTES(ids, 16384)
IPC_END(sent_ask)
/* IPC_OK: yes. since: seconds since 1970 from which on all are remembered. */
IPC_BEGIN(sent_answer, reputation, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_U64(since)
IPC_END(sent_answer)

/* ---- accounts: address look-ups of smtpd ------------------------------------------------------ */
IPC_BEGIN(address_lookup, accounts_lookup, CLIENT, IPC_ANY, NOFD, MANY, address_is)
IPC_STR(address, 512)
IPC_END(address_lookup)
/* accounts: the local accounts it stands for, four bytes each, most significant first. elsewhere:
 * some of it goes to other servers; which, queue asks for itself. IPC_FULL: it is one account's own
 * address, whose mailbox is full; for_good: and has been for longer than mailbox.quota-grace. */
IPC_BEGIN(address_is, accounts_lookup, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_U8(elsewhere)
IPC_U8(for_good)
IPC_BYTES(accounts, 400)
IPC_END(address_is)

/* A blocklist names the client: does this recipient want mail of this sender all the same? IPC_OK or
 * IPC_NO. Nobody keeps the answer, so an entry counts at once. */
IPC_BEGIN(sender_allowed, accounts_lookup, CLIENT, IPC_ANY, NOFD, MANY, sender_allowed_is)
IPC_STR(recipient, 512)
IPC_STR(sender, 512)
IPC_END(sender_allowed)
IPC_BEGIN(sender_allowed_is, accounts_lookup, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_END(sender_allowed_is)

/* What was answered before may be wrong now: ask again. */
IPC_BEGIN(addresses_changed, accounts_lookup, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_END(addresses_changed)

/* ---- accounts: verifiers and the login door, for auth ----------------------------------------- */
IPC_BEGIN(verifier_get, accounts_auth, CLIENT, IPC_ANY, NOFD, MANY, verifier_is)
IPC_STR(login, 512)
IPC_END(verifier_get)
/* generation changes whenever a password or the account's state does. salt is there for every login,
 * also an unknown one; keys: struct scram_keys of each password that has them (lib/scram). */
IPC_BEGIN(verifier_is, accounts_auth, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_U32(account)
IPC_U64(generation)
IPC_STR(verifier, 256)
IPC_BYTES(salt, 16)
IPC_BYTES(keys, 1344)
IPC_END(verifier_is)
/* A proven login asks for its descriptor: of the mailbox, or (submission 1) of a queue door bound
 * to the account. accounts checks state and generation once more. */
IPC_BEGIN(login_open, accounts_auth, CLIENT, IPC_ANY, NOFD, MANY, login_opened)
IPC_U32(account)
IPC_U8(submission)
IPC_U64(generation)
IPC_END(login_open)
/* hidden_capabilities: of IMAP, names with spaces between. */
IPC_BEGIN(login_opened, accounts_auth, SERVER, IPC_ANY, FD, MANY, none)
IPC_STR(hidden_capabilities, 512)
IPC_END(login_opened)
IPC_BEGIN(login_refused, accounts_auth, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_END(login_refused)

/* ---- accounts: what queue believes nobody else; doors of logins ------------------------------- */
IPC_BEGIN(address_expand, accounts_queue, CLIENT, IPC_ANY, NOFD, MANY, address_targets)
IPC_STR(address, 512)
IPC_END(address_expand)
/* result as in address_is. accounts: as there. remote: addresses on other servers, each ended by
 * NUL. list: an alias with more than one target. full: it is one account's own address, whose mailbox is
 * full: new messages to it are refused. For an address that is not ours: IPC_NOT_LOCAL. */
IPC_BEGIN(address_targets, accounts_queue, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_U8(list)
IPC_U8(full)
IPC_BYTES(accounts, 400)
IPC_BYTES(remote, 32768)
IPC_END(address_targets)
/* May this account send as this address? IPC_OK, IPC_DENIED, IPC_INVALID, IPC_TEMP. */
IPC_BEGIN(sender_check, accounts_queue, CLIENT, IPC_ANY, NOFD, MANY, sender_is)
IPC_U32(account)
IPC_STR(address, 512)
IPC_END(sender_check)
IPC_BEGIN(sender_is, accounts_queue, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_END(sender_is)
/* Sent first on each channel: the secret of rewritten reverse-paths (lib/srs). */
IPC_BEGIN(forward_key, accounts_queue, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_BYTES(key, 32)
IPC_END(forward_key)
/* The server end of a queue_accept channel that is bound to this account: a login's door. */
IPC_BEGIN(door_bind, accounts_queue, SERVER, IPC_ANY, FD, MANY, none)
IPC_U32(account)
IPC_STR(login, 512)
IPC_END(door_bind)
/* Close all doors of this account (suspended, removed, new password). */
IPC_BEGIN(door_kick, accounts_queue, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U32(account)
IPC_END(door_kick)
/* Answers about addresses that were kept may be wrong now. */
IPC_BEGIN(targets_changed, accounts_queue, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_END(targets_changed)

/* ---- auth: a SASL exchange; id names the exchange --------------------------------------------- */
IPC_BEGIN(auth_start, auth, CLIENT, IPC_ST_IDLE, NOFD, MANY, auth_challenge)
IPC_STR(service, 16)
IPC_STR(mechanism, 32)
IPC_STR(client_address, 64)
/* Channel bindings of the TLS connection (rfc9266, rfc5929), empty when there are none. */
IPC_BYTES(tls_exporter, 64)
IPC_BYTES(tls_unique, 64)
IPC_BYTES(tls_server_end_point, 64)
IPC_U8(has_initial)
IPC_BYTES(initial, 8192)
IPC_END(auth_start)
IPC_BEGIN(auth_continue, auth, CLIENT, IPC_ST_BUSY, NOFD, MANY, auth_challenge)
IPC_BYTES(response, 8192)
IPC_END(auth_continue)
/* The client went away or cancelled. */
IPC_BEGIN(auth_cancel, auth, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_END(auth_cancel)
IPC_BEGIN(auth_challenge, auth, SERVER, IPC_ST_BUSY, NOFD, MANY, none)
IPC_BYTES(challenge, 8192)
IPC_END(auth_challenge)
IPC_BEGIN(auth_failed, auth, SERVER, IPC_ST_BUSY, NOFD, MANY, none)
IPC_U8(result)
IPC_STR(login, 512)
IPC_END(auth_failed)
/* The answer to a good password: a descriptor. */
IPC_BEGIN(auth_ok, auth, SERVER, IPC_ST_BUSY, FD, MANY, none)
IPC_U32(account)
IPC_STR(login, 512)
IPC_STR(hidden_capabilities, 512)
IPC_END(auth_ok)

/* ---- mailbox: the first message on a login's descriptor; then plain IMAP bytes follow --------- */
IPC_BEGIN(session_handover, mailbox_session, CLIENT, IPC_ST_NEW, NOFD, ONCE, none)
IPC_STR(protocol, 8)
IPC_STR(login, 512)
IPC_STR(tag, 64)
IPC_STR(session, 24)
IPC_STR(client_address, 64)
IPC_STR(tls, 64)
IPC_STR(hidden_capabilities, 512)
IPC_BYTES(unread, 65536)
IPC_END(session_handover)

/* ---- queue: acceptance; id names the transaction ---------------------------------------------- */
IPC_BEGIN(msg_begin, queue_accept, CLIENT, IPC_ST_IDLE, NOFD, MANY, none)
IPC_STR(session, 24)
IPC_STR(client_address, 64)
IPC_STR(reverse_path, 512)
IPC_STR(envid, 256)
IPC_U8(dsn_ret)
IPC_U8(body_8bit)
IPC_U8(smtputf8)
IPC_U64(size_hint)
IPC_END(msg_begin)
/* Sent only to refuse: queue full, over a limit, journal failed. Otherwise nothing comes. */
IPC_BEGIN(msg_refused, queue_accept, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_END(msg_refused)
IPC_BEGIN(msg_recipient, queue_accept, CLIENT, IPC_ST_OPEN, NOFD, MANY, none)
IPC_STR(address, 512)
/* As address_is gave them; on a bound door empty: queue asks accounts itself. */
IPC_U8(elsewhere)
IPC_BYTES(accounts, 400)
IPC_STR(orcpt, 512)
IPC_U8(notify)
IPC_END(msg_recipient)
IPC_BEGIN(msg_content, queue_accept, CLIENT, IPC_ST_OPEN, NOFD, MANY, none)
IPC_BYTES(bytes, 65536)
IPC_END(msg_content)
/* Whether new messages are taken now (IPC_OK or IPC_FULL): sent when that changes, so that a client
 * can refuse before the content comes. IPC_OK is assumed at the start. */
IPC_BEGIN(queue_room, queue_accept, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_END(queue_room)
/* The edit list: what is put before the received bytes. junk: into this folder of mailboxes here, not
 * into INBOX. */
IPC_BEGIN(msg_commit, queue_accept, CLIENT, IPC_ST_OPEN, NOFD, MANY, msg_stored)
IPC_U64(size)
IPC_U8(junk)
IPC_BYTES(prepend, 16384)
IPC_END(msg_commit)
IPC_BEGIN(msg_abort, queue_accept, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_END(msg_abort)
/* Stable storage: only now may the client be told 250. Else IPC_FULL, IPC_TEMP, IPC_DENIED (not the
 * account's reverse-path; not ours, from smtpd), IPC_NO (an unknown recipient), IPC_INVALID,
 * IPC_EXISTS (its forward would lead back to where the message has been). */
IPC_BEGIN(msg_stored, queue_accept, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_STR(queue_id, 24)
IPC_END(msg_stored)

/* Bound doors only. what 0: may the account send as this address (the null reverse-path: always, for
 * notifications of having read a message go out with it, rfc8098:3)? 1: can it be a recipient?
 * IPC_OK, IPC_DENIED, IPC_NO (unknown here), IPC_INVALID, IPC_FULL (its mailbox is full), IPC_TEMP. */
IPC_BEGIN(door_ask, queue_accept, CLIENT, IPC_ANY, NOFD, MANY, door_answer)
IPC_U8(what)
IPC_STR(address, 512)
IPC_END(door_ask)
IPC_BEGIN(door_answer, queue_accept, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_END(door_answer)

/* ---- mailbox: deliveries from queue ----------------------------------------------------------- */
/* number: the queue's own count, never used twice; floor: no delivery below it will come again. */
IPC_BEGIN(deliver_begin, mailbox_deliver, CLIENT, IPC_ST_IDLE, NOFD, MANY, delivered)
IPC_U64(number)
IPC_U64(floor)
IPC_STR(queue_id, 24)
IPC_STR(reverse_path, 512)
IPC_STR(recipient, 512)
IPC_STR(folder, 255)
IPC_U64(arrival_ms)
IPC_U64(size)
IPC_END(deliver_begin)
IPC_BEGIN(deliver_content, mailbox_deliver, CLIENT, IPC_ST_OPEN, NOFD, MANY, none)
IPC_BYTES(bytes, 65536)
IPC_END(deliver_content)
/* End of a batch: sync now. */
IPC_BEGIN(deliver_sync, mailbox_deliver, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_END(deliver_sync)
IPC_BEGIN(delivered, mailbox_deliver, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(result)
IPC_U64(number)
IPC_U32(uid)
IPC_END(delivered)

/* ---- delivery: one transaction with another server; id names the job -------------------------- */
/* domain: where to (normal form, or an address literal); size: of the whole content. */
IPC_BEGIN(job_begin, delivery, CLIENT, IPC_ST_IDLE, NOFD, MANY, job_done)
IPC_STR(domain, 255)
IPC_STR(queue_id, 24)
IPC_STR(reverse_path, 512)
IPC_STR(envid, 256)
IPC_U8(dsn_ret)
IPC_U8(body_8bit)
IPC_U8(smtputf8)
IPC_U64(size)
IPC_U32(recipients)
IPC_END(job_begin)
/* As many of these follow at once as job_begin said; the first is number 0. */
IPC_BEGIN(job_recipient, delivery, CLIENT, IPC_ST_OPEN, NOFD, MANY, none)
IPC_STR(address, 512)
IPC_STR(orcpt, 512)
IPC_U8(notify)
IPC_END(job_recipient)
/* So many bytes more of the content may be sent now, and are expected. What is on its way when
 * job_done comes is passed over. */
IPC_BEGIN(job_want, delivery, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U32(bytes)
IPC_END(job_want)
IPC_BEGIN(job_content, delivery, CLIENT, IPC_ST_BUSY, NOFD, MANY, none)
IPC_BYTES(bytes, 65536)
IPC_END(job_content)
/* No more comes of it (it cannot be read, or was removed): never end it with the final dot. job_done
 * comes all the same; a job whose content was complete already is not stopped. */
IPC_BEGIN(job_cancel, delivery, CLIENT, IPC_ANY, NOFD, MANY, none)
IPC_END(job_cancel)
/* One for each recipient before job_done. result: IPC_OK, IPC_TEMP, IPC_NO (for good). code 0: no
 * server said so. dsn: the server took over the duty of notifications (rfc3461). */
IPC_BEGIN(job_result, delivery, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U32(recipient)
IPC_U8(result)
IPC_U32(code)
IPC_STR(enhanced, 16)
IPC_STR(text, 512)
IPC_STR(remote, 320)
IPC_U8(dsn)
IPC_END(job_result)
/* destination: IPC_OK: a server spoke with us about the message; IPC_TEMP: none could be reached or
 * would, so other messages to this domain need not be tried now. tls: what the connection had. */
IPC_BEGIN(job_done, delivery, SERVER, IPC_ANY, NOFD, MANY, none)
IPC_U8(destination)
IPC_STR(tls, 64)
IPC_END(job_done)
