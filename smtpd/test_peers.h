/* SPDX-License-Identifier: ISC */
/* For tests only: smtpd with fake peers. accounts, queue, resolver and reputation are played by this program,
 * over the real codecs; clients are socket pairs. */
#ifndef POSTERN_SMTPD_TEST_PEERS_H
#define POSTERN_SMTPD_TEST_PEERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "dns/answer.h"
#include "smtpd/session.h"

enum queue_mode { STORE, SAY_FULL, SAY_CIRCLE, REFUSE_EARLY, SILENT };

static struct {
	struct io_loop *loop;
	struct settings *settings;
	struct smtpd *d;
	struct ipc_channel *accounts, *queue, *resolver, *reputation;
	struct io_stream *client;
	struct buf got; /* what the client received, not yet looked at */
	bool client_end, timed_out, stopped;
	struct io_timer *watchdog;

	enum queue_mode mode;
	unsigned begins, recipients, commits, aborts, lookups, questions;
	uint64_t waiting; /* commit that is not answered (SILENT) */
	struct buf content;
	char prepend[4096], from[512], rcpt[512];
	bool junk;          /* of the last commit */
	unsigned elsewhere; /* of the last recipient, with accounts_n */
	size_t accounts_n;
	bool mute_accounts, mute_resolver, mute_reputation;
	char asked_ids[256]; /* what reputation was asked about; "|" for NUL */
	unsigned offences[OFFENCE__MAX];
	char good[400];                /* the last good note */
	uint64_t since;                /* what it says of its memory */
	uint64_t unanswered, question; /* what accounts and resolver were asked last */
	char line[600];                /* last line of the last reply */
	char reply[2048];              /* all of it */
} t;

/* --- fake peers --------------------------------------------------------------------------------- */

static inline unsigned
any_state(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return IPC_ANY;
}

static inline void
on_lookup(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_address_lookup *m, int fd)
{
	static const struct {
		const char *user;
		enum ipc_result result;
	} users[] = { { "alice@", IPC_OK }, { "postmaster", IPC_OK }, { "gone@", IPC_SUSPENDED },
		{ "full@", IPC_FULL }, { "far@", IPC_NOT_LOCAL }, { "trouble@", IPC_TEMP },
		{ "empty@", IPC_OK }, { "away@", IPC_OK }, { "both@", IPC_OK },
		{ "SRS0=", IPC_OK } };
	struct ipc_address_is is = { .result = IPC_NO };

	(void)arg;
	(void)fd;
	t.lookups++;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		if (str_starts_nocase(m->address, str_of(users[i].user)))
			is.result = (uint8_t)users[i].result;
	if (str_starts_nocase(m->address, STR("fulllong@"))) {
		is.result = IPC_FULL;
		is.for_good = 1;
	}
	is.elsewhere = str_starts_nocase(m->address, STR("away@")) ||
		       str_starts_nocase(m->address, STR("both@")) ||
		       str_starts_nocase(m->address, STR("SRS0="));
	if (is.result == IPC_OK && !str_starts_nocase(m->address, STR("empty@")) &&
	    (!is.elsewhere || str_starts_nocase(m->address, STR("both@"))))
		is.accounts = str_from("\0\0\0\1", 4);
	t.unanswered = id;
	if (!t.mute_accounts)
		ipc_send_address_is(ch, id, &is);
	else
		io_loop_stop(t.loop);
}

static inline void
on_begin(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_begin *m, int fd)
{
	(void)arg;
	(void)fd;
	t.begins++;
	t.recipients = 0;
	buf_clear(&t.content);
	snprintf(t.from, sizeof(t.from), "%.*s", STRF(m->reverse_path));
	if (t.mode == REFUSE_EARLY)
		ipc_send_msg_refused(ch, id, &(struct ipc_msg_refused){ .result = IPC_FULL });
}

static inline void
on_recipient(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_recipient *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)fd;
	t.recipients++;
	t.elsewhere = m->elsewhere;
	t.accounts_n = m->accounts.n;
	assert_true(m->accounts.n == 4 || (m->accounts.n == 0 && m->elsewhere));
	snprintf(t.rcpt, sizeof(t.rcpt), "%.*s", STRF(m->address));
}

static inline void
on_content(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_content *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)fd;
	buf_put(&t.content, m->bytes.p, m->bytes.n);
}

static inline void
on_commit(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_commit *m, int fd)
{
	struct ipc_msg_stored stored = { .result = IPC_OK, .queue_id = STR("Q17") };

	(void)arg;
	(void)fd;
	t.commits++;
	assert_int_equal(m->size, buf_len(&t.content));
	t.junk = m->junk != 0;
	snprintf(t.prepend, sizeof(t.prepend), "%.*s", STRF(m->prepend));
	if (t.mode == SAY_FULL)
		stored.result = IPC_FULL;
	if (t.mode == SAY_CIRCLE)
		stored.result = IPC_EXISTS;
	t.waiting = id;
	if (t.mode == SILENT)
		io_loop_stop(t.loop);
	else
		ipc_send_msg_stored(ch, id, &stored);
}

static inline void
on_abort(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_abort *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	t.aborts++;
	io_loop_stop(t.loop);
}

/* Domains of senders. */
static inline void
answer_sender(const struct ipc_dns_query *m, struct ipc_dns_answer *a)
{
	a->exists = !str_eq(m->name, STR("nothing.net"));
	a->result = IPC_NO;
	if (str_eq(m->name, STR("trouble.net"))) {
		a->result = IPC_TEMP;
	} else if (str_eq(m->name, STR("null.net")) && m->type == DNS_MX) {
		a->result = IPC_OK;
		a->rdata = STR("\0\3\0\0\0");
	} else if ((str_eq(m->name, STR("mx.net")) || str_eq(m->name, STR("forbids.net"))) &&
		   m->type == DNS_MX) {
		a->result = IPC_OK;
		a->rdata = STR("\0\6\0\12\2mx\0");
	} else if (str_eq(m->name, STR("address.net")) && m->type == DNS_A) {
		a->result = IPC_OK;
		a->rdata = STR("\0\4\300\0\2\1");
	} else if (str_eq(m->name, STR("vouches.net")) && m->type == DNS_TXT) {
		a->result = IPC_OK;
		a->rdata = STR("\0\14\13v=spf1 +all");
	} else if (str_eq(m->name, STR("forbids.net")) && m->type == DNS_TXT) {
		a->result = IPC_OK;
		a->rdata = STR("\0\14\13v=spf1 -all");
	}
}

/* Domains of authors, and a key that cannot be had. */
static inline void
answer_author(const struct ipc_dns_query *m, struct ipc_dns_answer *a)
{
	a->exists = true;
	a->result = IPC_OK;
	if (str_eq(m->name, STR("_dmarc.reject.net")))
		a->rdata = STR("\0\24\23v=DMARC1; p=reject;");
	else if (str_eq(m->name, STR("_dmarc.doubt.net")))
		a->rdata = STR("\0\30\27v=DMARC1; p=quarantine;");
	else if (m->type == DNS_MX)
		a->rdata = STR("\0\6\0\12\2mx\0");
	else if (str_eq(m->name, STR("key._domainkey.reject.net")))
		*a = (struct ipc_dns_answer){ .result = IPC_TEMP, .bogus = true };
	else if (str_eq(m->name, STR("s._domainkey.signs.net")))
		a->rdata = STR(
		    "\0\103\102v=DKIM1; k=ed25519; p=A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
	else if (str_eq(m->name, STR("_dmarc.away.net")))
		*a = (struct ipc_dns_answer){ .result = IPC_TEMP };
	else
		a->result = IPC_NO;
}

/* 192.0.2.7 is called liar.test and good.test; only the second leads back. */
static inline void
on_query(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_dns_query *m, int fd)
{
	struct ipc_dns_answer a = { .result = IPC_OK };

	(void)arg;
	(void)fd;
	t.questions++;
	t.question = id;
	if (t.mute_resolver)
		return;
	if (str_eq(m->name, STR("7.2.0.192.in-addr.arpa")) && m->type == DNS_PTR)
		a.rdata = STR("\0\13\4liar\4test\0\0\13\4good\4test\0");
	else if (str_eq(m->name, STR("good.test")) && m->type == DNS_A)
		a.rdata = STR("\0\4\300\0\2\1\0\4\300\0\2\7");
	else if (str_eq(m->name, STR("liar.test")))
		a.rdata = STR("\0\4\300\0\2\1");
	else if (str_find_nocase(m->name, STR("reject.net")) >= 0 ||
		 str_find_nocase(m->name, STR("doubt.net")) >= 0 ||
		 str_find_nocase(m->name, STR("_domainkey.signs.net")) >= 0 ||
		 str_find_nocase(m->name, STR("_dmarc.")) == 0)
		answer_author(m, &a);
	else
		answer_sender(m, &a);
	ipc_send_dns_answer(ch, id, &a);
}

/* <ours@here.test> is known, nothing else. */
static inline void
on_sent_ask(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sent_ask *m, int fd)
{
	size_t n = m->ids.n < sizeof(t.asked_ids) - 1 ? m->ids.n : sizeof(t.asked_ids) - 1;

	(void)arg;
	(void)fd;
	for (size_t i = 0; i < n; i++)
		t.asked_ids[i] = m->ids.p[i] != '\0' ? m->ids.p[i] : '|';
	t.asked_ids[n] = '\0';
	if (t.mute_reputation)
		io_loop_stop(t.loop);
	else
		ipc_send_sent_answer(ch, id,
		    &(struct ipc_sent_answer){
			.result = strstr(t.asked_ids, "ours@here.test|") ? IPC_OK : IPC_NO,
			.since = t.since });
}

static inline void
on_client_note(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_client_note *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)fd;
	assert_true(m->what < OFFENCE__MAX);
	t.offences[m->what] += m->count;
}

static inline void
on_good_note(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_good_note *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)fd;
	snprintf(t.good, sizeof(t.good), "%.*s %.*s %u", STRF(m->client), STRF(m->domain), m->spf);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(client_note, on_client_note),
	IPC_ON(good_note, on_good_note),
	IPC_ON(sent_ask, on_sent_ask),
	IPC_ON(address_lookup, on_lookup),
	IPC_ON(msg_begin, on_begin),
	IPC_ON(msg_recipient, on_recipient),
	IPC_ON(msg_content, on_content),
	IPC_ON(msg_commit, on_commit),
	IPC_ON(msg_abort, on_abort),
	IPC_ON(dns_query, on_query),
};
static const struct ipc_ops peer_ops = { .handlers = handlers, .state = any_state };

static inline struct ipc_channel *
connect_peer(enum ipc_channel_kind kind)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	smtpd_peer(t.d, kind, sv[0]);
	return ipc_channel_new(t.loop, sv[1], kind, IPC_SERVER, &peer_ops, NULL);
}

/* --- the client --------------------------------------------------------------------------------- */

/* A whole reply has come. */
static inline bool
reply_complete(void)
{
	struct str s = str_from(buf_data(&t.got), buf_len(&t.got));
	ptrdiff_t lf;

	while ((lf = str_chr(s, '\n')) >= 0) {
		if (lf > 3 && s.p[3] == ' ')
			return true;
		s = str_from(s.p + lf + 1, s.n - (size_t)lf - 1);
	}
	return false;
}

static inline void
on_client_data(void *arg, struct buf *in)
{
	(void)arg;
	buf_put(&t.got, buf_data(in), buf_len(in));
	buf_drain(in, buf_len(in));
	if (reply_complete())
		io_loop_stop(t.loop);
}

static inline void
on_client_end(void *arg, enum io_end why)
{
	(void)arg;
	(void)why;
	t.client_end = true;
	io_loop_stop(t.loop);
}

static const struct io_stream_ops client_ops = {
	.on_data = on_client_data,
	.on_end = on_client_end,
};

static inline void
on_watchdog(void *arg)
{
	(void)arg;
	t.timed_out = true;
	io_loop_stop(t.loop);
}

/* Runs until something stops the loop; false after ms without. */
static inline bool
run(uint64_t ms)
{
	t.timed_out = false;
	io_timer_set(t.watchdog, ms);
	io_loop_run(t.loop);
	io_timer_stop(t.watchdog);
	return !t.timed_out;
}

static inline void
client_connect(void)
{
	static const struct io_stream_limits limits = { .in_max = 1 << 20, .out_max = 16 << 20 };
	struct sockaddr_storage none = { .ss_family = AF_UNIX };
	int sv[2];

	io_stream_free(&t.client);
	buf_clear(&t.got);
	t.client_end = false;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	t.client = io_stream_new(t.loop, sv[1], &client_ops, &limits, NULL);
	smtp_conn_new(&t.d->host, sv[0], (const struct sockaddr *)&none, false);
}

/* The code of the next reply; 0 when the connection ended or nothing came. */
static inline int
reply_code(void)
{
	struct str s;
	int code;
	ptrdiff_t lf;
	size_t n = 0;

	while (!reply_complete())
		if (t.client_end || !run(3000))
			return 0;
	s = str_from(buf_data(&t.got), buf_len(&t.got));
	do {
		lf = str_chr(s, '\n');
		code = atoi(s.p);
		snprintf(t.line, sizeof(t.line), "%.*s", (int)lf, s.p);
		if (n < sizeof(t.reply))
			n += (size_t)snprintf(t.reply + n, sizeof(t.reply) - n, "%s\n", t.line);
		buf_drain(&t.got, (size_t)lf + 1);
		if (s.p[3] == ' ')
			break;
		s = str_from(buf_data(&t.got), buf_len(&t.got));
	} while (true);
	return code;
}

/* Until smtpd has noticed that its clients are gone. */
static inline void
wait_idle(void)
{
	for (int i = 0; i < 100 && t.d->host.count > 0; i++)
		run(5);
	assert_int_equal(t.d->host.count, 0);
}

static inline void
say(const char *text)
{
	assert_int_equal(io_stream_write(t.client, text, strlen(text)), 0);
}

static inline int
ask(const char *text)
{
	say(text);
	return reply_code();
}

static inline void
envelope(void)
{
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(ask("EHLO c.test\r\n"), 250);
	assert_int_equal(ask("MAIL FROM:<bob@b.test>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);
}

static inline struct session *
session(void)
{
	return (struct session *)LIST_FIRST(&t.d->host.conns);
}

/* Up to RCPT, from an address outside; the last is not waited for. */
static inline void
stranger(const char *xclient, const char *from)
{
	char line[200];

	assert_int_equal(ask("RSET\r\n"), 250);
	snprintf(line, sizeof(line), "XCLIENT ADDR=%s\r\n", xclient);
	assert_int_equal(ask(line), 220);
	assert_int_equal(ask("EHLO c.test\r\n"), 250);
	snprintf(line, sizeof(line), "MAIL FROM:<%s>\r\n", from);
	assert_int_equal(ask(line), 250);
	say("RCPT TO:<alice@x>\r\n");
}

/* --- life of a test ----------------------------------------------------------------------------- */

static inline void
set(enum setting which, const char *value)
{
	const char *why;

	assert_int_equal(settings_set(t.settings, which, value, &why), 0);
}

static inline int
setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.loop = io_loop_new();
	t.settings = settings_new();
	set(SET_general_hostname, "mx.test");
	set(SET_smtpd_xclient_from, "127.0.0.1");
	set(SET_smtpd_blocklists, "");
	t.d = smtpd_new(t.loop, t.settings, 0);
	t.watchdog = io_timer_new(t.loop, on_watchdog, NULL);
	buf_init(&t.got, 1 << 20);
	buf_init(&t.content, 16 << 20);
	t.accounts = connect_peer(IPC_CH_accounts_lookup);
	t.queue = connect_peer(IPC_CH_queue_accept);
	t.resolver = connect_peer(IPC_CH_resolver);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	io_stream_free(&t.client);
	smtpd_free(&t.d);
	ipc_channel_free(&t.accounts);
	ipc_channel_free(&t.queue);
	ipc_channel_free(&t.resolver);
	ipc_channel_free(&t.reputation);
	run(20); /* streams that finish by themselves */
	io_timer_free(&t.watchdog);
	io_loop_free(&t.loop);
	settings_free(&t.settings);
	buf_free(&t.got);
	buf_free(&t.content);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
