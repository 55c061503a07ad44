/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"

static void
check_settings(const struct policy_check *c)
{
	char names[200], *rest = names, *name;

	snprintf(names, sizeof(names), "%s", c->setting);
	while ((name = strsep(&rest, " ")) != NULL)
		if (*name != '\0' && setting_by_name(name) < 0)
			fail_msg("%s: there is no setting %s", c->name, name);
}

/* Each setting that a row names exists, each text can be told in both languages. */
static void
test_rows(void **state)
{
	struct settings *s = settings_new();
	const struct policy_check *c;

	(void)state;
	for (unsigned i = 0; (c = policy_check(i)) != NULL; i++) {
		check_settings(c);
		if (strcmp(c->text[LANG_EN], c->text[LANG_DE]) == 0)
			fail_msg("%s is not translated", c->name);
		for (unsigned lang = 0; lang < LANG__COUNT; lang++) {
			struct buf out;

			buf_init(&out, POLICY_TEXT_MAX);
			assert_int_equal(policy_text(&out, c, s, (enum language)lang), 0);
			if (memchr(buf_data(&out), '?', buf_len(&out)) != NULL ||
			    memchr(buf_data(&out), '{', buf_len(&out)) != NULL)
				fail_msg("%s: names a setting that is none", c->name);
			assert_int_equal(buf_data(&out)[buf_len(&out) - 1], '.');
			buf_free(&out);
		}
	}
	settings_free(&s);
}

static const struct policy_check *
row(const char *name)
{
	const struct policy_check *c;

	for (unsigned i = 0; (c = policy_check(i)) != NULL; i++)
		if (strcmp(c->name, name) == 0)
			return c;
	fail_msg("no check %s", name);
	return NULL;
}

static void
test_active(void **state)
{
	struct settings *s = settings_new();
	const char *why;
	struct buf out;

	(void)state;
	assert_true(policy_active(row("dialogue"), s));
	assert_true(policy_active(row("helo"), s));
	assert_false(policy_active(row("format_8bit"), s));
	settings_set(s, SET_smtpd_helo_check, "no", &why);
	settings_set(s, SET_smtpd_format_8bit, "yes", &why);
	settings_set(s, SET_general_message_size, "1M", &why);
	assert_false(policy_active(row("helo"), s));
	assert_true(policy_active(row("format_8bit"), s));
	assert_true(policy_active(row("dmarc"), s));
	settings_set(s, SET_smtpd_spf, "no", &why); /* without it DMARC cannot be judged */
	assert_false(policy_active(row("dmarc"), s));
	assert_true(policy_active(row("dkim"), s));
	buf_init(&out, POLICY_TEXT_MAX);
	policy_text(&out, row("loop"), s, LANG_EN);
	assert_true(
	    str_find_nocase(str_from(buf_data(&out), buf_len(&out)), STR("than 50 servers")) > 0);
	buf_clear(&out);
	policy_text(&out, row("size"), s, LANG_DE);
	buf_putc(&out, '\0');
	assert_string_equal(
	    (const char *)buf_data(&out), "Eine Nachricht darf 1048576 Byte haben.");
	buf_free(&out);
	settings_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_active),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
