/* SPDX-License-Identifier: ISC */
/*
 * First byte: policy and way of splitting; the rest is what a client sends. Oracles:
 * - the replies and stored bytes do not depend on how the input was split;
 * - of the content after each 354, a slow and strict counter finds the same end, the same bytes
 *   and the same verdict: no other end of data than CR LF . CR LF exists.
 */
#include <stdint.h>

#include "smtp/session_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct smtp_policy policies[3] = {
	{ .hostname = "mx.test", .max_size = 300, .max_recipients = 100 },
	{ .hostname = "mx.test",
	    .max_size = 300,
	    .max_recipients = 100,
	    .pipelining = true,
	    .chunking = true },
	{ .hostname = "mx.test",
	    .max_size = 300,
	    .max_recipients = 100,
	    .pipelining = true,
	    .auth = true },
};

#define CHECK(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

/* What the strict counter says about content that begins at p: its length with the end mark, or 0
 * when no end came; fills *text (unstuffed) and *bare. */
static size_t
strict_end(const uint8_t *p, size_t n, struct buf *text, bool *bare)
{
	bool line_start = true;
	size_t i = 0;

	*bare = false;
	while (i < n) {
		if (line_start && n - i >= 3 && memcmp(p + i, ".\r\n", 3) == 0)
			return i + 3;
		if (line_start && p[i] == '.' && i + 1 < n)
			i++;
		line_start = false;
		if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n') {
			buf_put(text, "\r\n", 2);
			line_start = true;
			i += 2;
			continue;
		}
		if (p[i] == '\r' || p[i] == '\n')
			*bare = true;
		buf_putc(text, p[i++]);
	}
	return 0;
}

/* The content of the message that ended at h->offset - n, of `verdict`, came by DATA. */
static void
check_data(struct harness *h, const uint8_t *data, size_t size, bool accepted)
{
	struct buf text;
	bool bare;
	size_t n;

	buf_init(&text, 1 << 20);
	n = strict_end(data + h->data_from, size - h->data_from, &text, &bare);
	CHECK(n > 0 && h->data_to == h->data_from + n);
	if (accepted) {
		CHECK(!bare);
		CHECK(str_eq(harness_text(&text), harness_text(&h->content)));
	} else {
		CHECK(bare || buf_len(&text) > 300 ||
		      str_find_nocase(harness_text(&text), STR("X-Refuse:")) >= 0);
	}
	buf_free(&text);
}

/* Feeds everything in pieces of `step` bytes. */
static void
run(struct harness *h, const struct smtp_policy *policy, const uint8_t *data, size_t size,
    size_t step)
{
	harness_start(h, policy);
	for (size_t at = 0; at < size && !h->closed; at += step)
		harness_feed(h, data + at, size - at < step ? size - at : step);
}

/* Byte by byte, so that each end of data can be looked at where it happens. */
static void
run_checked(struct harness *h, const struct smtp_policy *policy, const uint8_t *data, size_t size)
{
	harness_start(h, policy);
	for (size_t at = 0; at < size && !h->closed; at++) {
		unsigned accepted = h->accepted, refused = h->refused_content;

		harness_feed(h, data + at, 1);
		if (policy->chunking)
			continue; /* BDAT counts bytes: nothing to look for */
		if (h->accepted != accepted)
			check_data(h, data, size, true);
		else if (h->refused_content != refused)
			check_data(h, data, size, false);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct smtp_policy *policy;
	struct harness a, b;
	size_t step;

	if (size < 1)
		return 0;
	policy = &policies[data[0] & 0x80 ? 2 : data[0] & 1];
	step = (size_t)((data[0] & 0x7f) >> 1) + 1;
	run_checked(&a, policy, data + 1, size - 1);
	run(&b, policy, data + 1, size - 1, step);
	CHECK(a.accepted == b.accepted && a.closed == b.closed);
	CHECK(!policy->auth || a.accepted == 0 || smtp_session_facts(a.s).authenticated);
	CHECK(a.auth_cancelled == b.auth_cancelled);
	CHECK(str_eq(harness_text(&a.stored), harness_text(&b.stored)));
	/* what stands behind STARTTLS decides its reply, so this may differ */
	if (str_find_nocase(str_from(data, size), STR("STARTTLS")) < 0)
		CHECK(str_eq(harness_text(&a.out), harness_text(&b.out)));
	harness_end(&a);
	harness_end(&b);
	return 0;
}
