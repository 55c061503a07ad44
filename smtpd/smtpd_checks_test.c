/* SPDX-License-Identifier: ISC */
/* smtpd: client, sender and author against the DNS. */
#include "smtpd/test_peers.h"

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
			for (unsigned k = 0; k < 2; k++) /* too late */
				ipc_send_dns_answer(t.resolver, t.question - k,
				    &(struct ipc_dns_answer){ .result = IPC_NO });
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reverse_name),
		T(test_sender_domain),
		T(test_client_name_required),
		T(test_author),
		T(test_classes),
		T(test_waits_at_the_end),
		T(test_strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
