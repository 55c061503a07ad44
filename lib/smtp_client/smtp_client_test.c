/* SPDX-License-Identifier: ISC */
/* Limits, order of events, secrets, texts and stuffing; dialogues: smtp_client_dialogue_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/content.h"
#include "smtp_client/server_reply.h"
#include "smtp_client/smtp_client.h"
#include "smtp_client/stuff.h"

static const struct smtp_client_rcpt to[] = { { "c@d.test", 0, NULL }, { "e@d.test", 0, NULL } };

/* A client that got these bytes, with EHLO answered when idle is wanted. */
static struct smtp_client *
client_at(const char *bytes, bool tls, enum smtp_client_event want)
{
	struct smtp_client *c = smtp_client_new("us", tls);
	enum smtp_client_event ev = SMTP_CLIENT_EV_NONE;
	struct str in = str_of(bytes);

	/* A line at a time: no server answers what has not left yet. */
	while (in.n > 0 && ev == SMTP_CLIENT_EV_NONE) {
		size_t line = (size_t)(str_chr(in, '\n') + 1), n;

		buf_drain(smtp_client_out(c), buf_len(smtp_client_out(c)));
		n = smtp_client_step(c, str_from(in.p, line), &ev);
		in = str_from(in.p + n, in.n - n);
	}
	assert_int_equal(ev, want);
	assert_int_equal(in.n, 0);
	buf_drain(smtp_client_out(c), buf_len(smtp_client_out(c)));
	return c;
}

/* What is in out has been sent. */
static void
sent(struct smtp_client *c)
{
	buf_drain(smtp_client_out(c), buf_len(smtp_client_out(c)));
}

static void
expect(struct smtp_client *c, const char *bytes, enum smtp_client_event want)
{
	enum smtp_client_event ev;

	smtp_client_step(c, str_of(bytes), &ev);
	assert_int_equal(ev, want);
}

static void
expect_closed(struct smtp_client **c, enum smtp_client_class class, enum smtp_client_why why)
{
	expect(*c, "", SMTP_CLIENT_EV_CLOSED);
	expect(*c, "250 x\r\n", SMTP_CLIENT_EV_NONE);
	assert_int_equal(smtp_client_last(*c)->class, class);
	assert_int_equal(smtp_client_last(*c)->why, why);
	assert_int_equal(smtp_client_phase(*c), SMTP_CLIENT_CLOSED);
	smtp_client_free(c);
	assert_null(*c);
}

#define READY "220 a\r\n250 mx\r\n"
#define READY_WITH(x) "220 a\r\n250-mx\r\n250 " x "\r\n"

static void
test_injection(void **state)
{
	struct smtp_client *c = client_at(READY_WITH("STARTTLS"), false, SMTP_CLIENT_EV_READY);

	(void)state;
	assert_int_equal(smtp_client_starttls(c), 0);
	sent(c);
	smtp_client_step(c, STR("220 go\r\n250 x"), &(enum smtp_client_event){ 0 });
	assert_int_equal(smtp_client_last(c)->why, SMTP_CLIENT_WHY_INJECTION);
	assert_int_equal(smtp_client_last(c)->class, SMTP_CLIENT_TEMP);
	smtp_client_free(&c);

	c = client_at(READY_WITH("STARTTLS"), false, SMTP_CLIENT_EV_READY);
	assert_int_equal(smtp_client_starttls(c), 0);
	sent(c);
	expect(c, "220 go\r\n", SMTP_CLIENT_EV_STARTTLS);
	expect(c, "250 x\r\n", SMTP_CLIENT_EV_NONE);
	smtp_client_tls_started(c, 7);
	expect_closed(&c, SMTP_CLIENT_TEMP, SMTP_CLIENT_WHY_INJECTION);
}

/* n times `line` after a greeting's start: false when the engine has given up. */
static bool
takes(const char *line, size_t n)
{
	struct smtp_client *c = smtp_client_new("us", false);
	enum smtp_client_event ev;
	bool ok;

	for (size_t i = 0; i < n && smtp_client_phase(c) == SMTP_CLIENT_GREETING; i++)
		assert_int_equal(smtp_client_step(c, str_of(line), &ev), strlen(line));
	ok = smtp_client_phase(c) == SMTP_CLIENT_GREETING;
	if (!ok)
		assert_int_equal(smtp_client_last(c)->why, SMTP_CLIENT_WHY_PROTOCOL);
	smtp_client_free(&c);
	return ok;
}

static void
test_limits(void **state)
{
	char line[SMTP_CLIENT_LINE_MAX + 1] = "220-";
	struct smtp_client *c = smtp_client_new("us", false);
	enum smtp_client_event ev;

	(void)state;
	memset(line + 4, 'x', sizeof(line) - 5);
	assert_int_equal(smtp_client_step(c, str_from(line, SMTP_CLIENT_LINE_MAX - 1), &ev), 0);
	assert_int_equal(ev, SMTP_CLIENT_EV_NONE);
	smtp_client_step(c, str_from(line, SMTP_CLIENT_LINE_MAX), &ev);
	assert_int_equal(ev, SMTP_CLIENT_EV_CLOSED);
	smtp_client_free(&c);

	line[SMTP_CLIENT_LINE_MAX - 1] = '\n';
	assert_true(takes(line, SMTP_CLIENT_REPLY_MAX / SMTP_CLIENT_LINE_MAX));
	assert_false(takes(line, SMTP_CLIENT_REPLY_MAX / SMTP_CLIENT_LINE_MAX + 1));
	assert_true(takes("220-x\r\n", SMTP_CLIENT_REPLY_LINES));
	assert_false(takes("220-x\r\n", SMTP_CLIENT_REPLY_LINES + 1));
}

static void
test_unasked(void **state)
{
	struct smtp_client *c = client_at(READY, false, SMTP_CLIENT_EV_READY);

	(void)state;
	expect(c, "250 x\r\n", SMTP_CLIENT_EV_CLOSED);
	assert_int_equal(smtp_client_last(c)->why, SMTP_CLIENT_WHY_PROTOCOL);
	smtp_client_free(&c);
	c = client_at(READY, false, SMTP_CLIENT_EV_READY);
	expect(c, "421 idle too long\r\n", SMTP_CLIENT_EV_CLOSED);
	assert_int_equal(smtp_client_last(c)->code, 421);
	assert_int_equal(
	    smtp_client_send(c, &(struct smtp_client_message){ 0 }), SMTP_CLIENT_ESTATE);
	smtp_client_free(&c);
}

static const struct smtp_client_message simple = { .from = "", .rcpts = to, .nrcpts = 1 };

/* Up to the content. */
static struct smtp_client *
client_in_content(void)
{
	struct smtp_client *c = client_at(READY_WITH("PIPELINING"), false, SMTP_CLIENT_EV_READY);

	assert_int_equal(smtp_client_send(c, &simple), 0);
	sent(c);
	expect(c, "250 a\r\n250 b\r\n354 c\r\n", SMTP_CLIENT_EV_CONTENT);
	buf_drain(smtp_client_out(c), buf_len(smtp_client_out(c)));
	return c;
}

static void
test_amid_content(void **state)
{
	static const struct {
		const char *reply;
		enum smtp_client_class class;
		enum smtp_client_why why;
	} rows[] = {
		{ "552 5.3.4 large\r\n", SMTP_CLIENT_PERM, SMTP_CLIENT_WHY_REPLY },
		{ "421 x\r\n", SMTP_CLIENT_TEMP, SMTP_CLIENT_WHY_REPLY },
		{ "250 ok\r\n", SMTP_CLIENT_TEMP, SMTP_CLIENT_WHY_PROTOCOL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_client *c = client_in_content();

		assert_int_equal(smtp_client_content(c, STR("abc")), 3);
		expect(c, rows[i].reply, SMTP_CLIENT_EV_DONE);
		assert_int_equal(smtp_client_result(c, 0)->class, rows[i].class);
		assert_int_equal(smtp_client_content(c, STR("abc")), 0);
		smtp_client_content_end(c);
		assert_int_equal(buf_len(smtp_client_out(c)), 0); /* no dot ends what was sent */
		expect_closed(&c, rows[i].class, rows[i].why);
	}
}

/* Replies to what has not left yet are no replies to it. */
static void
test_too_early(void **state)
{
	struct smtp_client *c = smtp_client_new("us", false);

	(void)state;
	expect(c, "220 a\r\n220 b\r\n", SMTP_CLIENT_EV_CLOSED);
	assert_int_equal(smtp_client_last(c)->why, SMTP_CLIENT_WHY_PROTOCOL);
	smtp_client_free(&c);
	c = client_at(READY_WITH("PIPELINING"), false, SMTP_CLIENT_EV_READY);
	assert_int_equal(smtp_client_send(c, &simple), 0);
	expect(c, "250 a\r\n", SMTP_CLIENT_EV_DONE);
	assert_int_equal(smtp_client_result(c, 0)->why, SMTP_CLIENT_WHY_PROTOCOL);
	smtp_client_free(&c);
	/* A part of the group has left: an answer to that may come. */
	c = client_at(READY_WITH("PIPELINING"), false, SMTP_CLIENT_EV_READY);
	assert_int_equal(smtp_client_send(c, &simple), 0);
	buf_drain(smtp_client_out(c), 20);
	expect(c, "250 a\r\n250 b\r\n", SMTP_CLIENT_EV_NONE);
	smtp_client_free(&c);
	/* Taken before it was sent. */
	c = client_in_content();
	assert_int_equal(smtp_client_content(c, STR("abc")), 3);
	smtp_client_content_end(c);
	expect(c, "250 taken\r\n", SMTP_CLIENT_EV_DONE);
	assert_int_equal(smtp_client_result(c, 0)->class, SMTP_CLIENT_TEMP);
	smtp_client_free(&c);
	/* Refused before it was sent: that it may. */
	c = client_in_content();
	assert_int_equal(smtp_client_content(c, STR("abc")), 3);
	smtp_client_content_end(c);
	expect(c, "552 large\r\n", SMTP_CLIENT_EV_DONE);
	assert_int_equal(smtp_client_result(c, 0)->class, SMTP_CLIENT_PERM);
	smtp_client_free(&c);
}

static void
test_host_ends(void **state)
{
	struct smtp_client *c = client_in_content();

	(void)state;
	assert_int_equal(smtp_client_content(c, STR("abc")), 3);
	smtp_client_abort(c, "cannot read");
	assert_int_equal(buf_len(smtp_client_out(c)), 0);
	expect(c, "", SMTP_CLIENT_EV_DONE);
	assert_string_equal(smtp_client_result(c, 0)->text, "cannot read");
	expect_closed(&c, SMTP_CLIENT_TEMP, SMTP_CLIENT_WHY_HOST);
	c = smtp_client_new("us", false);
	assert_int_equal(smtp_client_phase_seconds(smtp_client_phase(c)), 300);
	smtp_client_timeout(c);
	expect_closed(&c, SMTP_CLIENT_TEMP, SMTP_CLIENT_WHY_TIMEOUT);
}

/* out never grows above its mark, however large the runs. */
static void
test_back_pressure(void **state)
{
	static char dots[3 * SMTP_CLIENT_CONTENT_HIGH];
	struct smtp_client *c = client_in_content();
	struct buf *out = smtp_client_out(c);
	size_t at = 0, n;

	(void)state;
	memset(dots, '\n', sizeof(dots));
	while (at < sizeof(dots)) {
		while ((n = smtp_client_content(c, str_from(dots + at, sizeof(dots) - at))) > 0)
			at += n;
		assert_in_range(buf_len(out), 1, SMTP_CLIENT_CONTENT_HIGH + 2);
		buf_drain(out, buf_len(out));
	}
	smtp_client_free(&c);
}

static void
test_limits_extension(void **state)
{
	struct smtp_client *c =
	    client_at(READY_WITH("LIMITS RCPTMAX=1 MAILMAX=1 X=0"), false, SMTP_CLIENT_EV_READY);
	struct smtp_client_message two = simple;

	(void)state;
	two.nrcpts = 2;
	assert_int_equal(smtp_client_rcpt_max(c), 1);
	assert_int_equal(smtp_client_send(c, &two), SMTP_CLIENT_EINVAL);
	assert_true(smtp_client_may_send(c));
	assert_int_equal(smtp_client_send(c, &simple), 0);
	sent(c);
	expect(c, "550 x\r\n", SMTP_CLIENT_EV_DONE);
	assert_false(smtp_client_may_send(c));
	assert_int_equal(smtp_client_send(c, &simple), SMTP_CLIENT_EOFFER);
	smtp_client_free(&c);
}

/* Nothing from an envelope ends a command or begins a parameter. */
static void
test_envelope(void **state)
{
	static const char *const bad[] = { "a@b.test> NOTIFY=NEVER", "a@b.test>\r\nRSET",
		"a b@c.test", "", "\xc3\xa4@b.test", "a@b\n.test" };
	struct smtp_client *c = client_at(READY_WITH("DSN"), false, SMTP_CLIENT_EV_READY);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct smtp_client_rcpt rcpt = { .to = bad[i] };
		struct smtp_client_message m = { .from = "", .rcpts = &rcpt, .nrcpts = 1 };

		assert_int_equal(smtp_client_send(c, &m), 0);
		expect(c, "", SMTP_CLIENT_EV_DONE);
		assert_string_equal(smtp_client_result(c, 0)->enhanced, "5.1.3");
		assert_int_equal(buf_len(smtp_client_out(c)), 0);
		m.rcpts = to;
		m.from = *bad[i] == '\0' ? "@" : bad[i];
		m.envid = "a\r\nb";
		assert_int_equal(smtp_client_send(c, &m), 0);
		expect(c, "", SMTP_CLIENT_EV_DONE);
		assert_string_equal(smtp_client_result(c, 0)->enhanced, "5.1.7");
	}
	assert_int_equal(smtp_client_send(c,
			     &(struct smtp_client_message){
				 .from = "", .rcpts = to, .nrcpts = 1, .envid = "a\r\nb" }),
	    0);
	assert_int_equal(buf_len(smtp_client_out(c)), strlen("MAIL FROM:<>\r\n"));
	smtp_client_free(&c);
}

/* After AUTH no copy of the secret is left in the buffer. */
static void
test_wiped(void **state)
{
	struct smtp_client *c = client_at(READY_WITH("AUTH LOGIN"), true, SMTP_CLIENT_EV_READY);
	struct buf *out = smtp_client_out(c);
	static const char *const says[] = { "", "334 x\r\n", "334 x\r\n", "235 ok\r\n" };

	(void)state;
	assert_int_equal(smtp_client_auth(c, "", STR("x")), SMTP_CLIENT_EINVAL);
	assert_int_equal(smtp_client_auth(c, "joe", STR("a\0b")), SMTP_CLIENT_EINVAL);
	assert_int_equal(smtp_client_auth(c, "joe", STR("verysecret")), 0);
	for (int i = 0; i < 4; i++) {
		expect(c, says[i], i < 3 ? SMTP_CLIENT_EV_NONE : SMTP_CLIENT_EV_AUTH);
		if (i == 2)
			assert_non_null(memmem(out->data, out->cap, "dmVyeXNlY3JldA", 14));
		buf_drain(out, buf_len(out));
	}
	assert_null(memmem(out->data, out->cap, "dmVyeXNlY3JldA", 14));
	smtp_client_free(&c);
}

static void
test_reply_text(void **state)
{
	static const struct {
		const char *in, *enhanced, *text;
	} rows[] = {
		{ "550 5.1.1 no such user\r\n", "5.1.1", "no such user" },
		{ "550-5.1.1 no\r\n550-5.1.1   such\r\n550 user \r\n", "5.1.1", "no such user" },
		{ "550 4.1.1 x\r\n", "", "4.1.1 x" },
		{ "550 5.1.1\r\n", "5.1.1", "" },
		{ "550 5.123.123 x\r\n", "5.123.123", "x" },
		{ "550 5.1234.1 x\r\n", "", "5.1234.1 x" },
		{ "550 5.1.1x\r\n", "", "5.1.1x" },
		{ "550 a\x1b[2J\tb\xc3\xa4\r\n", "", "a?[2J?b??" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server_reply r = { 0 };
		struct str in = str_of(rows[i].in), line;
		size_t used;

		while (server_reply_take(&r, in, &used, &line) == SERVER_REPLY_LINE)
			in = str_from(in.p + used, in.n - used);
		assert_int_equal(used, in.n);
		assert_string_equal(r.enhanced, rows[i].enhanced);
		assert_string_equal(r.text, rows[i].text);
	}
}

/* Each line end of any kind as CR LF, and one at the end. */
static void
canonical(struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '\r' && in.p[i] != '\n') {
			buf_putc(out, in.p[i]);
			continue;
		}
		buf_puts(out, "\r\n");
		i += in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] == '\n';
	}
	if (in.n > 0 && in.p[in.n - 1] != '\n' && in.p[in.n - 1] != '\r')
		buf_puts(out, "\r\n");
}

/* What a strict server makes of it: content as by lib/smtp, nothing behind the end, no bare line end. */
static void
unstuff(struct buf *wire, struct buf *out)
{
	struct smtp_content content;
	struct str run;
	bool end = false;

	smtp_content_init(&content);
	while (!end) {
		size_t n = smtp_content_data(
		    &content, str_from(buf_data(wire), buf_len(wire)), &run, &end);

		assert_true(n > 0);
		buf_put(out, run.p, run.n);
		buf_drain(wire, n);
	}
	assert_false(content.bare);
	assert_int_equal(buf_len(wire), 0);
}

static void
round_trip(struct str text, size_t split)
{
	struct smtp_client_stuff s = { 0 };
	struct buf wire, got, want;

	buf_init(&wire, 1000);
	buf_init(&got, 1000);
	buf_init(&want, 1000);
	smtp_client_stuff(&s, str_from(text.p, split), &wire);
	smtp_client_stuff(&s, str_from(text.p + split, text.n - split), &wire);
	smtp_client_stuff_end(&s, &wire);
	unstuff(&wire, &got);
	canonical(text, &want);
	assert_int_equal(buf_len(&got), buf_len(&want));
	if (buf_len(&want) > 0)
		assert_memory_equal(buf_data(&got), buf_data(&want), buf_len(&want));
	buf_free(&wire);
	buf_free(&got);
	buf_free(&want);
}

/* All texts of up to six bytes from the four that matter, at every split. */
static void
test_stuffing(void **state)
{
	char text[6];

	(void)state;
	for (size_t n = 0; n <= sizeof(text); n++)
		for (unsigned code = 0; code < 1U << (2 * n); code++) {
			for (size_t i = 0; i < n; i++)
				text[i] = "\r\n.a"[code >> (2 * i) & 3];
			for (size_t split = 0; split <= n; split++)
				round_trip(str_from(text, n), split);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_amid_content),
		cmocka_unit_test(test_too_early),
		cmocka_unit_test(test_host_ends),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_limits_extension),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_wiped),
		cmocka_unit_test(test_reply_text),
		cmocka_unit_test(test_stuffing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
