/* SPDX-License-Identifier: ISC */
/*
 * Headers, separated by NUL bytes, to sort keys and threads. Oracle: a base subject's base subject is
 * itself; every message stands in the threads once, parentheses are right, and what is written in
 * small pieces is the same as at once.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "imap/headerkeys.h"
#include "imap/subject.h"
#include "imap/thread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGES = 200 };

static void
subject_check(struct str value)
{
	struct buf one, two;
	struct str base, again;
	bool reply;

	buf_init(&one, 4 * IMAP_SUBJECT_MAX);
	buf_init(&two, 4 * IMAP_SUBJECT_MAX);
	base = imap_subject_base(value, &one, &reply);
	if (base.n < 2 || memmem(base.p, base.n, "=?", 2) == NULL) {
		again = imap_subject_base(base, &two, &reply);
		assert(base.n > IMAP_SUBJECT_MAX || (str_eq(base, again) && !reply));
	}
	buf_free(&one);
	buf_free(&two);
}

static uint32_t
number(void *arg, uint32_t i)
{
	(void)arg;
	return i + 1;
}

static void
threads_check(const struct buf *out, size_t n)
{
	bool seen[MESSAGES + 1] = { false };
	const char *p = (const char *)buf_data(out), *end = p + out->len;
	size_t count = 0, depth = 0;

	while (p < end) {
		if (*p == '(') {
			depth++;
			p++;
		} else if (*p == ')') {
			assert(depth > 0 && p[-1] != '(' && p[-1] != ' ');
			depth--;
			p++;
		} else if (*p == ' ') {
			assert(depth > 0 && p[-1] != '(' && p[-1] != ' ');
			p++;
		} else {
			char *next;
			unsigned long k = strtoul(p, &next, 10);

			assert(next > p && k >= 1 && k <= n && !seen[k] && depth > 0);
			seen[k] = true;
			count++;
			p = next;
		}
	}
	assert(depth == 0 && count == n);
}

static void
threads(enum imap_thread_algorithm how, const struct imap_thread_message *m, size_t n)
{
	struct imap_thread t;
	struct buf one, two;

	buf_init(&one, 16 * MESSAGES);
	buf_init(&two, 16 * MESSAGES);
	for (int k = 0; k < 2; k++) {
		imap_thread_begin(&t, how, m, n);
		while (!imap_thread_step(&t))
			;
		if (k == 0)
			assert(imap_thread_put(&t, &one, SIZE_MAX, number, NULL));
		else
			for (size_t low = 1; !imap_thread_put(&t, &two, low, number, NULL); low++)
				;
		imap_thread_free(&t);
	}
	assert(str_eq(str_from(buf_data(&one), one.len), str_from(buf_data(&two), two.len)));
	buf_putc(&one, 0); /* ends the last number */
	one.len--;
	threads_check(&one, n);
	buf_free(&one);
	buf_free(&two);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct imap_thread_message m[MESSAGES];
	struct arena *a = arena_new(1 << 24);
	struct str all = str_from(data, size);
	struct imap_keys_reader r;
	size_t n = 0;

	imap_keys_reader_init(&r);
	while (all.n > 0 && n < MESSAGES) {
		ptrdiff_t nul = str_chr(all, 0);
		struct str msg = str_from(all.p, nul < 0 ? all.n : (size_t)nul);
		struct imap_header_keys k;

		all = str_from(all.p + msg.n + (nul >= 0), all.n - msg.n - (nul >= 0));
		subject_check(msg);
		if (!imap_keys_read(&r, msg, 63, a, &k))
			break;
		m[n++] = (struct imap_thread_message){ k.date, k.subject, k.id, k.refs, k.nrefs,
			k.reply };
	}
	threads(IMAP_THREAD_REFERENCES, m, n);
	threads(IMAP_THREAD_ORDEREDSUBJECT, m, n);
	imap_keys_reader_free(&r);
	arena_free(&a);
	return 0;
}
