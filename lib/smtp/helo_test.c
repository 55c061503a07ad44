/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "smtp/helo.h"

static void
test_helo(void **state)
{
	static const struct {
		const char *helo, *client;
		enum smtp_reply_id want;
	} cases[] = {
		{ "mail.example.org", "192.0.2.1", SMTP_OK },
		{ "my_pc.local", "192.0.2.1", SMTP_OK },
		{ "xn--bcher-kva.example", "2001:db8::1", SMTP_OK },
		{ "3com.example", "192.0.2.1", SMTP_OK },
		{ "localhost", "192.0.2.1", SMTP_HELO_NOT_QUALIFIED },
		{ "win-abc", "192.0.2.1", SMTP_HELO_NOT_QUALIFIED },
		{ "localhost.localdomain", "192.0.2.1", SMTP_HELO_NOT_QUALIFIED },
		{ "a.localhost", "192.0.2.1", SMTP_HELO_NOT_QUALIFIED },
		{ "host.123", "192.0.2.1", SMTP_HELO_NOT_QUALIFIED },
		{ "300.1.1.1", "192.0.2.1", SMTP_HELO_NOT_QUALIFIED },
		{ "mx.here.test", "192.0.2.1", SMTP_HELO_OURS },
		{ "MX.here.TEST", "192.0.2.1", SMTP_HELO_OURS },
		{ "here.test", "192.0.2.1", SMTP_HELO_OURS },
		{ "a.mx.here.test", "192.0.2.1", SMTP_OK },
		{ "[192.0.2.1]", "192.0.2.1", SMTP_OK },
		{ "192.0.2.1", "192.0.2.1", SMTP_OK },
		{ "[192.0.2.2]", "192.0.2.1", SMTP_HELO_ADDRESS },
		{ "192.0.2.2", "192.0.2.1", SMTP_HELO_ADDRESS },
		{ "[127.0.0.1]", "192.0.2.1", SMTP_HELO_ADDRESS },
		{ "[IPv6:2001:db8::1]", "2001:db8::1", SMTP_OK },
		{ "[IPv6:2001:DB8:0:0::1]", "2001:db8::1", SMTP_OK },
		{ "[ipv6:2001:db8::2]", "2001:db8::1", SMTP_HELO_ADDRESS },
		{ "[IPv6:::ffff:192.0.2.1]", "192.0.2.1", SMTP_OK },
		{ "[192.0.2.1]", "2001:db8::1", SMTP_HELO_ADDRESS },
		{ "[]", "192.0.2.1", SMTP_HELO_NOT_QUALIFIED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum smtp_reply_id got = smtp_helo_check(&(struct smtp_helo){ .helo = cases[i].helo,
		    .client = cases[i].client,
		    .ours = { "mx.here.test", "here.test" } });

		if (got != cases[i].want)
			fail_msg("%s from %s: got %s", cases[i].helo, cases[i].client,
			    smtp_reply_get(got)->name);
	}
	assert_int_equal(smtp_helo_check(&(struct smtp_helo){
			     .helo = "here.test", .client = "192.0.2.1", .ours = { "", "" } }),
	    SMTP_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_helo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
