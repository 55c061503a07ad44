/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/report.h"
#include "smtp/command.h"

#define MESSAGE "Received: by us\r\nSubject: Hi\r\nMessage-ID: <1@here.test>\r\n\r\nThe body.\r\n"

static struct envelope_writer writer;
static struct envelope envelope;
static struct buf out;
static struct dsn_result result;
static struct report_item items[DSN_RECIPIENTS_MAX + 1];

static void
begin(const char *reverse_path, uint8_t ret)
{
	envelope_begin(&writer,
	    &(struct ipc_msg_begin){
		.reverse_path = str_of(reverse_path), .envid = STR("QQ+2B1"), .dsn_ret = ret });
}

/* A recipient that came with the message (from < 0) or was made of another, with one delivery. */
static void
recipient(const char *address, const char *orcpt, uint8_t notify, int from)
{
	int i =
	    envelope_recipient(&writer, &(struct envelope_recipient){ .address = str_of(address),
					    .orcpt = str_of(orcpt),
					    .notify = notify,
					    .from = from < 0 ? ENVELOPE_ITSELF : (uint32_t)from });

	assert_true(i >= 0);
	assert_int_equal(
	    envelope_delivery(&writer, (uint32_t)i, TARGET_REMOTE, DELIVERY_PENDING), 0);
}

static void
finish(void)
{
	assert_int_equal(envelope_end(&writer, 77, 1700000000000, STR("Received: by us\r\n")), 0);
	assert_int_equal(
	    envelope_read(str_from(buf_data(&writer.bytes), buf_len(&writer.bytes)), &envelope), 0);
}

static struct report_input
input(enum dsn_kind kind, size_t count)
{
	for (size_t i = 0; i < count; i++)
		items[i] = (struct report_item){ .delivery = (uint32_t)i,
			.last = { .result = IPC_NO,
			    .code = 550,
			    .time_ms = 1700000100000,
			    .enhanced = STR("5.1.1"),
			    .text = STR("no such user"),
			    .remote = STR("mx.there.test") } };
	return (struct report_input){ .kind = kind,
		.envelope = &envelope,
		.items = items,
		.count = count,
		.message = STR(MESSAGE),
		.message_size = sizeof(MESSAGE) - 1,
		.now_ms = 1700000200000,
		.retry_until_ms = 1700432000000,
		.hostname = STR("mx.here.test"),
		.seed = 42 };
}

static const char *
build(const struct report_input *in)
{
	buf_clear(&out);
	assert_int_equal(report_build(in, &out, &result), 0);
	buf_putc(&out, '\0');
	return (const char *)buf_data(&out);
}

static void
has(const char *text, const char *want)
{
	if (strstr(text, want) == NULL)
		fail_msg("\"%s\" is not in:\n%s", want, text);
}

static void
has_not(const char *text, const char *bad)
{
	if (strstr(text, bad) != NULL)
		fail_msg("\"%s\" is in:\n%s", bad, text);
}

static void
test_failed(void **state)
{
	struct report_input in;
	const char *text;

	(void)state;
	begin("anna@here.test", SMTP_RET_NONE);
	recipient("bob@there.test", "rfc822;Bob+2B1@there.test", 0, -1);
	recipient("carl@there.test", "", 0, -1);
	finish();
	in = input(DSN_FAILED, 2);
	in.items = items;
	items[1].last.code = 0;
	items[1].last.text = STR("the domain takes no mail");
	items[1].last.enhanced = STR("5.1.10");
	text = build(&in);
	has(text, "From: Mail Delivery System <MAILER-DAEMON@mx.here.test>\r\n");
	has(text, "To: <anna@here.test>\r\n");
	has(text, "Date: Tue, 14 Nov 2023 22:16:40 +0000\r\n");
	has(text, "@mx.here.test>\r\nIn-Reply-To: <1@here.test>\r\n");
	has(text, "Auto-Submitted: auto-replied\r\n");
	has(text, "Reporting-MTA: dns; mx.here.test\r\nOriginal-Envelope-Id: QQ+1\r\n"
		  "Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n");
	has(text, "Original-Recipient: rfc822; Bob+1@there.test\r\n"
		  "Final-Recipient: rfc822; bob@there.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
		  "Remote-MTA: dns; mx.there.test\r\n"
		  "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
		  "Last-Attempt-Date: Tue, 14 Nov 2023 22:15:00 +0000\r\n");
	has(text,
	    "Final-Recipient: rfc822; carl@there.test\r\nAction: failed\r\nStatus: 5.1.10\r\n");
	has(text, "Diagnostic-Code: X-Postern; the domain takes no mail\r\n");
	has(text, "Subject: Hi\r\n");
	has_not(text, "The body.");
	has_not(text, "you wrote to");
}

/* What failed for now until its time was up. */
static void
test_expired(void **state)
{
	struct report_input in;

	(void)state;
	begin("anna@here.test", SMTP_RET_NONE);
	recipient("bob@there.test", "", 0, -1);
	finish();
	in = input(DSN_FAILED, 1);
	items[0].last = (struct answer){
		.result = IPC_TEMP, .code = 451, .enhanced = STR("4.2.1"), .text = STR("not now")
	};
	has(build(&in), "\r\nStatus: 5.4.7\r\n");
	has((const char *)buf_data(&out), "Diagnostic-Code: smtp; 451 4.2.1 not now\r\n");
	items[0].last =
	    (struct answer){ .result = IPC_NO, .enhanced = STR("4.4.7"), .text = STR("too long") };
	has(build(&in), "\r\nStatus: 5.4.7\r\nDiagnostic-Code: X-Postern; too long\r\n");
	items[0].last = (struct answer){
		.result = IPC_TEMP, .code = 451, .enhanced = STR("4.2.1"), .text = STR("not now")
	};
	in.kind = DSN_DELAYED;
	has(build(&in), "\r\nAction: delayed\r\nStatus: 4.2.1\r\n");
	has((const char *)buf_data(&out), "Will-Retry-Until: Sun, 19 Nov 2023 22:13:20 +0000\r\n");
}

/* The whole message of a failure when asked for (rfc3461:4.3), and not above the limit. */
static void
test_ret(void **state)
{
	static const struct {
		uint8_t ret;
		enum dsn_kind kind;
		uint64_t size;
		bool full;
	} t[] = {
		{ SMTP_RET_NONE, DSN_FAILED, sizeof(MESSAGE) - 1, false },
		{ SMTP_RET_HDRS, DSN_FAILED, sizeof(MESSAGE) - 1, false },
		{ SMTP_RET_FULL, DSN_FAILED, sizeof(MESSAGE) - 1, true },
		{ SMTP_RET_FULL, DSN_FAILED, 50000000, false },
		{ SMTP_RET_FULL, DSN_DELAYED, sizeof(MESSAGE) - 1, false },
		{ SMTP_RET_FULL, DSN_DELIVERED, sizeof(MESSAGE) - 1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct report_input in;

		begin("anna@here.test", t[i].ret);
		recipient("bob@there.test", "", 0, -1);
		finish();
		in = input(t[i].kind, 1);
		in.message_size = t[i].size;
		build(&in);
		assert_int_equal(result.full, t[i].full);
		assert_int_equal(
		    strstr((const char *)buf_data(&out), "The body.") != NULL, t[i].full);
	}
}

/* NOTIFY=SUCCESS for 100 recipients, RET=FULL and 50 MB: one report of bounded size, headers only. */
static void
test_many(void **state)
{
	struct report_input in;
	char address[64];
	static char message[DSN_FULL_MAX];

	(void)state;
	begin("anna@here.test", SMTP_RET_FULL);
	for (int i = 0; i < 100; i++) {
		snprintf(address, sizeof(address), "user%d@there.test", i);
		recipient(address, "", SMTP_NOTIFY_SUCCESS, -1);
	}
	finish();
	memset(message, 'x', sizeof(message));
	memcpy(message, MESSAGE, sizeof(MESSAGE) - 1);
	in = input(DSN_RELAYED, 100);
	in.message = str_from(message, sizeof(message));
	in.message_size = 50000000;
	has(build(&in), "Final-Recipient: rfc822; user99@there.test\r\nAction: relayed\r\n");
	assert_false(result.full);
	assert_true(buf_len(&out) < 65536);
	in.count = DSN_RECIPIENTS_MAX + 1;
	assert_int_equal(report_build(&in, &out, &result), DSN_ERR_INPUT);
}

/* The sender learns which of the addresses he wrote to it was. */
static void
test_made_of_another(void **state)
{
	struct report_input in;
	const char *text;

	(void)state;
	begin("anna@there.test", SMTP_RET_NONE);
	recipient("b=1+x@here.test", "", 0, -1);
	recipient("list@here.test", "rfc822;List@here.test", 0, -1);
	recipient("mid@here.test", "", 0, 0);
	recipient("far@away.test", "", 0, 2);
	recipient("away@away.test", "", 0, 1);
	recipient("j\xc3\xb6rg@here.test", "", 0, -1);
	recipient("jo@away.test", "", 0, 5);
	finish();
	in = input(DSN_FAILED, 7);
	text = build(&in);
	has(text, "Original-Recipient: rfc822; b=1+x@here.test\r\n"
		  "Final-Recipient: rfc822; far@away.test\r\n");
	has(text, "Original-Recipient: rfc822; List@here.test\r\n"
		  "Final-Recipient: rfc822; away@away.test\r\n");
	has(text, "  far@away.test\r\n  (you wrote to b=3D1+x@here.test)\r\n");
	has(text, "\r\n\r\nFinal-Recipient: rfc822; jo@away.test\r\n");
	has(text, "  (you wrote to j=C3=B6rg@here.test)\r\n");
}

static void
test_utf8(void **state)
{
	struct report_input in;

	(void)state;
	envelope_begin(&writer,
	    &(struct ipc_msg_begin){ .reverse_path = STR("anna@here.test"), .smtputf8 = 1 });
	recipient("j\xc3\xb6rg@there.test", "", 0, -1);
	finish();
	in = input(DSN_FAILED, 1);
	has(build(&in), "Final-Recipient: utf-8; j\xc3\xb6rg@there.test\r\n");
	assert_true(result.utf8);
}

static void
test_wanted(void **state)
{
	(void)state;
	begin("anna@here.test", SMTP_RET_NONE);
	recipient("a@there.test", "", 0, -1);
	recipient("b@there.test", "", SMTP_NOTIFY_NEVER, -1);
	recipient("c@there.test", "", SMTP_NOTIFY_SUCCESS, -1);
	recipient("d@there.test", "", SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY, -1);
	finish();
	for (int k = DSN_FAILED; k <= DSN_EXPANDED; k++) {
		enum dsn_kind kind = (enum dsn_kind)k;
		bool trouble = kind == DSN_FAILED || kind == DSN_DELAYED;

		assert_int_equal(report_wanted(&envelope, 0, kind), trouble);
		assert_false(report_wanted(&envelope, 1, kind));
		assert_int_equal(report_wanted(&envelope, 2, kind), !trouble);
		assert_int_equal(report_wanted(&envelope, 3, kind), trouble);
	}
}

/* A list tells that it is one; its members' success nobody asked for. */
static void
test_wanted_of_a_list(void **state)
{
	(void)state;
	begin("anna@here.test", SMTP_RET_NONE);
	recipient("list@here.test", "", SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE, -1);
	envelope_set_list(&writer, 0);
	finish();
	assert_true(report_wanted(&envelope, 0, DSN_EXPANDED));
	assert_true(report_wanted(&envelope, 0, DSN_FAILED));
	assert_false(report_wanted(&envelope, 0, DSN_DELIVERED));
	assert_false(report_wanted(&envelope, 0, DSN_RELAYED));
}

static void
test_null_reverse_path(void **state)
{
	struct report_input in;

	(void)state;
	begin("", SMTP_RET_FULL);
	recipient(
	    "a@there.test", "", SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY, -1);
	finish();
	for (int k = DSN_FAILED; k <= DSN_EXPANDED; k++)
		assert_false(report_wanted(&envelope, 0, (enum dsn_kind)k));
	in = input(DSN_FAILED, 1);
	buf_clear(&out);
	assert_int_equal(report_build(&in, &out, &result), DSN_ERR_INPUT);
	assert_int_equal(buf_len(&out), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_ret),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_made_of_another),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_wanted_of_a_list),
		cmocka_unit_test(test_null_reverse_path),
	};
	int rc;

	envelope_writer_init(&writer);
	buf_init(&out, DSN_MESSAGE_MAX);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&out);
	envelope_writer_free(&writer);
	return rc;
}
