/* SPDX-License-Identifier: ISC */
/* Threading (rfc5256:3), and sorting in slices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "imap/thread.h"

/* id, references, subject ("Re: x" is a reply to "x"), date */
struct row {
	const char *id, *refs, *subject;
	int64_t date;
};

enum { ROWS = 64, REFS = 16 };

static struct imap_thread_message messages[ROWS];
static struct str refs[ROWS][REFS];

static uint32_t
number(void *arg, uint32_t i)
{
	const uint32_t *names = arg;

	return names ? names[i] : i + 1;
}

static size_t
fill(const struct row *rows)
{
	size_t n = 0;

	for (; rows[n].id != NULL; n++) {
		struct imap_thread_message *m = &messages[n];
		const char *p = rows[n].refs;

		*m = (struct imap_thread_message){ .date = rows[n].date, .id = str_of(rows[n].id) };
		m->subject = str_of(rows[n].subject);
		m->reply = str_starts_nocase(m->subject, STR("Re: "));
		if (m->reply)
			m->subject = str_from(m->subject.p + 4, m->subject.n - 4);
		m->refs = refs[n];
		for (size_t k; *p; p += k + (p[k] == ' ')) {
			k = strcspn(p, " ");
			refs[n][m->nrefs++] = str_from(p, k);
		}
	}
	return n;
}

static void
threads_named(
    enum imap_thread_algorithm how, const struct row *rows, const uint32_t *names, const char *want)
{
	struct imap_thread t;
	struct buf b;
	size_t n = fill(rows);

	imap_thread_begin(&t, how, messages, n);
	while (!imap_thread_step(&t))
		;
	buf_init(&b, 1000);
	for (size_t low = 1; !imap_thread_put(&t, &b, low, number, (void *)(uintptr_t)names); low++)
		;
	buf_putc(&b, 0);
	assert_string_equal(buf_data(&b), want);
	buf_free(&b);
	imap_thread_free(&t);
}

static void
threads(const struct row *rows, const char *want)
{
	threads_named(IMAP_THREAD_REFERENCES, rows, NULL, want);
}

#define END \
	{ \
		NULL, NULL, NULL, 0 \
	}

/* The examples of the RFC (its section 4), each with messages that make it. */
static void
test_rfc_examples(void **state)
{
	static const uint32_t names[] = { 2, 3, 4, 6, 7, 23, 44, 96 };
	static const struct row tree[] = { { "2", "", "two", 1 }, { "3", "", "", 2 },
		{ "4", "3 6", "", 4 }, { "6", "3", "", 3 }, { "7", "3 6 44", "", 7 },
		{ "23", "6 4", "", 5 }, { "44", "6", "", 6 }, { "96", "44 7", "", 8 }, END };
	static const uint32_t parentless[] = { 3, 5 };
	static const struct row two[] = { { "3", "1", "", 1 }, { "5", "1", "", 2 }, END };
	static const uint32_t late[] = { 170, 171, 172, 173, 174, 175, 176, 178, 179, 180, 181 };
	static const struct row subjects[] = { { "170", "", "a", 6 }, { "171", "", "b", 7 },
		{ "172", "", "c", 5 }, { "173", "", "d", 8 }, { "174", "", "Re: e", 9 },
		{ "175", "", "Re: e", 10 }, { "176", "", "Re: e", 11 }, { "178", "", "Re: e", 12 },
		{ "179", "", "a", 20 }, { "180", "", "Re: e", 14 }, { "181", "", "Re: e", 13 },
		END };

	(void)state;
	threads_named(IMAP_THREAD_REFERENCES, tree, names, "(2)(3 6 (4 23)(44 7 96))");
	threads_named(IMAP_THREAD_REFERENCES, two, parentless, "((3)(5))");
	threads_named(IMAP_THREAD_ORDEREDSUBJECT, subjects, late,
	    "(172)(170 179)(171)(173)(174 (175)(176)(178)(181)(180))");
	threads_named(IMAP_THREAD_REFERENCES, subjects, late,
	    "(172)((170)(179))(171)(173)((174)(175)(176)(178)(181)(180))");
}

static void
test_ordered_subject(void **state)
{
	/* by dates, equal dates in the order of the folder; no subject is a subject here */
	static const struct row rows[] = { { "", "", "x", 5 }, { "", "", "y", 5 },
		{ "", "", "x", 4 }, { "", "", "", 9 }, { "", "", "y", 5 }, { "", "", "", 1 },
		{ "", "", "x", 7 }, END };

	(void)state;
	threads_named(IMAP_THREAD_ORDEREDSUBJECT, rows, NULL, "(6 4)(3 (1)(7))(2 5)");
	threads_named(IMAP_THREAD_ORDEREDSUBJECT, (const struct row[]){ END }, NULL, "");
}

/* Steps 1 to 3. */
static void
test_references(void **state)
{
	(void)state;
	threads((const struct row[]){ END }, "");
	/* replies before what they reply to */
	threads((const struct row[]){ { "c", "a b", "", 3 }, { "b", "a", "", 2 },
		    { "a", "", "", 1 }, END },
	    "(3 2 1)");
	/* what is missing in the middle is left out, at the top only with one child */
	threads((const struct row[]){ { "a", "", "", 1 }, { "c", "a b", "", 2 },
		    { "d", "a b", "", 3 }, END },
	    "(1 (2)(3))");
	threads((const struct row[]){ { "c", "a b", "", 2 }, END }, "(1)");
	threads((const struct row[]){ { "c", "a b", "", 2 }, { "d", "a x y", "", 3 }, END },
	    "((1)(2))");
	threads(
	    (const struct row[]){ { "c", "a b", "", 2 }, { "d", "a x c", "", 3 }, END }, "(1 2)");
	/* all of a missing one's children hang from the topmost missing one */
	threads((const struct row[]){ { "d", "a b c", "", 1 }, { "e", "a b", "", 2 },
		    { "f", "a", "", 3 }, { "g", "a b c d", "", 4 }, END },
	    "((1 4)(2)(3))");
	/* an id that comes twice belongs to the first */
	threads((const struct row[]){ { "a", "", "", 1 }, { "a", "", "", 2 }, { "b", "a", "", 3 },
		    END },
	    "(1 3)(2)");
	threads((const struct row[]){ { "a", "", "", 1 }, { "b", "a", "", 2 }, { "b", "", "", 3 },
		    END },
	    "(1 2)(3)");
	/* no id at all */
	threads(
	    (const struct row[]){ { "", "a", "", 1 }, { "", "a", "", 2 }, { "", "", "", 3 }, END },
	    "((1)(2))(3)");
	/* what a message says of itself counts more than what others say (1.B) */
	threads((const struct row[]){ { "a", "", "", 1 }, { "c", "a b", "", 2 }, { "b", "", "", 3 },
		    END },
	    "(1)(3 2)");
	threads((const struct row[]){ { "a", "", "", 1 }, { "d", "a c", "", 2 }, { "b", "", "", 3 },
		    { "c", "b", "", 4 }, END },
	    "(1)(3 4 2)");
}

/* References that go round never make a loop. */
static void
test_loops(void **state)
{
	(void)state;
	threads((const struct row[]){ { "a", "a", "", 1 }, END }, "(1)");
	threads((const struct row[]){ { "a", "b", "", 1 }, { "b", "a", "", 2 }, END }, "(2 1)");
	threads((const struct row[]){ { "a", "c", "", 1 }, { "b", "a", "", 2 }, { "c", "b", "", 3 },
		    END },
	    "(3 1 2)");
	threads(
	    (const struct row[]){ { "a", "b a b", "", 1 }, { "b", "a b a", "", 2 }, END }, "(2 1)");
	threads((const struct row[]){ { "x", "a b c a", "", 1 }, { "y", "c b a", "", 2 }, END },
	    "((1)(2))");
	threads((const struct row[]){ { "x", "a x b", "", 1 }, { "b", "x", "", 2 },
		    { "a", "b", "", 3 }, END },
	    "(1 2 3)");
}

/* Steps 4 and 6. */
static void
test_dates(void **state)
{
	(void)state;
	threads((const struct row[]){ { "a", "", "", 3 }, { "b", "", "", 2 }, { "c", "", "", 3 },
		    { "d", "", "", 1 }, END },
	    "(4)(2)(1)(3)");
	threads((const struct row[]){ { "a", "", "", 9 }, { "b", "a", "", 5 }, { "c", "a", "", 4 },
		    { "d", "a", "", 5 }, END },
	    "(1 (3)(2)(4))");
	/* one that is not there stands where its first child does */
	threads((const struct row[]){ { "a", "x", "", 9 }, { "b", "", "", 5 }, { "c", "x", "", 4 },
		    { "d", "", "", 3 }, END },
	    "(4)((3)(1))(2)");
}

/* Step 5. */
static void
test_subjects(void **state)
{
	(void)state;
	/* a reply below what is none, wherever they stand */
	threads((const struct row[]){ { "a", "", "x", 1 }, { "b", "", "Re: x", 2 }, END }, "(1 2)");
	threads((const struct row[]){ { "a", "", "Re: x", 1 }, { "b", "", "x", 2 }, END }, "(2 1)");
	/* equals side by side */
	threads((const struct row[]){ { "a", "", "x", 1 }, { "b", "", "x", 2 }, { "c", "", "x", 3 },
		    END },
	    "((1)(2)(3))");
	threads((const struct row[]){ { "a", "", "Re: x", 1 }, { "b", "", "Re: x", 2 }, END },
	    "((1)(2))");
	threads((const struct row[]){ { "a", "", "x", 1 }, { "b", "", "Re: x", 2 },
		    { "c", "", "x", 3 }, END },
	    "((1 2)(3))");
	/* with one that is not there */
	threads((const struct row[]){ { "a", "m", "x", 1 }, { "b", "m", "", 2 },
		    { "c", "", "x", 3 }, END },
	    "((1)(2)(3))");
	threads((const struct row[]){ { "c", "", "x", 1 }, { "a", "m", "x", 2 },
		    { "b", "m", "", 3 }, END },
	    "((1)(2)(3))");
	threads((const struct row[]){ { "a", "m", "x", 1 }, { "b", "m", "", 2 },
		    { "c", "n", "Re: x", 3 }, { "d", "n", "", 4 }, { "e", "", "Re: x", 5 }, END },
	    "((1)(2)(3)(4)(5))");
	/* the subject of a thread is that of its first message; none is no subject */
	threads((const struct row[]){ { "a", "", "x", 1 }, { "b", "a", "y", 2 },
		    { "c", "", "y", 3 }, { "d", "", "", 4 }, { "e", "", "", 5 }, END },
	    "(1 2)(3)(4)(5)");
	/* inside of a thread subjects do not count */
	threads((const struct row[]){ { "a", "", "x", 1 }, { "b", "a", "x", 2 },
		    { "c", "b", "Re: x", 3 }, END },
	    "(1 2 3)");
}

/* ---- large ------------------------------------------------------------------------------------ */
struct big {
	struct imap_thread_message *m;
	struct str *refs;
	char (*id)[12];
	size_t n;
};

/* A chain of n messages: each names the one before; order: the place of the i-th in the folder. */
static struct big
chain(size_t n, size_t (*order)(size_t i, size_t n))
{
	struct big b = { xcalloc(n, sizeof(*b.m)), xcalloc(n, sizeof(*b.refs)), xcalloc(n, 12), n };

	for (size_t i = 0; i < n; i++) {
		struct imap_thread_message *m = &b.m[order(i, n)];

		snprintf(b.id[i], sizeof(b.id[i]), "%zu@x", i);
		m->id = str_of(b.id[i]);
		m->date = (int64_t)i;
		m->refs = &b.refs[i];
		m->nrefs = i > 0;
		if (i > 0)
			b.refs[i] = str_of(b.id[i - 1]);
	}
	return b;
}

static void
big_free(struct big *b)
{
	free(b->m);
	free(b->refs);
	free(b->id);
}

static size_t
forwards(size_t i, size_t n)
{
	(void)n;
	return i;
}

static size_t
backwards(size_t i, size_t n)
{
	return n - 1 - i;
}

static size_t
mixed(size_t i, size_t n)
{
	return i * 7919 % n;
}

static void
test_deep(void **state)
{
	size_t (*const orders[])(size_t, size_t) = { forwards, backwards, mixed };
	enum { N = 10000 };

	(void)state;
	for (int k = 0; k < 3; k++) {
		struct big b = chain(N, orders[k]);
		struct buf got, want;
		struct imap_thread t;

		buf_init(&got, 1 << 20);
		buf_init(&want, 1 << 20);
		for (size_t i = 0; i < N; i++)
			buf_printf(&want, "%c%zu", i ? ' ' : '(', orders[k](i, N) + 1);
		buf_puts(&want, ")");
		imap_thread_begin(&t, IMAP_THREAD_REFERENCES, b.m, N);
		while (!imap_thread_step(&t))
			;
		assert_true(imap_thread_put(&t, &got, SIZE_MAX, number, NULL));
		assert_int_equal(got.len, want.len);
		assert_memory_equal(buf_data(&got), buf_data(&want), want.len);
		imap_thread_free(&t);
		buf_free(&got);
		buf_free(&want);
		big_free(&b);
	}
}

/* Deep, and nothing of it but the ends is there; wide below one that is missing. */
static void
test_missing(void **state)
{
	enum { N = 20000 };
	struct str *all = xcalloc(N, sizeof(*all));
	char(*id)[12] = xcalloc(N, 12);
	struct imap_thread_message m[2] = { 0 };
	struct imap_thread t;
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < N; i++) {
		snprintf(id[i], sizeof(id[i]), "%zu@x", i);
		all[i] = str_of(id[i]);
	}
	m[0].refs = m[1].refs = all;
	m[0].nrefs = N;
	m[1].nrefs = N / 2;
	imap_thread_begin(&t, IMAP_THREAD_REFERENCES, m, 2);
	while (!imap_thread_step(&t))
		;
	assert_true(imap_thread_put(&t, &b, 100, number, NULL));
	assert_true(str_eq(str_from(buf_data(&b), b.len), STR("((1)(2))")));
	imap_thread_free(&t);
	buf_free(&b);
	free(all);
	free(id);
}

/* ---- order.h ---------------------------------------------------------------------------------- */
static int
by_value(const void *arg, uint32_t a, uint32_t b)
{
	const int *v = arg;

	return (v[a] > v[b]) - (v[a] < v[b]);
}

static void
test_order(void **state)
{
	(void)state;
	for (size_t n = 0; n < 200; n++) {
		struct imap_order o;
		int v[200];

		for (size_t i = 0; i < n; i++)
			v[i] = (int)(i * 31 % 17);
		imap_order_begin(&o, n, by_value, v);
		while (!imap_order_pass(&o))
			;
		for (size_t i = 1; i < n; i++) {
			int r = by_value(v, o.at[i - 1], o.at[i]);

			assert_true(r < 0 || (r == 0 && o.at[i - 1] < o.at[i]));
		}
		imap_order_free(&o);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_examples),
		cmocka_unit_test(test_ordered_subject),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
