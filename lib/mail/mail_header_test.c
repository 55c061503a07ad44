/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/header.h"

struct want {
	const char *name, *value;
};

static const struct {
	const char *msg;
	size_t body; /* offset */
	struct want fields[4];
} cases[] = {
	{ "A: b\r\nC: d\r\n\r\nbody", 14, { { "A", " b" }, { "C", " d" } } },
	{ "A: b\n\nbody", 6, { { "A", " b" } } },
	{ "A: b", 4, { { "A", " b" } } },
	{ "", 0, { { NULL, NULL } } },
	{ "\r\nbody", 2, { { NULL, NULL } } },
	{ "A: b\r\n c\r\n\td\r\nE :f\r\n\r\n", 22, { { "A", " b\r\n c\r\n\td" }, { "E", "f" } } },
	/* a line of white space continues, it does not end */
	{ "A: b\r\n \r\nC: d\r\n\r\n", 17, { { "A", " b\r\n " }, { "C", " d" } } },
	/* no fields, but kept in their place */
	{ "From x\r\nA: b\r\n:x\r\n\r\nz", 20, { { "", "From x" }, { "A", " b" }, { "", ":x" } } },
	{ " x: y\r\nA:\r\n\r\n", 13, { { "", " x: y" }, { "A", "" } } },
	{ "A\0B: c\r\n", 8, { { "", "A" } } },
	{ "A: b\r\r\n\r\n", 9, { { "A", " b\r" } } },
	{ "A: b\rC: d\r\n\r\n", 13, { { "A", " b\rC: d" } } },
};

static size_t
size_of(size_t i)
{
	return i == 9 ? 8 : strlen(cases[i].msg); /* the one with NUL */
}

static void
test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str msg = str_from(cases[i].msg, size_of(i));
		struct mail_field f;
		size_t off = 0, k = 0, raw = 0;

		for (; mail_field_next(msg, &off, &f); k++) {
			assert_non_null(cases[i].fields[k].name);
			assert_true(str_eq(f.name, str_of(cases[i].fields[k].name)));
			if (i != 9)
				assert_true(str_eq(f.value, str_of(cases[i].fields[k].value)));
			assert_ptr_equal(f.raw.p, msg.p + raw);
			raw += f.raw.n;
		}
		assert_null(cases[i].fields[k].name);
		assert_int_equal(off, cases[i].body);
		assert_int_equal(mail_header_size(msg), cases[i].body);
	}
}

static void
test_find(void **state)
{
	struct mail_field f;
	struct str msg = STR("A: 1\r\nb: 2\r\nB: 3\r\n\r\nC: 4\r\n");

	(void)state;
	assert_true(mail_field_find(msg, STR("B"), &f));
	assert_true(str_eq(f.value, STR(" 2")));
	assert_false(mail_field_find(msg, STR("C"), &f));
}

static void
test_unfold(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 10);
	assert_int_equal(mail_unfold(STR(" a\r\n b\n\tc \r\n "), &out), 0);
	assert_true(str_eq(str_from(buf_data(&out), out.len), STR("a b\tc")));
	assert_int_equal(mail_unfold(STR("123456"), &out), BUF_LIMIT);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_unfold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
