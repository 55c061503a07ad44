/* SPDX-License-Identifier: ISC */
/* smtpd: what is remembered of clients and of sent messages. */
#include "smtpd/test_peers.h"

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
	const struct CMUnitTest tests[] = {
		T(test_reports_are_marked),
		T(test_reports_are_refused),
		T(test_reports_without_reputation),
		T(test_signatures_vouch),
		T(test_notes_about_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
