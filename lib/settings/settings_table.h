/* SPDX-License-Identifier: ISC */
/*
 * Every setting: the one list. No include guard: the enum, defaults, checks, what master sends to
 * whom, `config list` and postern.conf(5) are made from it.
 *
 *   SETTING(id, section, key, type, unit, default, min, max, who, when, help)
 *       type     BOOL, U64, STRING, SECRET (a STRING that no command shows), DOMAIN, PATH, ADDRS (IP
 *                addresses), SERVERS (address@port), HOST (a server as host:port or [address]:port),
 *                CHOICE (one of the words in choice_table.h)
 *       unit     of U64: COUNT, BYTES (K, M, G), SECONDS (s, m, h, d); NONE for the others
 *       min max  of U64; of lists and texts max is the number of entries or bytes
 *       who      the programs that get it (SP_*); nobody else learns it
 *       when     RELOAD: taken over at SIGHUP; RESTART: at the next start of the program
 *
 * A text default of "" means: not set.
 */
/* The formatter would take the hyphens of keys for minus signs. */
/* clang-format off */
SETTING(general_domain, general, domain, DOMAIN, NONE, "", 0, 253,
    SP_MASTER | SP_ACCOUNTS | SP_SMTPD, RESTART,
    "First mail domain; created in the accounts when the instance starts for the first time.")
SETTING(general_hostname, general, hostname, DOMAIN, NONE, "", 0, 253,
    SP_MASTER | SP_SMTPD | SP_SUBMISSION | SP_IMAPD | SP_MAILBOX | SP_QUEUE | SP_AUTH | SP_KEYS | SP_DELIVERY,
    RESTART,
    "Name of this host in greetings, Received fields and certificates.")
SETTING(general_listen, general, listen, ADDRS, NONE, "127.0.0.1", 1, 16,
    SP_MASTER | SP_DELIVERY, RESTART,
    "Addresses on which all services listen.")
SETTING(general_port_base, general, port-base, U64, COUNT, 0, 0, 64000, SP_MASTER, RESTART,
    "Added to every port number, for tests and trials; 0 gives the real ports.")
SETTING(general_daemon_uid_base, general, daemon-uid-base, U64, COUNT, 65600, 1000, 2000000000,
    SP_MASTER, RESTART, "First of the 100 user numbers of the daemons; needs root.")
SETTING(general_mailbox_uid_base, general, mailbox-uid-base, U64, COUNT, 66000, 1000,
    2000000000, SP_MASTER, RESTART,
    "User number of a mailbox is this plus the number of its account; never changed later.")
SETTING(general_mailbox_uid_count, general, mailbox-uid-count, U64, COUNT, 34000, 100, 1000000,
    SP_MASTER | SP_ACCOUNTS, RESTART,
    "How many mailbox user numbers there are, and so how many accounts may ever be made.")
SETTING(general_message_size, general, message-size, U64, BYTES, 52428800, 65536, 1073741824,
    SP_SMTPD | SP_SUBMISSION | SP_QUEUE | SP_IMAPD | SP_MAILBOX, RELOAD,
    "Largest message that is taken.")

SETTING(general_help_url, general, help-url, STRING, NONE, "", 0, 300, SP_SMTPD | SP_SUBMISSION, RELOAD,
    "Where the pages are that explain refusals; each refusal names it with the number of its page behind it. When empty: https://HOSTNAME/help/.")

SETTING(log_debug, log, debug, BOOL, NONE, 0, 0, 1, SP_ALL, RELOAD,
    "Also write lines that only help to find faults.")
SETTING(log_size, log, size, U64, BYTES, 67108864, 1048576, 1099511627776, SP_LOGGER, RELOAD,
    "Space for all log files together; the oldest are removed first.")
SETTING(log_file_size, log, file-size, U64, BYTES, 4194304, 65536, 1073741824, SP_LOGGER, RELOAD,
    "Size at which a new log file is begun.")
SETTING(log_age, log, age, U64, SECONDS, 2592000, 3600, 315360000, SP_LOGGER, RELOAD,
    "Age at which log files are removed.")

SETTING(resolver_server, resolver, server, SERVERS, NONE, "", 0, 8, SP_RESOLVER, RESTART,
    "DNS servers to ask, as address@port; when empty, names are resolved from the root.")
SETTING(resolver_trust_anchor_file, resolver, trust-anchor-file, PATH, NONE,
    "/usr/share/dns/root.key", 0, 1024, SP_MASTER | SP_RESOLVER, RESTART,
    "DNSSEC trust anchors; without the file the built-in keys of the root, with an empty one none.")
SETTING(resolver_cache, resolver, cache, U64, BYTES, 4194304, 262144, 268435456, SP_RESOLVER,
    RESTART, "Memory for DNS answers.")
SETTING(resolver_timeout, resolver, timeout, U64, SECONDS, 5, 1, 120, SP_RESOLVER, RELOAD,
    "Longest time of a DNS question; after it the answer is a temporary failure.")

SETTING(smtpd_xclient_from, smtpd, xclient-from, ADDRS, NONE, "", 0, 16, SP_SMTPD, RELOAD,
    "Clients that may tell another client's address by XCLIENT (proxies, tests). A login they tell goes into the log and gives no right.")
SETTING(smtpd_trusted_clients, smtpd, trusted-clients, ADDRS, NONE, "", 0, 16, SP_SMTPD, RELOAD,
    "Own machines outside of private networks: the name they give with HELO is not looked at. They may send to addresses of this server only, as everybody.")
SETTING(smtpd_helo_check, smtpd, helo-check, BOOL, NONE, 1, 0, 1, SP_SMTPD, RELOAD,
    "Refuse clients that give no full name with HELO or EHLO, a name of this server, or an address that is not theirs. Clients on loopback and in private networks, such as printers, may give any name.")
SETTING(smtpd_format_check, smtpd, format-check, BOOL, NONE, 1, 0, 1, SP_SMTPD, RELOAD,
    "Refuse messages whose header is broken: no From field, a line that is no field, two of what may stand once. From loopback and private networks the first two are let through: printers and scripts.")
SETTING(smtpd_format_8bit, smtpd, format-8bit, BOOL, NONE, 0, 0, 1, SP_SMTPD, RELOAD,
    "Refuse messages with letters beyond ASCII in their header when the sending server did not announce them with SMTPUTF8. Many senders err here.")
SETTING(smtpd_format_nul, smtpd, format-nul, BOOL, NONE, 1, 0, 1, SP_SMTPD, RELOAD,
    "Refuse messages with NUL bytes.")
SETTING(smtpd_max_line, smtpd, max-line, U64, COUNT, 0, 0, 1000000000, SP_SMTPD, RELOAD,
    "Longest line of a message; 0: any length. 998 is the letter of rfc5322:2.1.1, but many programs write longer ones, whose mail would be lost.")
SETTING(smtpd_check_sender_domain, smtpd, check-sender-domain, BOOL, NONE, 1, 0, 1, SP_SMTPD, RELOAD,
    "Refuse senders whose domain does not exist or takes no mail, so that nobody could learn of a failure.")
SETTING(smtpd_more_tlds, smtpd, more-tlds, STRING, NONE, "", 0, 1000, SP_SMTPD, RELOAD,
    "Top-level domains that senders may have beside those of IANA's list: in ASCII (xn--...), separated by spaces.")
SETTING(smtpd_tld_file, smtpd, tld-file, PATH, NONE, "", 0, 1024, SP_SMTPD, RESTART,
    "IANA's list of top-level domains (tlds-alpha-by-domain.txt). When empty, or when the file cannot be used, the list as this version knows it (2023-02-09).")
SETTING(smtpd_blocklists, smtpd, blocklists, STRING, NONE, "zen.spamhaus.org", 0, 1000, SP_SMTPD, RELOAD,
    "Blocklists in the DNS, at most 5, separated by spaces: ZONE or ZONE/ANSWERS/WEIGHT/LINK, where what is left out has a default. ANSWERS are those that count (127.0.0.2,127.0.0.4-7); the WEIGHT (100) of all lists that name a client must come to 100; the client's address is put behind LINK. Clients they name are refused at RCPT, unless the recipient has allowed the sender. Private addresses are not looked up. Lists in trouble are bypassed. zen.spamhaus.org and bl.spamcop.net need nothing but their names.")
SETTING(smtpd_spf, smtpd, spf, BOOL, NONE, 1, 0, 1, SP_SMTPD, RELOAD,
    "Look whether the sender's domain allows the client to send for it (SPF), and tell it in the header.")
SETTING(smtpd_refuse_spf_fail, smtpd, refuse-spf-fail, BOOL, NONE, 1, 0, 1, SP_SMTPD, RELOAD,
    "Refuse messages of clients that the sender's domain forbids (SPF fail).")
SETTING(smtpd_refuse_spf_error, smtpd, refuse-spf-error, BOOL, NONE, 0, 0, 1, SP_SMTPD, RELOAD,
    "Refuse messages of senders whose domain has an SPF policy with a mistake (SPF permerror). Such policies are not rare, and their owners seldom know.")
SETTING(smtpd_dkim, smtpd, dkim, BOOL, NONE, 1, 0, 1, SP_SMTPD, RELOAD,
    "Look whether messages from outside are signed (DKIM), and whether those who passed them on say so (ARC), and tell it in the header.")
SETTING(smtpd_same_message_per_hour, smtpd, same-message-per-hour, U64, COUNT, 200, 0, 1000000, SP_SMTPD, RELOAD,
    "How often one and the same signed message (DKIM) is taken from outside within an hour; further copies get 451: a message that a good domain has signed once may be sent again by anybody. Each process counts for itself. Needs smtpd.dkim. 0: any number.")
SETTING(smtpd_dmarc, smtpd, dmarc, BOOL, NONE, 1, 0, 1, SP_SMTPD, RELOAD,
    "Look whether a message comes from the domain its From field shows, and what the owner of that domain wants done if not (DMARC). Needs smtpd.spf and smtpd.dkim. What he wants quarantined goes into the folder Junk.")
SETTING(smtpd_refuse_dmarc_reject, smtpd, refuse-dmarc-reject, BOOL, NONE, 1, 0, 1, SP_SMTPD,
    RELOAD,
    "Refuse messages that fail DMARC when the owner of the domain wants them rejected; otherwise they go into the folder Junk.")
SETTING(smtpd_require_name, smtpd, require-name, BOOL, NONE, 0, 0, 1, SP_SMTPD, RELOAD,
    "Refuse clients whose address has no name that leads back to it (reverse DNS).")
SETTING(smtpd_refuse_dynamic, smtpd, refuse-dynamic, BOOL, NONE, 0, 0, 1, SP_SMTPD, RELOAD,
    "Refuse clients whose name looks like that of a dial-up line.")
SETTING(smtpd_workers, smtpd, workers, U64, COUNT, 1, 1, 8, SP_MASTER, RESTART,
    "Processes that serve port 25.")
SETTING(smtpd_max_connections, smtpd, max-connections, U64, COUNT, 1000, 1, 20000, SP_SMTPD,
    RELOAD, "Sessions at one time in one process; further clients get 421.")
SETTING(smtpd_max_connections_per_address, smtpd, max-connections-per-address, U64, COUNT,
    100, 1, 20000, SP_SMTPD, RELOAD, "Sessions at one time from one address (IPv6: one /64).")
SETTING(smtpd_max_recipients, smtpd, max-recipients, U64, COUNT, 100, 100, 1000, SP_SMTPD, RELOAD,
    "Recipients of one message; further ones get 452 (rfc5321:4.5.3.1.10).")
SETTING(smtpd_max_errors, smtpd, max-errors, U64, COUNT, 10, 1, 1000, SP_SMTPD, RELOAD,
    "Refused commands after which a session ends with 421.")
SETTING(smtpd_max_commands, smtpd, max-commands, U64, COUNT, 10000, 100, 1000000, SP_SMTPD,
    RELOAD, "Commands in one session.")
SETTING(smtpd_command_timeout, smtpd, command-timeout, U64, SECONDS, 300, 5, 3600, SP_SMTPD,
    RELOAD, "Longest wait for a command (rfc5321:4.5.3.2.7).")
SETTING(smtpd_data_timeout, smtpd, data-timeout, U64, SECONDS, 180, 5, 3600, SP_SMTPD, RELOAD,
    "Longest wait for more of a message (rfc5321:4.5.3.2.5).")
SETTING(smtpd_data_grace, smtpd, data-grace, U64, SECONDS, 60, 1, 3600, SP_SMTPD, RELOAD,
    "How long a message may come at any pace; from then on 500 bytes a second must have come, else the session ends with 421.")
SETTING(smtpd_session_timeout, smtpd, session-timeout, U64, SECONDS, 7200, 60, 86400, SP_SMTPD,
    RELOAD, "Longest time of a session, whatever it does.")

SETTING(smtpd_max_connections_per_network, smtpd, max-connections-per-network, U64, COUNT,
    200, 1, 20000, SP_SMTPD, RELOAD,
    "Sessions at one time from one network (IPv4: a /24, IPv6: a /48); further clients get 421.")
SETTING(smtpd_connections_per_minute, smtpd, connections-per-minute, U64, COUNT, 120, 0, 100000,
    SP_SMTPD, RELOAD,
    "Sessions that one address (IPv6: one /64) may begin within a minute, loopback excepted; further ones get 421. 0: any number.")
SETTING(smtpd_proxy_from, smtpd, proxy-from, ADDRS, NONE, "", 0, 16, SP_SMTPD, RELOAD,
    "Proxies, each of which must begin a connection with a PROXY header (version 1 or 2) that tells the client's address.")
SETTING(smtpd_penalties, smtpd, penalties, BOOL, NONE, 1, 0, 1, SP_SMTPD, RELOAD,
    "Refuse clients for a time that have misbehaved much, and delay the greeting of those that have misbehaved lately.")
SETTING(smtpd_greet_delay, smtpd, greet-delay, U64, SECONDS, 3, 0, 30, SP_SMTPD, RELOAD,
    "How long a client that has misbehaved lately waits for its greeting; what it says meanwhile is said before its turn.")
SETTING(smtpd_early_talkers, smtpd, early-talkers, CHOICE, NONE, "refuse", 0, 0, SP_SMTPD, RELOAD,
    "Clients that send commands ahead of our replies though that is not offered (PIPELINING): take no notice, only log, or refuse with 503.")
SETTING(smtpd_greylist, smtpd, greylist, CHOICE, NONE, "suspicious", 0, 0, SP_SMTPD, RELOAD,
    "Whose mail is refused for a few minutes when it is the first from this sender to this recipient: nobody's, that of suspicious clients, everybody's. Senders whom the recipient has allowed do not wait.")
SETTING(smtpd_foreign_reports, smtpd, foreign-reports, CHOICE, NONE, "mark", 0, 0, SP_SMTPD, RELOAD,
    "Bounces, delivery reports and read receipts that speak of no message of ours: take no notice, mark them in their header, or refuse them (not before the memory of sent messages is 30 days old).")

SETTING(reputation_greylist_delay, reputation, greylist-delay, U64, SECONDS, 300, 1, 86400,
    SP_REPUTATION, RELOAD, "How long greylisted mail has to wait.")
SETTING(reputation_greylist_window, reputation, greylist-window, U64, SECONDS, 172800, 3600, 2592000,
    SP_REPUTATION, RELOAD, "Within this time greylisted mail must have come again, else it is new.")
SETTING(reputation_greylist_lifetime, reputation, greylist-lifetime, U64, SECONDS, 3024000, 86400,
    31536000, SP_REPUTATION, RELOAD,
    "How long mail from this sender to this recipient passes at once after it did last.")
SETTING(reputation_known_good, reputation, known-good, U64, COUNT, 3, 1, 1000, SP_REPUTATION, RELOAD,
    "After so many hours with mail that SPF or DKIM vouch for, or that came again after greylisting, a sender is not greylisted any more.")
SETTING(reputation_penalty_half_life, reputation, penalty-half-life, U64, SECONDS, 600, 1, 86400,
    SP_REPUTATION, RELOAD, "Time in which half of a client's penalty fades.")
SETTING(reputation_sent_messages, reputation, sent-messages, U64, COUNT, 200000, 1000, 2000000,
    SP_REPUTATION, RELOAD,
    "How many Message-IDs of our users' mail are remembered; the oldest go first.")
SETTING(reputation_sent_age, reputation, sent-age, U64, SECONDS, 3888000, 2592000, 31536000,
    SP_REPUTATION, RELOAD, "How long they are remembered.")

SETTING(submission_max_connections, submission, max-connections, U64, COUNT, 1000, 1, 20000,
    SP_SUBMISSION, RELOAD, "Sessions at one time; further clients get 421.")
SETTING(submission_max_connections_per_address, submission, max-connections-per-address, U64,
    COUNT, 100, 1, 20000, SP_SUBMISSION, RELOAD,
    "Sessions at one time from one address (IPv6: one /64).")
SETTING(submission_proxy_from, submission, proxy-from, ADDRS, NONE, "", 0, 16, SP_SUBMISSION, RELOAD,
    "As smtpd.proxy-from, for the ports 465 and 587; on 465 the header comes before TLS.")
SETTING(submission_max_recipients, submission, max-recipients, U64, COUNT, 100, 100, 1000,
    SP_SUBMISSION, RELOAD, "Recipients of one message; further ones get 452.")
SETTING(submission_messages_per_hour, submission, messages-per-hour, U64, COUNT, 500, 0,
    1000000, SP_SUBMISSION, RELOAD,
    "Messages that one account may send within an hour; further ones get 451. 0: any number.")
SETTING(submission_recipients_per_hour, submission, recipients-per-hour, U64, COUNT, 2000, 0,
    10000000, SP_SUBMISSION, RELOAD,
    "Recipients that one account may send to within an hour. 0: any number.")
SETTING(submission_login_timeout, submission, login-timeout, U64, SECONDS, 60, 5, 600,
    SP_SUBMISSION, RELOAD, "Time until a session must have logged in.")
SETTING(submission_max_login_failures, submission, max-login-failures, U64, COUNT, 5, 1, 100,
    SP_SUBMISSION, RELOAD, "Refused logins after which a session ends.")
SETTING(submission_command_timeout, submission, command-timeout, U64, SECONDS, 300, 5, 3600,
    SP_SUBMISSION, RELOAD, "Longest wait for a command.")
SETTING(submission_data_timeout, submission, data-timeout, U64, SECONDS, 180, 5, 3600,
    SP_SUBMISSION, RELOAD, "Longest wait for more of a message.")
SETTING(submission_data_grace, submission, data-grace, U64, SECONDS, 60, 1, 3600, SP_SUBMISSION, RELOAD,
    "How long a message may come at any pace; from then on 500 bytes a second must have come, else the session ends with 421.")
SETTING(submission_session_timeout, submission, session-timeout, U64, SECONDS, 7200, 60, 86400,
    SP_SUBMISSION, RELOAD, "Longest time of a session, whatever it does.")

SETTING(imapd_workers, imapd, workers, U64, COUNT, 1, 1, 8, SP_MASTER, RESTART,
    "Processes that serve ports 143 and 993.")
SETTING(imapd_max_connections, imapd, max-connections, U64, COUNT, 1000, 1, 20000, SP_IMAPD,
    RELOAD, "Connections at one time in one process.")
SETTING(imapd_max_connections_per_address, imapd, max-connections-per-address, U64, COUNT,
    100, 1, 20000, SP_IMAPD, RELOAD, "Connections at one time from one address (IPv6: one /64).")
SETTING(imapd_login_timeout, imapd, login-timeout, U64, SECONDS, 60, 5, 600, SP_IMAPD, RELOAD,
    "Time until a connection must have logged in.")
SETTING(imapd_max_login_failures, imapd, max-login-failures, U64, COUNT, 5, 1, 100, SP_IMAPD,
    RELOAD, "Refused logins after which a connection ends.")
SETTING(imapd_idle_timeout, imapd, idle-timeout, U64, SECONDS, 1860, 60, 86400,
    SP_IMAPD | SP_MAILBOX, RELOAD,
    "Silence after which a logged-in connection ends (rfc9051:5.4 wants at least 30 minutes).")

SETTING(mailbox_idle_exit, mailbox, idle-exit, U64, SECONDS, 60, 1, 86400, SP_MAILBOX | SP_MASTER,
    RELOAD, "Time without sessions and deliveries after which a mailbox process ends.")
SETTING(mailbox_max_sessions, mailbox, max-sessions, U64, COUNT, 50, 1, 2000, SP_MAILBOX, RELOAD,
    "IMAP sessions of one user at one time.")
SETTING(mailbox_compress, mailbox, compress, BOOL, NONE, 0, 0, 1, SP_MAILBOX, RELOAD,
    "Store new messages compressed (zstd), and old ones when their file is written anew. Whatever it says, both are read. Once used, older versions of Postern refuse the mailbox.")
SETTING(mailbox_quota_bytes, mailbox, quota-bytes, U64, BYTES, 0, 0, 1099511627776,
    SP_MAILBOX | SP_ACCOUNTS, RELOAD,
    "Size at which a mailbox is full: its user cannot add messages, mail to it is refused, until something is deleted. Where `postern user quota` says nothing else; 0: no limit.")
SETTING(mailbox_quota_messages, mailbox, quota-messages, U64, COUNT, 0, 0, 100000000,
    SP_MAILBOX | SP_ACCOUNTS, RELOAD, "Number of messages at which a mailbox is full; 0: no limit.")
SETTING(mailbox_quota_grace, mailbox, quota-grace, U64, SECONDS, 432000, 0, 31536000, SP_ACCOUNTS, RELOAD,
    "How long mail from outside to a full mailbox is put off (452), so that it comes when there is room again; after that it is refused for good (552) until there is. 0: always put off.")

SETTING(queue_max_messages, queue, max-messages, U64, COUNT, 100000, 100, 10000000, SP_QUEUE,
    RELOAD, "Messages in the queue; when it is full, new ones get 452.")
SETTING(queue_max_size, queue, max-size, U64, BYTES, 10737418240, 1048576, 1099511627776,
    SP_QUEUE, RELOAD, "Space for the queue.")
SETTING(queue_min_free, queue, min-free, U64, BYTES, 67108864, 0, 1099511627776,
    SP_QUEUE | SP_MAILBOX, RELOAD, "Free disk space below which no message is taken.")
SETTING(queue_max_deliveries, queue, max-deliveries, U64, COUNT, 64, 1, 1000, SP_QUEUE, RELOAD,
    "Mailboxes that are delivered to at one time.")
SETTING(queue_retry_min, queue, retry-min, U64, SECONDS, 1, 1, 3600, SP_QUEUE, RELOAD,
    "First wait after a delivery that failed for now; doubled each time.")
SETTING(queue_retry_max, queue, retry-max, U64, SECONDS, 900, 1, 86400, SP_QUEUE, RELOAD,
    "Longest wait between two tries.")
SETTING(queue_remote_retry_min, queue, remote-retry-min, U64, SECONDS, 300, 1, 86400, SP_QUEUE,
    RELOAD, "First wait after another server did not take a message for now; doubled each time.")
SETTING(queue_remote_retry_max, queue, remote-retry-max, U64, SECONDS, 3600, 1, 86400, SP_QUEUE,
    RELOAD, "Longest wait between two tries with another server; each wait varies by a quarter.")
SETTING(queue_max_jobs, queue, max-jobs, U64, COUNT, 500, 4, 1000, SP_QUEUE, RELOAD,
    "Transactions with other servers at one time; domains that did not answer get at most half.")
SETTING(queue_max_jobs_per_domain, queue, max-jobs-per-domain, U64, COUNT, 20, 1, 1000, SP_QUEUE,
    RELOAD, "Transactions with one domain (or the smarthost) at one time.")
SETTING(queue_warn_after, queue, warn-after, U64, SECONDS, 14400, 0, 31536000, SP_QUEUE, RELOAD,
    "Age at which the sender of a message that waits is told of the delay; 0: never.")
SETTING(queue_expire_after, queue, expire-after, U64, SECONDS, 432000, 1, 31536000, SP_QUEUE,
    RELOAD, "Age at which a message that still waits is returned to its sender.")

SETTING(delivery_port, delivery, port, U64, COUNT, 25, 1, 65535, SP_DELIVERY, RESTART,
    "Port of other domains' mail servers. For tests: the world's servers listen on 25.")
SETTING(delivery_allow_private, delivery, allow-private, BOOL, NONE, 0, 0, 1, SP_DELIVERY, RESTART,
    "Also connect to loopback, private and own addresses. For tests: with it the owner of any domain can choose whom this server talks to.")
SETTING(delivery_connect_timeout, delivery, connect-timeout, U64, SECONDS, 30, 1, 300, SP_DELIVERY,
    RELOAD, "Longest wait for a connection to one address; then the next is tried.")
SETTING(delivery_command_timeout, delivery, command-timeout, U64, SECONDS, 600, 1, 3600,
    SP_DELIVERY, RELOAD,
    "Longest wait for any answer of a server, where rfc5321:4.5.3.2 allows longer. Less than the 10 minutes that a server may take after the final dot makes duplicates.")
SETTING(delivery_idle_time, delivery, idle-time, U64, SECONDS, 5, 0, 300, SP_DELIVERY, RELOAD,
    "How long a connection is kept for the next message to the same destination; 0: not at all.")
SETTING(delivery_max_messages, delivery, max-messages, U64, COUNT, 100, 1, 10000, SP_DELIVERY,
    RELOAD, "Messages over one connection.")
SETTING(delivery_smarthost, delivery, smarthost, HOST, NONE, "", 0, 300,
    SP_DELIVERY | SP_QUEUE, RESTART,
    "Send all mail through this server: HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT. It may have a private address. TLS is mandatory and verified against its name: from the start on port 465, else by STARTTLS. Without PORT: 587.")
SETTING(delivery_smarthost_user, delivery, smarthost-user, STRING, NONE, "", 0, 255, SP_DELIVERY,
    RESTART, "Name for the login at the smarthost (AUTH PLAIN or LOGIN); when empty, none is made.")
SETTING(delivery_smarthost_password, delivery, smarthost-password, SECRET, NONE, "", 0, 255,
    SP_DELIVERY, RESTART, "Password for the login at the smarthost.")
SETTING(delivery_ca_file, delivery, ca-file, PATH, NONE, "/etc/ssl/certs/ca-certificates.crt", 0,
    1024, SP_DELIVERY, RESTART, "Certificates that are trusted when the smarthost's is verified (PEM).")

SETTING(auth_workers, auth, workers, U64, COUNT, 2, 1, 2, SP_MASTER, RESTART,
    "Processes that check passwords; each needs auth.memory while it does.")
SETTING(auth_memory, auth, memory, U64, BYTES, 19922944, 8388608, 67108864, SP_AUTH | SP_ACCOUNTS,
    RELOAD, "Memory that hashing a new password takes (argon2id).")
SETTING(auth_passes, auth, passes, U64, COUNT, 2, 1, 20, SP_AUTH | SP_ACCOUNTS, RELOAD,
    "Passes that hashing a new password takes (argon2id).")
SETTING(auth_queue, auth, queue, U64, COUNT, 64, 1, 1000, SP_AUTH, RELOAD,
    "Logins that may wait for one process; further ones fail for now.")
SETTING(auth_cache_entries, auth, cache-entries, U64, COUNT, 1024, 0, 65536, SP_AUTH, RESTART,
    "Proven logins that are remembered by a keyed hash, so that the next is quick.")
SETTING(auth_cache_age, auth, cache-age, U64, SECONDS, 3600, 0, 86400, SP_AUTH, RELOAD,
    "Time for which a proven login is remembered.")
SETTING(auth_scram_main_password, auth, scram-main-password, BOOL, NONE, 0, 0, 1, SP_ACCOUNTS,
    RELOAD, "Also keep new main passwords in the form SCRAM needs, which is quicker to guess from.")
SETTING(auth_exchange_time, auth, exchange-time, U64, SECONDS, 60, 5, 600, SP_AUTH, RELOAD,
    "Longest time of one exchange.")
/* clang-format on */
