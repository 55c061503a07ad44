/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "smtp/nesting.h"

static void
feed(struct smtp_nesting *n, struct str msg, size_t piece)
{
	smtp_nesting_init(n);
	while (msg.n > 0) {
		size_t m = msg.n < piece ? msg.n : piece;

		smtp_nesting_content(n, str_from(msg.p, m));
		msg = str_from(msg.p + m, msg.n - m);
	}
}

/* What is open at the end of the message. */
static void
test_depth(void **state)
{
	static const struct {
		const char *message;
		unsigned depth;
	} cases[] = {
		{ "Subject: x\r\n\r\n--a\r\n", 0 },
		{ "Content-Type: multipart/mixed; boundary=a\r\n\r\nx\r\n", 1 },
		{ "Content-Type:\r\n multipart/mixed;\r\n\tboundary=\"a b\"\r\n\r\n--a b\r\n"
		  "Content-Type: message/rfc822\r\n\r\nContent-Type: multipart/x; boundary=c\r\n\r\n"
		  "--c\r\n\r\n",
		    3 },
		{ "content-type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
		  "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--a\r\n\r\n",
		    1 },
		{ "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a--\r\n--a\r\n"
		  "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		    1 },
		{ "Content-Type: multipart/digest; boundary=a\r\n\r\n--a\r\n\r\n"
		  "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
		    3 },
		{ "Content-Type: multipart/mixed\r\n\r\n", 0 },
		{ "Content-Type: text/plain; boundary=a\r\n\r\n", 0 },
		{ "Content-Type: text/plain\r\nContent-Type: multipart/x; boundary=a\r\n\r\n", 0 },
	};
	static const size_t pieces[] = { 1, 2, 7, 100000 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
			struct smtp_nesting n;

			feed(&n, str_of(cases[i].message), pieces[k]);
			if (n.depth != cases[i].depth || n.too_deep)
				fail_msg("case %zu in pieces of %zu: %u", i, pieces[k], n.depth);
			smtp_nesting_free(&n);
		}
	}
}

static void
test_limit(void **state)
{
	for (unsigned levels = SMTP_NESTING_MAX; levels <= SMTP_NESTING_MAX + 1; levels++) {
		struct smtp_nesting n;
		struct buf b;

		(void)state;
		buf_init(&b, 1 << 20);
		for (unsigned i = 0; i < levels; i++)
			buf_printf(&b,
			    "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
		feed(&n, str_from(buf_data(&b), buf_len(&b)), 1000);
		assert_int_equal(n.too_deep, levels > SMTP_NESTING_MAX);
		smtp_nesting_free(&n);
		feed(&n, str_from(buf_data(&b), buf_len(&b)), 1);
		assert_int_equal(n.too_deep, levels > SMTP_NESTING_MAX);
		smtp_nesting_free(&n);
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
