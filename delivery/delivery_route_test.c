/* SPDX-License-Identifier: ISC */
/* Which servers are tried, and what is said when there is none. */
#include "delivery/test_peers.h"

/* Refused, busy, closed, then one that takes it. */
static void
test_next_mx(void **state)
{
	static const struct fake_step busy[] = { { SAY, "421 4.3.2 busy\r\n", 0 },
		{ OVER, NULL, 0 } };
	static const struct fake_step ehlo[] = { GREET, { SAY, "451 4.3.2 later\r\n", 0 }, BYE };
	static const struct fake_step *const s_busy[] = { busy, NULL }, *const s_ehlo[] = { ehlo,
		NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	server(f, 0, "127.0.0.2", s_busy);
	server(f, 1, "127.0.0.3", s_ehlo);
	server(f, 2, "::1", all_healthy);
	begin(f);
	dns_mx(f, "a.test", 10, "mx1.test"); /* nobody listens */
	dns_mx(f, "a.test", 20, "mx2.test");
	dns_mx(f, "a.test", 30, "mx3.test");
	dns_mx(f, "a.test", 40, "mx.test");
	dns_address(f, "mx1.test", "127.0.0.9");
	dns_address(f, "mx2.test", "127.0.0.2");
	dns_address(f, "mx3.test", "127.0.0.3");
	dns_address(f, "mx.test", "::1");
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_non_null(strstr(o.r[0].remote, "mx.test [::1]:"));
	assert_int_equal(f->s[0].heard->connections, 1);
	assert_int_equal(f->s[1].heard->connections, 1);
	nothing_wrong(f);
}

/* What a server says about a recipient counts; its neighbours are not asked. */
static void
test_no_next_mx_after_rcpt(void **state)
{
	static const struct fake_step script[] = { GREET, EHLO_PLAIN, MAIL, { HEAR, "RCPT", 0 },
		{ SAY, "550 5.1.1 unknown\r\n", 0 }, BYE };
	static const struct fake_step later[] = { GREET, EHLO_PLAIN, MAIL, { HEAR, "RCPT", 0 },
		{ SAY, "451 4.2.1 later\r\n", 0 }, BYE };
	static const struct fake_step *const scripts[] = { script, later, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT }, temp = { .text = TEXT };

	f->o.idle_ms = 0;
	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_mx(f, "a.test", 20, "mx2.test");
	dns_address(f, "mx2.test", "127.0.0.2");
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_NO);
	assert_int_equal(o.r[0].code, 550);
	assert_int_equal(o.destination, IPC_OK);
	deliver(f, &temp);
	assert_int_equal(temp.r[0].result, IPC_TEMP);
	assert_int_equal(temp.r[0].code, 451);
	assert_int_equal(f->s[1].heard->connections, 0);
	run_until(f, &f->s[0].heard->closed, 2);
	nothing_wrong(f);
}

/* A server that goes away before the content is no better than one that does not greet. */
static void
test_next_mx_in_transaction(void **state)
{
	static const struct fake_step closes[] = { GREET, EHLO_PLAIN, { HEAR, "MAIL", 0 },
		{ OVER, NULL, 0 } };
	static const struct fake_step *const scripts[] = { closes, NULL };
	struct fixture *f = *state;
	struct order o = { .text = TEXT };

	simple(f, scripts);
	server(f, 1, "127.0.0.2", all_healthy);
	dns_mx(f, "a.test", 20, "mx2.test");
	dns_address(f, "mx2.test", "127.0.0.2");
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	assert_int_equal(f->s[1].heard->dots, 1);
}

/* For good only when all servers refuse us for good. */
static void
test_refused_greeting(void **state)
{
	static const struct fake_step no[] = { { SAY, "554 5.7.1 not you\r\n", 0 }, BYE };
	static const struct fake_step *const s_no[] = { no, NULL };
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT };

	simple(f, s_no);
	server(f, 1, "127.0.0.2", s_no);
	dns_mx(f, "a.test", 20, "mx2.test");
	dns_address(f, "mx2.test", "127.0.0.2");
	deliver(f, &a);
	assert_int_equal(a.r[0].result, IPC_NO);
	assert_int_equal(a.r[0].code, 554);
	assert_string_equal(a.r[0].enhanced, "5.7.1");
	assert_int_equal(f->s[1].heard->connections, 1);
	dns_mx(f, "a.test", 30, "mx3.test");
	dns_address(f, "mx3.test", "127.0.0.9");
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_TEMP);
	assert_string_equal(b.r[0].enhanced, "4.7.1");
	assert_int_equal(b.destination, IPC_TEMP);
	nothing_wrong(f);
}

static void
test_no_route(void **state)
{
	struct fixture *f = *state;
	struct order nx = { .text = TEXT, .domain = "none.test" };
	struct order null = { .text = TEXT, .domain = "null.test" };
	struct order loop = { .text = TEXT, .domain = "loop.test" };
	struct order temp = { .text = TEXT, .domain = "temp.test" };
	struct order dead = { .text = TEXT, .domain = "dead.test" };
	struct order literal = { .text = TEXT, .domain = "[127.0.0.1]" };

	simple(f, all_healthy);
	dns_mx(f, "null.test", 0, "");
	dns_mx(f, "loop.test", 10, "own.test");
	name_get(f, "temp.test", DNS_MX)->result = IPC_TEMP;
	dns_address(f, "dead.test", "127.0.0.9"); /* implicit MX; nobody listens */
	deliver(f, &nx);
	assert_int_equal(nx.r[0].result, IPC_NO);
	assert_string_equal(nx.r[0].enhanced, "5.1.2");
	deliver(f, &null);
	assert_int_equal(null.r[0].result, IPC_NO);
	assert_string_equal(null.r[0].enhanced, "5.1.10");
	deliver(f, &loop);
	assert_int_equal(loop.r[0].result, IPC_NO);
	assert_string_equal(loop.r[0].enhanced, "5.4.6");
	deliver(f, &temp);
	assert_int_equal(temp.r[0].result, IPC_TEMP);
	assert_string_equal(temp.r[0].enhanced, "4.4.3");
	assert_int_equal(temp.destination, IPC_TEMP);
	deliver(f, &dead);
	assert_int_equal(dead.r[0].result, IPC_TEMP);
	assert_string_equal(dead.r[0].enhanced, "4.4.1");
	assert_non_null(strstr(dead.r[0].text, "refused"));
	assert_int_equal(dead.destination, IPC_TEMP);
	deliver(f, &literal);
	assert_int_equal(literal.r[0].result, IPC_OK);
	assert_true(literal.r[0].remote[0] == '[');
}

/* Without the setting for tests no connection to such addresses is even tried. */
static void
test_private(void **state)
{
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, own = { .text = TEXT, .domain = "own2.test" };
	struct order literal = { .text = TEXT, .domain = "[127.0.0.1]" };

	f->o.allow_private = false;
	f->o.own[0] = (struct route_address){ 4, { 198, 51, 100, 7 } };
	f->o.nown = 1;
	simple(f, all_healthy);
	dns_mx(f, "own2.test", 10, "mx9.test");
	dns_address(f, "mx9.test", "198.51.100.7");
	deliver(f, &a);
	assert_int_equal(a.r[0].result, IPC_NO);
	assert_string_equal(a.r[0].enhanced, "5.4.4");
	deliver(f, &own);
	assert_int_equal(own.r[0].result, IPC_NO);
	assert_string_equal(own.r[0].enhanced, "5.4.6");
	deliver(f, &literal);
	assert_int_equal(literal.r[0].result, IPC_NO);
	assert_int_equal(f->s[0].heard->connections, 0);
}

/* A domain in other letters is asked for by its name in the DNS. */
static void
test_idn(void **state)
{
	struct fixture *f = *state;
	struct order o = { .text = TEXT,
		.domain = "b\xc3\xbc"
			  "cher.test" };
	struct order bad = { .text = TEXT,
		.domain = "b\xc3\x28"
			  "cher.test" };

	simple(f, all_healthy);
	dns_mx(f, "xn--bcher-kva.test", 10, "mx.test");
	deliver(f, &o);
	assert_int_equal(o.r[0].result, IPC_OK);
	deliver(f, &bad);
	assert_int_equal(bad.r[0].result, IPC_NO);
	assert_string_equal(bad.r[0].enhanced, "5.1.2");
}

static void
test_resolver_gone(void **state)
{
	struct fixture *f = *state;
	struct order a = { .text = TEXT }, b = { .text = TEXT };

	simple(f, all_healthy);
	give(f, &a);
	ipc_channel_free(&f->resolver);
	run(f);
	assert_int_equal(a.r[0].result, IPC_TEMP);
	assert_string_equal(a.r[0].enhanced, "4.4.3");
	deliver(f, &b);
	assert_int_equal(b.r[0].result, IPC_TEMP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_next_mx),
		T(test_no_next_mx_after_rcpt),
		T(test_next_mx_in_transaction),
		T(test_refused_greeting),
		T(test_no_route),
		T(test_private),
		T(test_idn),
		T(test_resolver_gone),
	};

	return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
