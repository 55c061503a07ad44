/* SPDX-License-Identifier: ISC */
/* Servers that close, stall, flood or lie: each is its own failure, and nobody else waits. */
#include "delivery/test_peers.h"

static const struct {
	const char *what;
	struct fake_step script[24];
	uint8_t want;
	const char *enhanced;
} hostile[] = {
	{ "closed at once", { CLOSE }, IPC_TEMP, "4.4.2" },
	/* Before or after we see the connection. */
	{ "reset at once", { { RESET, NULL, 0 }, CLOSE }, IPC_TEMP, "4.4." },
	{ "closed at EHLO", { GREET, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "closed at MAIL", { TO_MAIL, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "closed at RCPT", { TO_RCPT, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "closed at DATA", { TO_DATA, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "closed in the content", { TO_DATA, { SAY, "354 go\r\n", 0 }, CLOSE }, IPC_TEMP,
	    "4.4.2" },
	{ "closed at the dot", { TO_DOT, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "reset at the dot", { TO_DOT, { RESET, NULL, 0 }, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "no greeting", { END }, IPC_TEMP, "4.4.2" },
	{ "no answer to EHLO", { GREET, END }, IPC_TEMP, "4.4.2" },
	{ "no answer to MAIL", { TO_MAIL, END }, IPC_TEMP, "4.4.2" },
	{ "no answer to RCPT", { TO_RCPT, END }, IPC_TEMP, "4.4.2" },
	{ "no answer to DATA", { TO_DATA, END }, IPC_TEMP, "4.4.2" },
	{ "no answer to the dot", { TO_DOT, END }, IPC_TEMP, "4.4.2" },
	{ "endless line", { { ENDLESS, "220-this line has no end ", 0 }, CLOSE }, IPC_TEMP,
	    "4.5.0" },
	{ "endless reply", { { ENDLESS, "220-one more line\r\n", 0 }, CLOSE }, IPC_TEMP, "4.5.0" },
	{ "endless reply to EHLO", { GREET, { ENDLESS, "250-X-YES\r\n", 0 }, CLOSE }, IPC_TEMP,
	    "4.5.0" },
	{ "endless reply to MAIL", { TO_MAIL, { ENDLESS, "250-yes\r\n", 0 }, CLOSE }, IPC_TEMP,
	    "4.5.0" },
	{ "endless greetings", { { ENDLESS, "220 hello\r\n", 0 }, CLOSE }, IPC_TEMP, "4.5.0" },
	{ "rubbish", { { SAY, "HTTP/1.0 400 Bad Request\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "NUL bytes", { { SAY, "\x01\xff\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "greets with 354", { { SAY, "354 go\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "two greetings", { { SAY, "220 a\r\n220 b\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "354 to MAIL", { TO_MAIL, { SAY, "354 go\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "250 to DATA", { TO_DATA, { SAY, "250 ok\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "334 to RCPT", { TO_RCPT, { SAY, "334 x\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "answers before the questions",
	    { { SAY, "220 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n250 f\r\n", 0 }, END }, IPC_TEMP,
	    "4.5.0" },
	{ "taken before the content", { TO_DATA, { SAY, "354 go\r\n250 taken\r\n", 0 }, END },
	    IPC_TEMP, "4.5.0" },
	{ "codes differ in a reply", { { SAY, "220-a\r\n250 b\r\n", 0 }, END }, IPC_TEMP, "4.5.0" },
	{ "421 at RCPT", { TO_RCPT, { SAY, "421 4.3.2 stop\r\n", 0 }, CLOSE }, IPC_TEMP, "4.3.2" },
	{ "refused at MAIL", { TO_MAIL, { SAY, "550 5.7.1 no\r\n", 0 }, END }, IPC_NO, "5.7.1" },
	{ "refused at DATA", { TO_DATA, { SAY, "554 5.7.1 no\r\n", 0 }, END }, IPC_NO, "5.7.1" },
	{ "refused at the dot", { TO_DOT, { SAY, "550 5.7.1 spam\r\n", 0 }, END }, IPC_NO,
	    "5.7.1" },
	{ "later at the dot", { TO_DOT, { SAY, "452 4.3.1 full\r\n", 0 }, END }, IPC_TEMP,
	    "4.3.1" },
	{ "a byte now and then", { { DRIP, "220-slow\r\n", 30 }, CLOSE }, IPC_TEMP, "4.4.2" },
	{ "a byte now and then at the dot", { TO_DOT, { DRIP, "250-wait\r\n", 30 }, CLOSE },
	    IPC_TEMP, "4.4.2" },
	{ "never reads", { { SAY, "220 a\r\n", 0 }, { MUTE, NULL, 0 }, CLOSE }, IPC_TEMP, "4.4.2" },
};
enum { HOSTILE = sizeof(hostile) / sizeof(hostile[0]) };

/* Each ends as its own failure within the time, beside a server that is well all along. */
static void
test_hostile(void **state)
{
	const struct fake_step *scripts[HOSTILE + 1] = { NULL };
	struct fixture *f = *state;

	f->o.command_ms = 250;
	f->o.idle_ms = 0;
	for (size_t i = 0; i < HOSTILE; i++)
		scripts[i] = hostile[i].script;
	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_address(f, "good.test", "127.0.0.2");
	for (size_t i = 0; i < HOSTILE; i++) {
		struct order bad = { .size = 1000 }, good = { .text = TEXT, .domain = "good.test" };
		uint64_t began = io_now_ms(f->loop);

		give(f, &good);
		deliver(f, &bad);
		if (bad.r[0].result != hostile[i].want ||
		    strstr(bad.r[0].enhanced, hostile[i].enhanced) != bad.r[0].enhanced)
			print_error(
			    "%s: %s %s\n", hostile[i].what, bad.r[0].enhanced, bad.r[0].text);
		assert_int_equal(bad.r[0].result, hostile[i].want);
		assert_ptr_equal(strstr(bad.r[0].enhanced, hostile[i].enhanced), bad.r[0].enhanced);
		assert_int_equal(good.r[0].result, IPC_OK);
		assert_true(io_now_ms(f->loop) - began < 5000);
		assert_int_equal(f->s[0].heard->connections, i + 1);
	}
	run_until(f, &f->s[0].heard->closed, HOSTILE); /* nothing is left open */
	assert_string_equal(f->s[0].heard->wrong, "");
}

/* A server that takes no content holds up its own job alone, and little of that. */
static void
test_never_reads_content(void **state)
{
	static const struct fake_step script[] = { TO_DATA, { SAY, "354 go\r\n", 0 },
		{ MUTE, NULL, 0 }, { OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { script, NULL };
	struct fixture *f = *state;
	struct order bad = { .size = 50000000 }, good = { .size = 3000000, .domain = "good.test" };

	f->o.command_ms = 500;
	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_address(f, "good.test", "127.0.0.2");
	give(f, &bad);
	deliver(f, &good);
	assert_int_equal(good.r[0].result, IPC_OK);
	assert_int_equal(bad.r[0].result, IPC_TEMP);
	assert_string_equal(bad.r[0].enhanced, "4.4.2");
	/* Window, buffers and what the kernel's sockets hold (up to 4 and 6 MB). */
	assert_true(bad.wanted < 16000000);
}

static void
test_connect_time(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[4];
	uint64_t began;

	f->o.connect_ms = 100;
	simple(f, all_healthy);
	dns_mx(f, "a.test", 5, "full.test");
	dns_address(f, "full.test", "127.0.0.5");
	inet_pton(AF_INET, "127.0.0.5", &sin.sin_addr);
	sin.sin_port = htons(f->port);
	assert_int_equal(bind(l, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(l, 0), 0);
	for (int i = 0; i < 4; i++) { /* its queue is full: the kernel drops who asks */
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fill[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	began = io_now_ms(f->loop);
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_true(io_now_ms(f->loop) - began >= 95);
	for (int i = 0; i < 4; i++)
		close(fill[i]);
	close(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_hostile),
		T(test_never_reads_content),
		T(test_connect_time),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
