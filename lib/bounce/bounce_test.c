/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "bounce/bounce.h"
#include "mail/header.h"

#define TYPE(type) "Content-Type: multipart/report; report-type=" type "; boundary=b\r\n"

/* The ids, each with a '|' behind it, of a message that comes in runs of `step` bytes. */
static const char *
ids_of(struct str message, bool null_sender, size_t step, enum bounce_kind *kind)
{
	static char out[BOUNCE_IDS_MAX + 1];
	size_t at = mail_header_size(message), n;
	struct bounce b = { 0 };
	struct buf ids;

	buf_init(&ids, BOUNCE_IDS_MAX);
	bounce_header(&b, str_from(message.p, at), null_sender);
	for (; at < message.n; at += n) {
		n = step < message.n - at ? step : message.n - at;
		bounce_body(&b, str_from(message.p + at, n));
	}
	*kind = b.kind;
	bounce_ids(&b, &ids);
	bounce_free(&b);
	n = buf_len(&ids);
	if (n > 0)
		memcpy(out, buf_data(&ids), n);
	out[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (out[i] == '\0')
			out[i] = '|';
	buf_free(&ids);
	return out;
}

static void
assert_ids(const char *message, bool null_sender, enum bounce_kind kind, const char *ids)
{
	enum bounce_kind got;

	for (size_t step = 1; step < 2000; step = step * 4 + 1) {
		assert_string_equal(ids_of(str_of(message), null_sender, step, &got), ids);
		assert_int_equal(got, kind);
	}
}

static void
test_kinds(void **state)
{
	static const struct {
		const char *header;
		bool null_sender;
		enum bounce_kind kind;
	} cases[] = {
		{ "From: a@b\r\n\r\n", false, BOUNCE_NONE },
		{ "From: a@b\r\n\r\n", true, BOUNCE_NULL },
		{ "", true, BOUNCE_NULL },
		{ TYPE("delivery-status") "\r\n", false, BOUNCE_REPORT },
		{ TYPE("\"Delivery-Status\"") "\r\n", true, BOUNCE_REPORT },
		{ TYPE("disposition-notification") "\r\n", false, BOUNCE_RECEIPT },
		{ TYPE("something") "\r\n", false, BOUNCE_REPORT },
		{ "Content-Type: multipart/report\r\n\r\n", false, BOUNCE_REPORT },
		{ "Content-Type: multipart/mixed; report-type=delivery-status\r\n\r\n", false,
		    BOUNCE_NONE },
		{ "Content-Type: text/report\r\n\r\n", false, BOUNCE_NONE },
		/* about abuse, and about TLS: they refer to no message */
		{ TYPE("feedback-report") "\r\n", false, BOUNCE_NONE },
		{ TYPE("feedback-report") "\r\n", true, BOUNCE_NONE },
		{ TYPE("\"tlsrpt\"") "\r\n", true, BOUNCE_NONE },
		/* in the body it is no header */
		{ "From: a@b\r\n\r\n" TYPE("delivery-status"), false, BOUNCE_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_ids(cases[i].header, cases[i].null_sender, cases[i].kind, "");
	assert_string_equal(bounce_kind_word(BOUNCE_RECEIPT), "receipt");
	assert_string_equal(bounce_kind_word(BOUNCE_NONE), "none");
}

/* Its own name in the header is no reference; the name of a message in its body is. */
static void
test_where_a_reference_stands(void **state)
{
	(void)state;
	assert_ids("Message-ID: <own@x>\r\nIn-Reply-To: <a@X.Example>\r\n\r\nbody\r\n", true,
	    BOUNCE_NULL, "a@x.example|");
	assert_ids("References: <a@x>\r\n <b@x>\r\n\t<c@x> <d@x>\r\nSubject: <e@x>\r\n\r\n", true,
	    BOUNCE_NULL, "a@x|b@x|c@x|d@x|");
	assert_ids(TYPE("disposition-notification") "\r\n--b\r\n"
						    "Content-Type: "
						    "message/disposition-notification\r\n\r\n"
						    "Original-Message-ID: <a@x>\r\n--b--\r\n",
	    false, BOUNCE_RECEIPT, "a@x|");
	assert_ids(TYPE("delivery-status") "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
					   "Message-Id:\r\n <a@x>\r\n\r\ntext\r\n--b--\r\n",
	    false, BOUNCE_REPORT, "a@x|");
	/* nobody's format: the header stands in the text, or is quoted there */
	assert_ids("From: a@b\r\n\r\nIt failed.\r\n------ this is a copy ------\r\n"
		   "message-id:<a@x>\r\n> Message-ID: <b@x>\r\n>  <c@x>\r\n",
	    true, BOUNCE_NULL, "a@x|b@x|c@x|");
	/* ordinary mail is not looked at */
	assert_ids("In-Reply-To: <a@x>\r\n\r\n", false, BOUNCE_NONE, "");
}

static void
test_odd_ids(void **state)
{
	(void)state;
	assert_ids("In-Reply-To: a@x\r\n\r\n", true, BOUNCE_NULL, "a@x|");
	assert_ids("In-Reply-To: your mail of a@x\r\n\r\n", true, BOUNCE_NULL, "");
	assert_ids(
	    "In-Reply-To: your mail of <a b@x> and more\r\n\r\n", true, BOUNCE_NULL, "a b@x|");
	assert_ids("In-Reply-To: <>\r\nReferences: <a@x\r\n\r\n", true, BOUNCE_NULL, "");
	assert_ids("In-Reply-To\r\n: <a@x>\r\n\r\n", true, BOUNCE_NULL, "");
	assert_ids("In-Reply-To : <a@x>\n\n", true, BOUNCE_NULL, "a@x|");
}

static void
test_encoded_parts(void **state)
{
	(void)state;
	/* "Message-ID: <a@x>" */
	assert_ids(TYPE("delivery-status") "\r\n--b\r\nContent-Type: message/rfc822\r\n"
					   "Content-Transfer-Encoding: base64\r\n\r\n"
					   "TWVzc2FnZS1JRDogPGFA\r\neD4NCg==\r\n--b--\r\n",
	    false, BOUNCE_REPORT, "a@x|");
	assert_ids(TYPE("delivery-status") "\r\n--b\r\nContent-Type: text/rfc822-headers\r\n"
					   "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
					   "Message=2DID: <a=3Db=40x>\r\n--b--\r\n",
	    false, BOUNCE_REPORT, "a=b@x|");
	assert_ids("Content-Transfer-Encoding: base64\r\n\r\nTWVzc2FnZS1JRDogPGFAeD4NCg==\r\n",
	    true, BOUNCE_NULL, "a@x|");
}

/* What is behind the first 128 KiB is not looked at. before: where the line begins, from their end. */
static const char *
ids_near_the_end(size_t before)
{
	static const char line[] = "\nMessage-ID: <ab@x>\n";
	static char m[BOUNCE_LOOK_MAX + 1000];
	enum bounce_kind kind;

	memset(m, 'x', sizeof(m));
	memcpy(m, "A: b\n\n", 6);
	memcpy(m + BOUNCE_LOOK_MAX - before, line, sizeof(line) - 1);
	return ids_of(str_from(m, sizeof(m)), true, 4096, &kind);
}

static void
test_first_part_only(void **state)
{
	(void)state;
	assert_string_equal(ids_near_the_end(19), "ab@x|");
	assert_string_equal(ids_near_the_end(18), "");
}

/* No more ids are given than a question takes. */
static void
test_many_ids(void **state)
{
	static char m[BOUNCE_LOOK_MAX];
	enum bounce_kind kind;
	size_t n;

	(void)state;
	n = (size_t)sprintf(m, "A: b\n\n");
	while (n + 300 < sizeof(m))
		n += (size_t)sprintf(m + n, "Message-ID: <%0200zu@x>\n", n);
	n = strlen(ids_of(str_from(m, n), true, 4096, &kind));
	assert_in_range(n, BOUNCE_IDS_MAX - 203, BOUNCE_IDS_MAX);
	assert_int_equal(n % 203, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_where_a_reference_stands),
		cmocka_unit_test(test_odd_ids),
		cmocka_unit_test(test_encoded_parts),
		cmocka_unit_test(test_first_part_only),
		cmocka_unit_test(test_many_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
