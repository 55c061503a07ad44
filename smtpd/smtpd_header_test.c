/* SPDX-License-Identifier: ISC */
/* smtpd: the header of a message on its way to queue. */
#include "smtpd/test_peers.h"

/* The message as queue got it, sent in pieces of n bytes. */
static void
send_pieces(const char *message, size_t n)
{
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	for (size_t at = 0, len = strlen(message); at < len; at += n) {
		char piece[200];

		snprintf(piece, sizeof(piece), "%.*s", (int)n, message + at);
		say(piece);
		run(1);
	}
	assert_int_equal(ask(".\r\n"), 250);
}

static void
test_results_of_others(void **state)
{
	static const char claims[] =
	    "From: b@b.test\r\nAuthentication-Results: mx.test;\r\n spf=pass\r\n"
	    "X-Postern-Report: foreign\r\n"
	    "Authentication-Results: other.test; spf=pass\r\n\r\nbody\r\n\r\n";
	static const char kept[] =
	    "From: b@b.test\r\nAuthentication-Results: other.test; spf=pass\r\n\r\nbody\r\n\r\n";

	(void)state;
	for (size_t n = 1; n < 100; n += 7) {
		send_pieces(claims, n);
		assert_int_equal(buf_len(&t.content), sizeof(kept) - 1);
		assert_memory_equal(buf_data(&t.content), kept, sizeof(kept) - 1);
		io_stream_free(&t.client);
		wait_idle();
	}
	send_pieces("From: b@b.test\r\nAuthentication-Results: mx.test; none\r\n", 100);
	assert_int_equal(buf_len(&t.content), 16); /* no empty line, no body */
}

static void
test_header_without_end(void **state)
{
	char line[1000];

	(void)state;
	memset(line, 'a', sizeof(line) - 1);
	memcpy(line, "X: ", 3);
	snprintf(line + 900, 100, "\r\n");
	envelope();
	assert_int_equal(ask("DATA\r\n"), 354);
	for (size_t i = 0; i < SESSION_HEADER_MAX / 902 + 10; i++) {
		say(line);
		run(1);
	}
	assert_int_equal(ask(".\r\n"), 550);
	assert_non_null(strstr(t.reply, "5.6.0"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_results_of_others),
		T(test_header_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
