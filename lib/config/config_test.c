/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

static char path[128], dir[64];
static struct buf errors;

static int
setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/postern-config-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/postern.conf", dir);
	buf_init(&errors, 16384);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&errors);
	(void)unlink(path);
	return rmdir(dir); /* fails when a temporary file was left */
}

static void
put_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static const char *
get_file(void)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

/* Error lines without the directory. */
static const char *
told(void)
{
	static char out[16385];
	size_t n = 0, skip = strlen(dir) + 1;
	const char *p;

	assert_int_equal(buf_putc(&errors, 0), 0);
	for (p = (const char *)buf_data(&errors); *p;) {
		if (strncmp(p, dir, skip - 1) == 0)
			p += skip;
		else
			out[n++] = *p++;
	}
	out[n] = 0;
	buf_clear(&errors);
	return out;
}

static void
test_load(void **state)
{
	struct settings *s = NULL;

	(void)state;
	put_file("# first\n"
		 "general { domain = \"Example.test\" hostname = mail.example.test\n"
		 "help-url = https://help.example/ } /* // */\n"
		 "smtpd {\n\tmax-connections = 17 // why\n"
		 "\txclient-from = { \"127.0.0.1\", \"::1\" }\n}\n"
		 "resolver { server = \"127.0.0.1@5353\" }\n"
		 "queue { max-size = 1G }\nlog { debug = yes\nage = 2d }\n"
		 "smtpd { max-errors = 3 }\n");
	if (config_load(path, &s, &errors) != CONFIG_OK)
		fail_msg("%s", told());
	assert_string_equal(settings_text(s, SET_general_domain), "example.test");
	assert_string_equal(settings_text(s, SET_general_hostname), "mail.example.test");
	assert_string_equal(settings_text(s, SET_general_help_url), "https://help.example/");
	assert_int_equal(settings_u64(s, SET_smtpd_max_connections), 17);
	assert_int_equal(settings_u64(s, SET_smtpd_max_errors), 3);
	assert_string_equal(settings_text(s, SET_smtpd_xclient_from), "127.0.0.1,::1");
	assert_string_equal(settings_text(s, SET_resolver_server), "127.0.0.1@5353");
	assert_int_equal(settings_u64(s, SET_queue_max_size), 1073741824);
	assert_int_equal(settings_u64(s, SET_log_age), 172800);
	assert_true(settings_bool(s, SET_log_debug));
	settings_free(&s);
}

static void
test_faults(void **state)
{
	struct settings *s = NULL;
	const char *got;

	(void)state;
	put_file("smtpd {\n"
		 "\tmax-connections = many\n"
		 "\tmax-conections = 4\n"
		 "\tmax-errors = 3\n"
		 "\tmax-errors = 4\n"
		 "\txclient-from = { \"127.0.0.1\", \"nobody\" }\n"
		 "}\n"
		 "webmail {\n\tx = 1\n}\n"
		 "log {\n\tsize = 1\n}\n"
		 "smtpd { max-errors = 9 }\n");
	assert_int_equal(config_load(path, &s, &errors), CONFIG_INVALID);
	assert_null(s);
	got = told();
	assert_non_null(strstr(got,
	    "postern.conf:2: smtpd.max-connections: \"many\" is not such a number; give a number "
	    "from 1 to 20000\n"));
	assert_non_null(strstr(got, "postern.conf:3: smtpd.max-conections: there is no such"));
	assert_non_null(strstr(got, "postern.conf:5: smtpd.max-errors: already set in line 4"));
	assert_non_null(strstr(got, "postern.conf:14: smtpd.max-errors: already set in line 4"));
	assert_non_null(strstr(got, "postern.conf:6: smtpd.xclient-from: \"127.0.0.1,nobody\""));
	assert_non_null(strstr(got, "postern.conf:8: webmail: there is no such section"));
	assert_non_null(strstr(got, "postern.conf:12: log.size: \"1\" is too small; give"));
}

static void
test_syntax(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "smtpd {\n", "postern.conf:1: this section is not closed" },
		{ "smtpd {\nmax-errors 3\n}\n", "postern.conf:2: missing equal sign" },
		{ "}\n", "postern.conf:1: unexpected closing brace" },
		{ "smtpd {\nmax-errors = {1}\n}\n", "postern.conf:2: unexpected token" },
		{ "foo = 3\n", "postern.conf:1: foo: there is no such section" },
		{ "smtpd { domain = x }\n", "postern.conf:1: smtpd.domain: there is no such" },
		{ "general { daemon-uid-base = 66010 }\n", "ranges overlap" },
		{ "# one\n\t# two\n// three\n\nfoo {\n}\n", "postern.conf:5: foo: there is" },
		{ "/* one\n two */ log { # three\nsize = x }\n", "postern.conf:3: log.size:" },
		{ "log { size = \"#x\" # y\nage = 'z // /*'\n}\n", "log.size: \"#x\" is not" },
		{ "log { size = \"#x\" # y\nage = 'z // /*'\n}\n", "conf:2: log.age: \"z // /*\"" },
		{ "log { size = a//b /* c */ }\n", "postern.conf:1: log.size: \"a//b\"" },
		{ "log { }\n/* never\nends", "postern.conf:2: this comment is not closed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct settings *s = NULL;
		const char *got;

		put_file(cases[i].text);
		assert_int_equal(config_load(path, &s, &errors), CONFIG_INVALID);
		got = told();
		if (strstr(got, cases[i].want) == NULL)
			fail_msg("case %zu: got \"%s\" want \"%s\"", i, got, cases[i].want);
	}
	assert_int_equal(unlink(path), 0);
	{
		struct settings *s = NULL;

		assert_int_equal(config_load(path, &s, &errors), CONFIG_IO);
		assert_non_null(strstr(told(), "No such file"));
	}
}

static void
test_set(void **state)
{
	static const struct {
		const char *before, *name, *value, *after;
	} cases[] = {
		{ "smtpd {\n\tmax-errors = 3 # keep\n}\n", "smtpd.max-errors", "5",
		    "smtpd {\n\tmax-errors = 5 # keep\n}\n" },
		{ "# max-errors = 1\nsmtpd { max-errors=3 }\n", "smtpd.max-errors", "5",
		    "# max-errors = 1\nsmtpd { max-errors = 5 }\n" },
		{ "log { debug = no }\n", "smtpd.max-errors", "5",
		    "log { debug = no }\n\nsmtpd {\n\tmax-errors = 5\n}\n" },
		{ "log {\n\tdebug = no\n}\n", "log.age", "2h",
		    "log {\n\tdebug = no\n\tage = 7200\n}\n" },
		{ "smtpd {\n\txclient-from = { \"::1\" } /* x */\n}\n", "smtpd.xclient-from",
		    "127.0.0.1,::1",
		    "smtpd {\n\txclient-from = { \"127.0.0.1\", \"::1\" } /* x */\n}\n" },
		{ "smtpd {\n\txclient-from = { \"::1\" }\n}\n", "smtpd.xclient-from", "",
		    "smtpd {\n\txclient-from = {}\n}\n" },
		{ "smtpd {\n\tmax-errors = 3 # keep\n}\n", "smtpd.max-errors", NULL,
		    "smtpd {\n\t# max-errors = (default)\n # keep\n}\n" },
		{ "", "general.domain", "A.test", "\ngeneral {\n\tdomain = \"a.test\"\n}\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_file(cases[i].before);
		if (config_set(path, cases[i].name, cases[i].value, &errors) != CONFIG_OK)
			fail_msg("case %zu: %s", i, told());
		assert_string_equal(get_file(), cases[i].after);
	}
}

static void
test_set_refused(void **state)
{
	static const char text[] = "smtpd {\n\tmax-errors = 3\n}\n";
	struct stat st;

	(void)state;
	put_file(text);
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(config_set(path, "smtpd.max-errors", "0", &errors), CONFIG_INVALID);
	assert_non_null(strstr(told(), "smtpd.max-errors: \"0\" is too small"));
	assert_int_equal(config_set(path, "smtpd.nothing", "0", &errors), CONFIG_INVALID);
	assert_non_null(strstr(told(), "no such setting"));
	assert_int_equal(
	    config_set(path, "general.daemon-uid-base", "66001", &errors), CONFIG_INVALID);
	assert_non_null(strstr(told(), "overlap"));
	assert_string_equal(get_file(), text);
	assert_int_equal(config_set(path, "smtpd.max-errors", "4", &errors), CONFIG_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0604);
}

/* A password is in the file alone, which others may not read. */
static void
test_secret(void **state)
{
	struct settings *s = NULL;
	struct stat st;

	(void)state;
	put_file("general {\n\tdomain = example.test\n}\n");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(
	    config_set(path, "delivery.smarthost-password", "tell nobody", &errors), CONFIG_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_non_null(strstr(get_file(), "tell nobody"));
	assert_int_equal(config_load(path, &s, &errors), CONFIG_OK);
	settings_free(&s);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(config_load(path, &s, &errors), CONFIG_INVALID);
	assert_null(s);
	assert_non_null(strstr(told(), "delivery.smarthost-password and everybody may read it"));
	assert_int_equal(config_set(path, "delivery.smarthost-password", "\"tell nobody", &errors),
	    CONFIG_INVALID);
	assert_null(strstr(told(), "tell nobody"));
}

/* A generated file reads back to the same values, and every setting in it can be changed. */
static void
test_create(void **state)
{
	struct settings *s = settings_new(), *again = NULL;
	const char *why;

	(void)state;
	assert_int_equal(settings_set(s, SET_general_domain, "example.test", &why), 0);
	assert_int_equal(settings_set(s, SET_general_port_base, "20000", &why), 0);
	assert_int_equal(config_create(path, s, &errors), CONFIG_OK);
	for (int i = 0; i < SET__MAX; i++)
		if (config_set(path, setting_row((enum setting)i)->name,
			settings_text(s, (enum setting)i), &errors) != CONFIG_OK)
			fail_msg("%s", told());
	if (config_load(path, &again, &errors) != CONFIG_OK)
		fail_msg("%s", told());
	for (int i = 0; i < SET__MAX; i++)
		assert_string_equal(
		    settings_text(s, (enum setting)i), settings_text(again, (enum setting)i));
	settings_free(&s);
	settings_free(&again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_syntax, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
