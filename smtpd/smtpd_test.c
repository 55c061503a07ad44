/* SPDX-License-Identifier: ISC */
/* smtpd with fake peers: accounts, queue and resolver are played by this program, over the real
 * codecs; clients are socket pairs. */
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

/* --- fake peers
 * ----------------------------------------------------------------------------------- */

static unsigned
any_state(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return IPC_ANY;
}

static void
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

static void
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

static void
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

static void
on_content(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_content *m, int fd)
{
	(void)arg;
	(void)ch;
	(void)id;
	(void)fd;
	buf_put(&t.content, m->bytes.p, m->bytes.n);
}

static void
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

static void
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

/* 192.0.2.7 is called liar.test and good.test; only the second leads back. */
/* Domains of senders. */
static void
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
static void
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

static void
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
static void
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

static void
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

static void
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

static struct ipc_channel *
connect_peer(enum ipc_channel_kind kind)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	smtpd_peer(t.d, kind, sv[0]);
	return ipc_channel_new(t.loop, sv[1], kind, IPC_SERVER, &peer_ops, NULL);
}

/* --- the client
 * ----------------------------------------------------------------------------------- */

/* A whole reply has come. */
static bool
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

static void
on_client_data(void *arg, struct buf *in)
{
	(void)arg;
	buf_put(&t.got, buf_data(in), buf_len(in));
	buf_drain(in, buf_len(in));
	if (reply_complete())
		io_loop_stop(t.loop);
}

static void
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

static void
on_watchdog(void *arg)
{
	(void)arg;
	t.timed_out = true;
	io_loop_stop(t.loop);
}

/* Runs until something stops the loop; false after ms without. */
static bool
run(uint64_t ms)
{
	t.timed_out = false;
	io_timer_set(t.watchdog, ms);
	io_loop_run(t.loop);
	io_timer_stop(t.watchdog);
	return !t.timed_out;
}

static void
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
static int
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
static void
wait_idle(void)
{
	for (int i = 0; i < 100 && t.d->host.count > 0; i++)
		run(5);
	assert_int_equal(t.d->host.count, 0);
}

static void
say(const char *text)
{
	assert_int_equal(io_stream_write(t.client, text, strlen(text)), 0);
}

static int
ask(const char *text)
{
	say(text);
	return reply_code();
}

static void
envelope(void)
{
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(ask("EHLO c.test\r\n"), 250);
	assert_int_equal(ask("MAIL FROM:<bob@b.test>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);
}

/* --- life of a test
 * ------------------------------------------------------------------------------- */

static void
set(enum setting which, const char *value)
{
	const char *why;

	assert_int_equal(settings_set(t.settings, which, value, &why), 0);
}

static int
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

static int
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

/* --- tests
 * ---------------------------------------------------------------------------------------- */

static void
test_message(void **state)
{
	static const char want[] = "Subject: x\r\n\r\n.dot\r\n";

	(void)state;
	envelope();
	assert_int_equal(ask("RCPT TO:<Postmaster>\r\n"), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
	assert_int_equal(ask("Subject: x\r\n\r\n..dot\r\n.\r\n"), 250);
	assert_int_equal(t.begins, 1);
	assert_int_equal(t.commits, 1);
	assert_int_equal(t.recipients, 2);
	assert_string_equal(t.from, "bob@b.test");
	assert_int_equal(buf_len(&t.content), sizeof(want) - 1);
	assert_memory_equal(buf_data(&t.content), want, sizeof(want) - 1);
	assert_non_null(strstr(t.prepend, "Received: from c.test ([127.0.0.1])"));
	assert_null(strstr(t.prepend, "alice"));
	/* nothing of the first is left for the second */
	assert_int_equal(ask("DATA\r\n"), 503);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
	assert_int_equal(ask(".\r\n"), 250);
	assert_string_equal(t.from, "");
	assert_int_equal(t.recipients, 1);
	assert_non_null(strstr(t.prepend, "<alice@here.test>;"));
	assert_int_equal(ask("QUIT\r\n"), 221);
	assert_int_equal(t.aborts, 0);
	assert_int_equal(t.d->host.count, 0);
}

static void
test_recipient_codes(void **state)
{
	(void)state;
	envelope();
	assert_int_equal(ask("RCPT TO:<nobody@here.test>\r\n"), 550);
	assert_non_null(strstr(t.line, "550 5.1.1 "));
	assert_int_equal(ask("RCPT TO:<gone@here.test>\r\n"), 550);
	assert_non_null(strstr(t.line, "550 5.1.1 "));
	assert_int_equal(ask("RCPT TO:<far@away.test>\r\n"), 550);
	assert_non_null(strstr(t.line, "550 5.7.1 "));
	/* That it is full is not remembered. */
	assert_int_equal(ask("RCPT TO:<full@here.test>\r\n"), 452);
	assert_non_null(strstr(t.line, "452 4.2.2 "));
	assert_int_equal(ask("RCPT TO:<full@here.test>\r\n"), 452);
	assert_int_equal(ask("RCPT TO:<trouble@here.test>\r\n"), 451);
	assert_int_equal(ask("RCPT TO:<empty@here.test>\r\n"), 451);
	assert_int_equal(t.lookups, 8);
}

static void
test_queue_says_no(void **state)
{
	static const struct {
		enum queue_mode mode;
		int want;
	} cases[] = { { SAY_FULL, 452 }, { SAY_CIRCLE, 554 }, { REFUSE_EARLY, 452 },
		{ STORE, 250 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t.mode = cases[i].mode;
		envelope();
		assert_int_equal(ask("DATA\r\n"), 354);
		say("a\r\n");
		run(20);
		assert_int_equal(ask(".\r\n"), cases[i].want);
		assert_int_equal(ask("NOOP\r\n"), 250);
	}
	assert_int_equal(t.aborts, 1); /* of the one that was refused */
}

/* Queue hears what leaves this server, also when the answer of accounts was kept. */
static void
test_elsewhere(void **state)
{
	static const struct {
		const char *rcpt;
		unsigned elsewhere;
		size_t accounts_n;
	} cases[] = {
		{ "RCPT TO:<away@here.test>\r\n", 1, 0 },
		{ "RCPT TO:<both@here.test>\r\n", 1, 4 },
		{ "RCPT TO:<alice@here.test>\r\n", 0, 4 },
	};
	unsigned lookups = 0;

	(void)state;
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(ask("EHLO c.test\r\n"), 250);
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		size_t k = i / 2;

		assert_int_equal(ask("MAIL FROM:<a@away.test>\r\n"), 250);
		assert_int_equal(ask(cases[k].rcpt), 250);
		lookups += i % 2 == 0;
		assert_int_equal(t.lookups, lookups); /* the second comes from the cache */
		assert_int_equal(ask("DATA\r\n"), 354);
		assert_int_equal(ask("a\r\n.\r\n"), 250);
		assert_int_equal(t.recipients, 1);
		assert_int_equal(t.elsewhere, cases[k].elsewhere);
		assert_int_equal(t.accounts_n, cases[k].accounts_n);
	}
}

/* Peers that die cost a 451, not the session; the next one is used at once. */
static void
test_lost_peers(void **state)
{
	(void)state;
	envelope();
	t.mute_accounts = true;
	say("RCPT TO:<other@here.test>\r\n");
	run(1000);
	ipc_channel_free(&t.accounts);
	assert_int_equal(reply_code(), 451);
	/* nor is what was known before: a change would not be heard of */
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 451);
	t.mute_accounts = false;
	t.accounts = connect_peer(IPC_CH_accounts_lookup);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);

	assert_int_equal(ask("DATA\r\n"), 354); /* lost inside content */
	say("a\r\n");
	run(20);
	ipc_channel_free(&t.queue);
	run(20);
	assert_int_equal(ask("b\r\n.\r\n"), 451);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);
	assert_int_equal(ask("DATA\r\n"), 451); /* away */
	t.queue = connect_peer(IPC_CH_queue_accept);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);
	assert_int_equal(ask("DATA\r\n"), 354); /* lost while storing */
	t.mode = SILENT;
	say(".\r\n");
	run(1000);
	ipc_channel_free(&t.queue);
	assert_int_equal(reply_code(), 451);
	t.mode = STORE;
	t.queue = connect_peer(IPC_CH_queue_accept);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@here.test>\r\n"), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
	assert_int_equal(ask(".\r\n"), 250);
}

static void
test_abort(void **state)
{
	(void)state;
	envelope(); /* the client goes away inside content */
	assert_int_equal(ask("DATA\r\n"), 354);
	say("From: a@b.test\r\n\r\na\r\n");
	run(20);
	assert_int_equal(t.begins, 1);
	io_stream_free(&t.client);
	run(1000);
	assert_int_equal(t.aborts, 1);
	assert_int_equal(t.d->host.count, 0);
	envelope(); /* bare LF after some content was handed over */
	assert_int_equal(ask("DATA\r\n"), 354);
	say("From: a@b.test\r\n\r\na\r\n");
	run(20);
	assert_int_equal(ask("b\nc\r\n.\r\n"), 550);
	run(20);
	assert_int_equal(t.aborts, 2);
	assert_int_equal(t.commits, 0);
}

/* Commands at once, then the sending side is shut: every command has its reply. */
static void
test_half_close(void **state)
{
	static const int want[] = { 220, 250, 250, 250, 550, 250, 221 };

	(void)state;
	t.d->host.policy.refuse_early = false;
	client_connect();
	say("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@x>\r\nRCPT TO:<no@x>\r\nRSET\r\nQUIT\r\n");
	run(5);
	shutdown(io_stream_fd(t.client), SHUT_WR);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(reply_code(), want[i]);
	assert_int_equal(reply_code(), 0);
}

/* Content in the packet of the commands is refused; content and end together are the rule. */
static void
test_stuffing(void **state)
{
	(void)state;
	t.d->host.policy.refuse_early = false;
	client_connect();
	assert_int_equal(reply_code(), 220);
	say("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<alice@x>\r\nDATA\r\na\r\n.\r\n");
	for (int i = 0; i < 3; i++)
		assert_int_equal(reply_code(), 250);
	assert_int_equal(reply_code(), 554);
	wait_idle();
	assert_int_equal(t.begins, 0);
}

static void
test_limits(void **state)
{
	struct io_stream *first;

	(void)state;
	t.d->host.max_connections = 1;
	client_connect();
	assert_int_equal(reply_code(), 220);
	first = t.client;
	t.client = NULL;
	client_connect();
	assert_int_equal(reply_code(), 421);
	assert_int_equal(t.d->host.count, 1);
	t.d->host.max_connections = 10;
	t.d->host.max_per_address = 1;
	client_connect();
	assert_int_equal(reply_code(), 421);
	io_stream_free(&first);
	wait_idle();
	client_connect();
	assert_int_equal(reply_code(), 220);
	io_stream_free(&t.client);
	wait_idle();
	assert_int_equal(map_count(t.d->host.per_address), 0);
}

static void
test_timeouts(void **state)
{
	(void)state;
	t.d->host.command_ms = 30;
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(reply_code(), 421);
	t.d->host.command_ms = 1000;
	t.d->host.data_ms = 30;
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	say("a");
	assert_int_equal(reply_code(), 421);
	t.d->host.data_ms = 1000; /* one byte now and then is not enough */
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	LIST_FIRST(&t.d->host.conns)->data_started_ms -= t.d->host.grace_ms + 2000;
	say("a");
	assert_int_equal(reply_code(), 421);
	assert_non_null(strstr(t.reply, "langsam"));
	t.d->host.command_ms = 100000;
	t.d->host.session_ms = 50;
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(reply_code(), 421);
	assert_int_equal(t.d->host.count, 0);
}

static struct session *
session(void)
{
	return (struct session *)LIST_FIRST(&t.d->host.conns);
}

/* Up to RCPT, from an address outside; the last is not waited for. */
static void
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

static void
test_reverse_name(void **state)
{
	(void)state;
	set(SET_smtpd_greylist, "off"); /* which would wait for the name at RCPT */
	client_connect();
	assert_int_equal(reply_code(), 220);
	stranger("192.0.2.7", "");
	assert_int_equal(reply_code(), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
	assert_int_equal(ask("From: a@b.test\r\n\r\n.\r\n"), 250);
	assert_non_null(strstr(t.prepend, "(good.test [192.0.2.7])"));
	assert_non_null(strstr(t.prepend, "iprev=pass"));
	assert_non_null(strstr(t.prepend, "spf=none"));

	set(SET_smtpd_dmarc, "no"); /* which would wait at the end of the message, too */
	t.mute_resolver = true;     /* answers that never come do not hold the recipient for ever */
	stranger("IPV6:2001:db8::7", "");
	assert_false(run(40)); /* waits */
	session()->lookups.waited_ms = LOOKUPS_WAIT_MS - 20;
	io_timer_set(session()->lookups.timer, 20);
	assert_int_equal(reply_code(), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
	assert_int_equal(ask("From: a@b.test\r\n\r\n.\r\n"), 250);
	assert_non_null(strstr(t.prepend, "([IPv6:2001:db8::7])"));
	assert_non_null(strstr(t.prepend, "iprev=temperror"));

	stranger("IPV6:2001:db8::8", ""); /* resolver ends meanwhile */
	assert_false(run(40));
	ipc_channel_free(&t.resolver);
	assert_int_equal(reply_code(), 250);
	assert_int_equal(ask("RSET\r\n"), 250);
	assert_int_equal(ask("XCLIENT ADDR=192.0.2.7 NAME=given.test\r\n"), 220);
	assert_string_equal(session()->client.name, "given.test");
	assert_int_equal(map_count(t.d->questions), 0);
}

static int
verdict(const char *from)
{
	stranger("192.0.2.7", from);
	return reply_code();
}

static void
test_sender_domain(void **state)
{
	(void)state;
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(verdict("a@mx.net"), 250);
	assert_int_equal(verdict("a@address.net"), 250);
	assert_int_equal(verdict("a@nothing.net"), 550);
	assert_non_null(strstr(t.reply, "5.1.8"));
	assert_non_null(strstr(t.reply, "nothing.net"));
	assert_int_equal(verdict("a@null.net"), 550);
	assert_non_null(strstr(t.reply, "5.7.27"));
	assert_int_equal(verdict("a@trouble.net"), 451);
	assert_int_equal(verdict("a@printer.local"), 550);
	assert_int_equal(verdict("a@[192.0.2.7]"), 550);
	set(SET_smtpd_check_sender_domain, "no");
	assert_int_equal(verdict("a@printer.local"), 250);
	set(SET_smtpd_check_sender_domain, "yes");
	assert_int_equal(verdict("a@forbids.net"), 550);
	assert_non_null(strstr(t.reply, "5.7.23"));
	/* that a mailbox is full is of no use to who will never be let in */
	assert_int_equal(ask("RCPT TO:<full@x>\r\n"), 550);
	assert_non_null(strstr(t.reply, "5.7.23"));
	assert_int_equal(verdict("a@mx.net"), 250);
	assert_int_equal(ask("RCPT TO:<full@x>\r\n"), 452);
	set(SET_smtpd_refuse_spf_fail, "no");
	assert_int_equal(verdict("a@forbids.net"), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
	assert_int_equal(ask("From: a@b.test\r\n\r\n.\r\n"), 250);
	assert_non_null(strstr(t.prepend, "spf=fail"));
	set(SET_smtpd_refuse_spf_fail, "yes");
	stranger("192.0.2.7", "");
	assert_int_equal(reply_code(), 250);
	assert_int_equal(ask("RCPT TO:<alice@y>\r\n"), 550);
	assert_non_null(strstr(t.reply, "5.5.3"));
}

static void
test_client_name_required(void **state)
{
	(void)state;
	set(SET_smtpd_require_name, "yes");
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(verdict("a@mx.net"), 250);
	stranger("192.0.2.8", "a@mx.net");
	assert_int_equal(reply_code(), 550);
	assert_non_null(strstr(t.reply, "5.7.25"));
	assert_int_equal(
	    ask("RCPT TO:<postmaster>\r\n"), 250); /* who must be reached with questions */
	stranger("10.1.2.3", "a@mx.net");
	assert_int_equal(reply_code(), 250);
	set(SET_smtpd_require_name, "no");
}

/* The reply to a message from outside, with this From. */
static int
from_author(const char *from, const char *field)
{
	char text[400];

	stranger("192.0.2.7", "a@mx.net");
	assert_int_equal(reply_code(), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
	snprintf(text, sizeof(text), "%sFrom: %s\r\n\r\nbody\r\n.\r\n", field, from);
	return ask(text);
}

#define SIGNED \
	"DKIM-Signature: v=1; a=ed25519-sha256; d=reject.net; s=key; h=from;\r\n" \
	" bh=ZWFzdGVyZWdnIGVhc3RlcmVnZyBlYXN0ZXJlZ2cuLi4=; b=AAAA\r\n"

static void
test_author(void **state)
{
	unsigned commits;

	(void)state;
	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(from_author("a@mx.net", ""), 250);
	assert_non_null(strstr(t.prepend, "dmarc=none"));
	assert_non_null(strstr(t.prepend, "dkim=none"));
	assert_non_null(strstr(t.prepend, "arc=none"));
	assert_false(t.junk);
	assert_int_equal(from_author("a@sub.doubt.net", ""), 250);
	assert_non_null(strstr(t.prepend, "dmarc=fail"));
	assert_true(t.junk);
	commits = t.commits;
	assert_int_equal(from_author("a@reject.net", ""), 550);
	assert_non_null(strstr(t.reply, "5.7.26"));
	assert_non_null(strstr(t.reply, "reject.net"));
	assert_int_equal(t.commits, commits);
	/* a key that DNSSEC refuses is no reason to refuse for good; nor to let it pass */
	assert_int_equal(from_author("a@reject.net", SIGNED), 550);
	assert_int_equal(from_author("a@away.net", ""), 250);
	assert_non_null(strstr(t.prepend, "dmarc=temperror"));
	assert_false(t.junk);
	set(SET_smtpd_refuse_dmarc_reject, "no");
	assert_int_equal(from_author("a@reject.net", ""), 250);
	assert_true(t.junk);
	set(SET_smtpd_spf, "no"); /* then DMARC cannot be judged */
	assert_int_equal(from_author("a@reject.net", ""), 250);
	assert_null(strstr(t.prepend, "dmarc="));
	assert_false(t.junk);
	set(SET_smtpd_dkim, "no");
	assert_int_equal(from_author("a@reject.net", ""), 250);
	assert_null(strstr(t.prepend, "dkim="));
}

/* What is refused to others goes into Junk for postmaster, in a transaction of his own. */
static void
test_classes(void **state)
{
	(void)state;
	client_connect();
	assert_int_equal(reply_code(), 220);
	stranger("192.0.2.7", "a@mx.net");
	assert_int_equal(reply_code(), 250);
	assert_int_equal(ask("RCPT TO:<postmaster>\r\n"), 452);
	assert_non_null(strstr(t.reply, "4.5.3"));
	assert_int_equal(ask("RCPT TO:<alice@y>\r\n"), 250);
	assert_int_equal(ask("RSET\r\n"), 250);
	assert_int_equal(ask("MAIL FROM:<a@mx.net>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<postmaster>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@y>\r\n"), 452);
	assert_int_equal(ask("DATA\r\n"), 354);
	assert_int_equal(ask("From: a@reject.net\r\n\r\nbody\r\n.\r\n"), 250);
	assert_true(t.junk);
	assert_int_equal(ask("RSET\r\n"), 250);
	assert_int_equal(ask("XCLIENT ADDR=10.1.2.3\r\n"), 220); /* own programs write to both */
	assert_int_equal(ask("EHLO c.test\r\n"), 250);
	assert_int_equal(ask("MAIL FROM:<a@mx.net>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<postmaster>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<alice@y>\r\n"), 250);
}

/* At the end of a message its answers are waited for, and only for a time. */
static void
test_waits_at_the_end(void **state)
{
	(void)state;
	client_connect();
	assert_int_equal(reply_code(), 220);
	for (int i = 0; i < 3; i++) {
		stranger("192.0.2.7", "a@mx.net");
		assert_int_equal(reply_code(), 250);
		assert_int_equal(ask("DATA\r\n"), 354);
		t.mute_resolver = true;
		say("From: a@reject.net\r\n\r\nbody\r\n.\r\n");
		for (int k = 0; k < 500 && session()->waits != WAITS_END; k++)
			run(10);
		assert_int_equal(session()->waits, WAITS_END);
		t.mute_resolver = false;
		if (i == 0) {
			io_timer_set(session()->lookups.timer, 20);
			assert_int_equal(reply_code(), 250);
			assert_non_null(strstr(t.prepend, "dmarc=temperror"));
		} else if (i == 1) {
			ipc_send_dns_answer(t.resolver, t.question, /* _dmarc.net */
			    &(struct ipc_dns_answer){ .result = IPC_NO });
			ipc_send_dns_answer(t.resolver, t.question - 1,
			    &(struct ipc_dns_answer){
				.result = IPC_OK, .rdata = STR("\0\24\23v=DMARC1; p=reject;") });
			assert_int_equal(reply_code(), 550);
		} else { /* the client leaves meanwhile */
			io_stream_free(&t.client);
			for (unsigned k = 0; k < 2; k++)
				ipc_send_dns_answer(t.resolver, t.question - k,
				    &(struct ipc_dns_answer){ .result = IPC_NO });
			wait_idle();
		}
	}
	assert_int_equal(map_count(t.d->questions), 0);
}

/* The message as queue got it, sent in pieces of n bytes. */
static void
send_pieces(const char *message, size_t n)
{
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	for (size_t at = 0, len = strlen(message); at < len; at += n) {
		char piece[200];

		snprintf(piece, sizeof(piece), "%.*s", (int)n, message + at);
		say(piece);
		run(1);
	}
	assert_int_equal(ask(".\r\n"), 250);
}

static void
test_results_of_others(void **state)
{
	static const char claims[] =
	    "From: b@b.test\r\nAuthentication-Results: mx.test;\r\n spf=pass\r\n"
	    "X-Postern-Report: foreign\r\n"
	    "Authentication-Results: other.test; spf=pass\r\n\r\nbody\r\n\r\n";
	static const char kept[] =
	    "From: b@b.test\r\nAuthentication-Results: other.test; spf=pass\r\n\r\nbody\r\n\r\n";

	(void)state;
	for (size_t n = 1; n < 100; n += 7) {
		send_pieces(claims, n);
		assert_int_equal(buf_len(&t.content), sizeof(kept) - 1);
		assert_memory_equal(buf_data(&t.content), kept, sizeof(kept) - 1);
		io_stream_free(&t.client);
		wait_idle();
	}
	send_pieces("From: b@b.test\r\nAuthentication-Results: mx.test; none\r\n", 100);
	assert_int_equal(buf_len(&t.content), 16); /* no empty line, no body */
}

static void
test_header_without_end(void **state)
{
	char line[1000];

	(void)state;
	memset(line, 'a', sizeof(line) - 1);
	memcpy(line, "X: ", 3);
	snprintf(line + 900, 100, "\r\n");
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	for (size_t i = 0; i < SESSION_HEADER_MAX / 902 + 10; i++) {
		say(line);
		run(1);
	}
	assert_int_equal(ask(".\r\n"), 550);
	assert_non_null(strstr(t.reply, "5.6.0"));
}

static void
on_stopped(void *arg)
{
	(void)arg;
	t.stopped = true;
}

static void
test_stop(void **state)
{
	struct io_stream *storing;

	(void)state;
	t.mode = SILENT;
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	say("a\r\n.\r\n");
	run(1000);
	storing = t.client;
	t.client = NULL;
	client_connect();
	assert_int_equal(reply_code(), 220);
	smtp_host_stop(&t.d->host, on_stopped, NULL);
	assert_int_equal(reply_code(), 421);
	assert_false(t.stopped);
	io_stream_free(&t.client);
	t.client = storing;
	buf_clear(&t.got);
	ipc_send_msg_stored(t.queue, t.waiting,
	    &(struct ipc_msg_stored){ .result = IPC_OK, .queue_id = STR("Q1") });
	assert_int_equal(reply_code(), 250);
	assert_true(t.stopped);
	client_connect();
	assert_int_equal(reply_code(), 421);
}

/* Queue does not read: content waits at the client, not in our memory. */
static void
test_back_pressure(void **state)
{
	static char line[1 << 16];
	int sv[2];

	(void)state;
	set(SET_smtpd_max_line, "0");
	ipc_channel_free(&t.queue);
	run(20);
	assert_int_equal(ipc_pair(sv), 0);
	smtpd_peer(t.d, IPC_CH_queue_accept, sv[0]);
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	say("\r\n"); /* no header */
	memset(line, 'x', sizeof(line));
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	for (int i = 0; i < 64; i++)
		assert_int_equal(io_stream_write(t.client, line, sizeof(line)), 0);
	say(".\r\n");
	assert_false(run(200));
	assert_in_range(
	    ipc_channel_pending(t.d->queue.ch), 1, IPC_OUT_LOW + SMTP_HOST_IN_MAX + 1024);
	assert_true(LIST_FIRST(&t.d->host.conns)->throttled);
	close(sv[1]);
	assert_int_equal(reply_code(), 451);
	assert_int_equal(ask("NOOP\r\n"), 250);
}

/* Input that filled the buffer while an answer was outstanding is read on afterwards. */
static void
test_input_behind_a_question(void **state)
{
	static char noop[501];
	enum { COUNT = 90 };

	(void)state;
	t.d->host.policy.refuse_early = false;
	envelope();
	t.mute_accounts = true;
	say("RCPT TO:<alice@here.test>\r\n");
	memset(noop, 'x', sizeof(noop) - 1);
	memcpy(noop, "NOOP ", 5);
	memcpy(noop + 498, "\r\n", 2);
	for (int i = 0; i < COUNT; i++)
		say(noop);
	run(50);
	run(50);
	ipc_send_address_is(t.accounts, t.unanswered,
	    &(struct ipc_address_is){ .result = IPC_OK, .accounts = str_from("\0\0\0\1", 4) });
	for (int i = 0; i <= COUNT; i++)
		assert_int_equal(reply_code(), 250);
}

static void
test_large(void **state)
{
	static char line[80];

	(void)state;
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	say("\r\n"); /* no header */
	memset(line, 'y', sizeof(line));
	memcpy(line, "..", 2);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	for (int i = 0; i < 20000; i++)
		say(line);
	assert_int_equal(ask(".\r\n"), 250);
	assert_int_equal(buf_len(&t.content), 2 + 20000 * 78);
	assert_int_equal(t.commits, 1);
}

/* What is sent ahead is refused; strangers wait at RCPT for their name, not for long, and are let in when
 * reputation is not there to be asked. */
static void
test_strangers(void **state)
{
	(void)state;
	set(SET_smtpd_spf, "no"); /* so that there is one question at a time */
	client_connect();
	assert_int_equal(reply_code(), 220);
	say("EHLO c\r\nMAIL FROM:<>\r\n");
	assert_int_equal(reply_code(), 503);
	assert_int_equal(reply_code(), 0);
	wait_idle();
	client_connect();
	assert_int_equal(reply_code(), 220);
	t.mute_resolver = true;
	assert_int_equal(ask("XCLIENT ADDR=192.0.2.7\r\n"), 220);
	assert_int_equal(ask("EHLO c.test\r\n"), 250);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	say("RCPT TO:<alice@x>\r\n");
	assert_false(run(40)); /* waits */
	ipc_send_dns_answer(t.resolver, t.question, &(struct ipc_dns_answer){ .result = IPC_NO });
	assert_int_equal(reply_code(), 250);
	/* a client that leaves while it waits */
	assert_int_equal(ask("XCLIENT ADDR=192.0.2.8\r\n"), 503);
	assert_int_equal(ask("RSET\r\n"), 250);
	assert_int_equal(ask("XCLIENT ADDR=192.0.2.8\r\n"), 220);
	assert_int_equal(ask("EHLO c.test\r\n"), 250);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	say("RCPT TO:<alice@x>\r\n");
	assert_false(run(40));
	io_stream_free(&t.client);
	ipc_send_dns_answer(t.resolver, t.question, &(struct ipc_dns_answer){ .result = IPC_NO });
	wait_idle();
	assert_int_equal(map_count(t.d->questions), 0);
}

/* --- reports --- */

#define MONTH_OLD ((uint64_t)time(NULL) - 30 * 86400 - 5)
#define IS_MARKED (strstr(t.prepend, "X-Postern-Report: foreign") != NULL)

static void
begin_report(const char *from, const char *to)
{
	char line[200];

	client_connect();
	assert_int_equal(reply_code(), 220);
	assert_int_equal(ask("XCLIENT ADDR=192.0.2.7\r\n"), 220);
	assert_int_equal(ask("EHLO c.test\r\n"), 250);
	snprintf(line, sizeof(line), "MAIL FROM:<%s>\r\n", from);
	assert_int_equal(ask(line), 250);
	snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", to);
	assert_int_equal(ask(line), 250);
	assert_int_equal(ask("DATA\r\n"), 354);
}

/* The code for a message from outside that was accepted at RCPT. */
static int
report(const char *from, const char *to, const char *content)
{
	begin_report(from, to);
	say(content);
	return ask(".\r\n");
}

static void
reports_setup(const char *mode)
{
	set(SET_smtpd_spf, "no");
	set(SET_smtpd_greylist, "off");
	set(SET_smtpd_check_sender_domain, "no");
	set(SET_smtpd_foreign_reports, mode);
	if (t.reputation == NULL)
		t.reputation = connect_peer(IPC_CH_reputation);
}

static void
test_reports_are_marked(void **state)
{
	(void)state;
	reports_setup("mark");
	t.since = 1;
	assert_int_equal(
	    report("", "alice@x", "From: a@b\r\nMessage-ID: <ours@here.test>\r\n\r\n"), 250);
	assert_string_equal(t.asked_ids, "");
	assert_true(IS_MARKED);
	assert_int_equal(
	    report("", "alice@x", "From: a@b\r\n\r\n> Message-ID: <ours@Here.Test>\r\n"), 250);
	assert_string_equal(t.asked_ids, "ours@here.test|");
	assert_false(IS_MARKED);
	assert_int_equal(
	    report("a@b.test", "alice@x", "From: a@b\r\nIn-Reply-To: <not@here.test>\r\n\r\n"),
	    250);
	assert_false(IS_MARKED);
	assert_int_equal(report("a@b.test", "alice@x",
			     "From: a@b\r\nContent-Type: multipart/report;\r\n"
			     " report-type=delivery-status\r\nReferences: <not@here.test>\r\n\r\n"),
	    250);
	assert_true(IS_MARKED);
	assert_string_equal(t.asked_ids, "not@here.test|");
	/* of mail that was forwarded by us */
	assert_int_equal(report("", "away@x", "From: a@b\r\n\r\n"), 250);
	assert_true(IS_MARKED);
	reports_setup("off");
	assert_int_equal(report("", "alice@x", "From: a@b\r\n\r\n"), 250);
	assert_false(IS_MARKED);
	assert_int_equal(t.commits, 6);
}

/* Only with a memory of 30 days, not for postmaster, and not for a message that was forwarded. */
static void
test_reports_are_refused(void **state)
{
	static const char foreign[] = "From: a@b\r\nIn-Reply-To: <not@here.test>\r\n\r\nx\r\n";

	(void)state;
	reports_setup("refuse");
	t.since = MONTH_OLD;
	assert_int_equal(report("", "alice@x", foreign), 550);
	assert_non_null(strstr(t.reply, "P514"));
	assert_int_equal(t.commits, 0);
	/* the session goes on */
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	assert_int_equal(
	    report("", "alice@x", "From: a@b\r\nReferences: <ours@here.test>\r\n\r\n"), 250);
	assert_false(IS_MARKED);
	assert_int_equal(report("", "Postmaster", foreign), 250);
	assert_true(IS_MARKED);
	assert_int_equal(report("", "SRS0=a=b=c=d@x", foreign), 250);
	assert_false(IS_MARKED);
	t.since = MONTH_OLD + 3600;
	assert_int_equal(report("", "alice@x", foreign), 250);
	assert_true(IS_MARKED);
	/* a clock that went back */
	t.since = (uint64_t)time(NULL) + 1000;
	assert_int_equal(report("", "alice@x", foreign), 250);
	assert_true(IS_MARKED);
	assert_int_equal(t.commits, 5);
}

/* reputation is away or goes while it is asked: nobody is refused, nothing is marked. */
static void
test_reports_without_reputation(void **state)
{
	static const char foreign[] = "From: a@b\r\n\r\nx\r\n";

	(void)state;
	reports_setup("refuse");
	ipc_channel_free(&t.reputation);
	assert_int_equal(report("", "alice@x", foreign), 250);
	assert_false(IS_MARKED);
	reports_setup("refuse");
	t.since = MONTH_OLD;
	t.mute_reputation = true;
	begin_report("", "alice@x");
	say(foreign);
	say(".\r\n");
	assert_true(run(3000)); /* it was asked */
	ipc_channel_free(&t.reputation);
	assert_int_equal(reply_code(), 250);
	assert_false(IS_MARKED);
	/* a client that leaves while it waits */
	reports_setup("refuse");
	begin_report("", "alice@x");
	say(foreign);
	say(".\r\n");
	assert_true(run(3000));
	io_stream_free(&t.client);
	ipc_channel_free(&t.reputation);
	wait_idle();
	assert_int_equal(t.commits, 3);
}

/* Made with the key whose seed is the octets 0 to 31, by dkimpy. */
#define SIGNED_WELL \
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/simple; d=signs.net;\r\n" \
	" i=@signs.net; q=dns/txt; s=s; t=1795914297; h=from;\r\n" \
	" bh=Ck5SoRNWUpSR4X0COv7R5ub2pUTtl6xz4dTFz++ji4M=;\r\n" \
	" b=/nO400T0/DMi2JSui/SwAjKz7ghxu/CRIccvCFwLtmH8RXJErgGbmxkdFbfEe/AJkGWY0\r\n" \
	" F/fhAhQSRXK38sxBQ==\r\n" \
	"From: a@signs.net\r\n\r\n"

/* Without SPF a signature vouches for its domain and those below it, and for no other. */
static void
test_signatures_vouch(void **state)
{
	(void)state;
	reports_setup("mark");
	assert_int_equal(report("a@signs.net", "alice@x", SIGNED_WELL "body\r\n"), 250);
	assert_non_null(strstr(t.prepend, "dkim=pass"));
	assert_string_equal(t.good, "192.0.2.7 signs.net 0");
	t.good[0] = '\0';
	assert_int_equal(report("a@bounces.signs.net", "alice@x", SIGNED_WELL "body\r\n"), 250);
	assert_string_equal(t.good, "192.0.2.7 bounces.signs.net 0");
	t.good[0] = '\0';
	assert_int_equal(report("a@designs.net", "alice@x", SIGNED_WELL "body\r\n"), 250);
	assert_int_equal(report("", "alice@x", SIGNED_WELL "body\r\n"), 250);
	assert_int_equal(report("a@signs.net", "alice@x", SIGNED_WELL "changed\r\n"), 250);
	assert_non_null(strstr(t.prepend, "dkim=fail"));
	ask("QUIT\r\n");
	wait_idle();
	assert_string_equal(t.good, "");
}

/* reputation learns what a client did: good mail with the domain that SPF vouches for, and bad mail. */
static void
test_notes_about_clients(void **state)
{
	(void)state;
	reports_setup("mark");
	set(SET_smtpd_spf, "yes");
	assert_int_equal(report("a@vouches.net", "alice@x", "From: a@b\r\n\r\n"), 250);
	assert_string_equal(t.good, "192.0.2.7 vouches.net 1");
	t.good[0] = '\0';
	assert_int_equal(report("a@b.test", "alice@x", "From: a@b\r\n\r\n"), 250);
	assert_string_equal(t.good, "");
	assert_int_equal(report("a@b.test", "alice@x", "To: a@b\r\n\r\n"), 550);
	assert_int_equal(ask("MAIL FROM:<>\r\n"), 250);
	assert_int_equal(ask("RCPT TO:<nobody@x>\r\n"), 550);
	assert_int_equal(ask("RCPT TO:<far@x>\r\n"), 550);
	assert_int_equal(ask("QUIT\r\n"), 221);
	wait_idle();
	for (int i = 0; i < 100 && t.offences[OFFENCE_RELAY] == 0; i++)
		run(5);
	assert_int_equal(t.offences[OFFENCE_ACCEPTED], 2);
	assert_int_equal(t.offences[OFFENCE_CONTENT], 1);
	assert_int_equal(t.offences[OFFENCE_UNKNOWN_RECIPIENT], 1);
	assert_int_equal(t.offences[OFFENCE_RELAY], 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_message),
		T(test_recipient_codes),
		T(test_queue_says_no),
		T(test_elsewhere),
		T(test_lost_peers),
		T(test_abort),
		T(test_half_close),
		T(test_stuffing),
		T(test_limits),
		T(test_timeouts),
		T(test_reverse_name),
		T(test_sender_domain),
		T(test_client_name_required),
		T(test_author),
		T(test_classes),
		T(test_waits_at_the_end),
		T(test_results_of_others),
		T(test_header_without_end),
		T(test_stop),
		T(test_back_pressure),
		T(test_input_behind_a_question),
		T(test_strangers),
		T(test_large),
		T(test_reports_are_marked),
		T(test_reports_are_refused),
		T(test_reports_without_reputation),
		T(test_signatures_vouch),
		T(test_notes_about_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
