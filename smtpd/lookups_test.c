/* SPDX-License-Identifier: ISC */
/* Questions beyond what resolver takes: sessions take turns, and nobody's fails for want of room. */
#include "smtpd/test_peers.h"

enum { ASK = LOOKUPS_AT_ONCE + 4, CROWD = LOOKUPS_OUT_MAX / LOOKUPS_AT_ONCE + 2 };

static struct lookups crowd[CROWD];

/* Different ones each time; taken: each of them, or none. */
static void
ask_new(struct lookups *l, unsigned n, bool taken)
{
	static unsigned last;
	struct dns_question q = { .type = DNS_A };
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "n%u.test", ++last);
		assert_true(dns_name_parse(str_of(name), &q.name));
		assert_int_equal(lookups_ask(l, &q, 1), taken);
	}
}

static void
ask_dns(struct lookups *l, unsigned n)
{
	ask_new(l, n, true);
}

static void
answer(uint64_t id)
{
	ipc_send_dns_answer(t.resolver, id, &(struct ipc_dns_answer){ .result = IPC_NO });
}

static void
fill(void)
{
	client_connect();
	assert_int_equal(reply_code(), 220);
	t.mute_resolver = true;
	t.questions = 0;
	for (size_t i = 0; i < CROWD; i++) {
		lookups_init(&crowd[i], t.d, session());
		ask_dns(&crowd[i], ASK);
	}
	run(50);
	assert_int_equal(t.questions, LOOKUPS_OUT_MAX);
}

static unsigned
count_answers(const struct lookups *l, enum dns_fact_state state)
{
	unsigned n = 0;

	for (size_t i = 0; i < l->count; i++)
		n += l->fact[i].state == state;
	return n;
}

/* The first sessions have all that one may have, the last none yet: it is its turn at the next answers. */
static void
test_turns(void **state)
{
	uint64_t first;

	(void)state;
	fill();
	first = t.question - LOOKUPS_OUT_MAX + 1;
	assert_int_equal(crowd[0].at_resolver, LOOKUPS_AT_ONCE);
	assert_int_equal(crowd[CROWD - 1].at_resolver, 0);
	assert_int_equal(crowd[CROWD - 1].out, ASK);
	for (unsigned i = 0; i < 30; i++)
		answer(first + i);
	run(50);
	assert_int_equal(t.questions, LOOKUPS_OUT_MAX + 30);
	assert_in_range(crowd[CROWD - 1].at_resolver, 5, LOOKUPS_AT_ONCE);
	assert_in_range(crowd[0].at_resolver, 1, 4); /* what it had not asked yet */
	assert_int_equal(count_answers(&crowd[0], DNS_FACT_TEMP), 0);
	for (uint64_t id = first + 30; id < first + CROWD * ASK; id++)
		answer(id);
	run(50);
	assert_int_equal(count_answers(&crowd[CROWD - 1], DNS_FACT_NXDOMAIN), ASK);
	for (size_t i = 0; i < CROWD; i++)
		lookups_clear(&crowd[i]);
}

/* What a session left behind counts until resolver is done with it. */
static void
test_left_behind(void **state)
{
	struct lookups later = { 0 };
	uint64_t last;

	(void)state;
	fill();
	last = t.question;
	for (size_t i = 0; i < CROWD; i++)
		lookups_clear(&crowd[i]);
	lookups_init(&later, t.d, session());
	ask_dns(&later, 2);
	assert_false(run(40));
	assert_int_equal(t.questions, LOOKUPS_OUT_MAX);
	answer(last);
	run(50);
	assert_int_equal(t.questions, LOOKUPS_OUT_MAX + 1);
	assert_int_equal(later.count, 0);
	ipc_channel_free(&t.resolver); /* with it all of them are over */
	run(40);
	assert_int_equal(count_answers(&later, DNS_FACT_TEMP), 2);
	assert_int_equal(map_count(t.d->questions), 0);
	assert_true(TAILQ_EMPTY(&t.d->turns));
	lookups_clear(&later);
}

/* However much a client and a message bring up: so many questions, the last part for the message alone. */
static void
test_cap(void **state)
{
	enum { BEFORE = LOOKUPS_MAX - LOOKUPS_MESSAGE_MAX, BEYOND = 20 };
	struct lookups l = { 0 };

	(void)state;
	client_connect();
	assert_int_equal(reply_code(), 220);
	t.questions = 0;
	lookups_init(&l, t.d, session());
	ask_dns(&l, BEFORE);
	ask_new(&l, BEYOND, false);
	run(50);
	assert_int_equal(t.questions, BEFORE);
	assert_int_equal(count_answers(&l, DNS_FACT_NONE), BEFORE);
	assert_int_equal(count_answers(&l, DNS_FACT_TEMP), BEYOND);
	lookups_message(&l);
	ask_dns(&l, LOOKUPS_MESSAGE_MAX);
	ask_new(&l, BEYOND, false);
	run(50);
	assert_int_equal(t.questions, 360); /* as docs/limits.md says */
	assert_int_equal(count_answers(&l, DNS_FACT_TEMP), 2 * BEYOND);
	lookups_renew(&l); /* the next message has a share of its own */
	ask_new(&l, 1, true);
	lookups_clear(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_turns),
		T(test_left_behind),
		T(test_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
