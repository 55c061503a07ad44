/* SPDX-License-Identifier: ISC */
/*
 * Framing and words of commands, before login as well. Oracle: the input in one piece and byte by
 * byte gives the same commands and the same answers; a name that is accepted survives a round trip.
 */
#include <assert.h>
#include <stdint.h>

#include "imap/frame.h"
#include "imap/limits.h"
#include "imap/mutf7.h"
#include "imap/name.h"
#include "imap/parse.h"
#include "imap/prelogin.h"
#include "imap/section.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
words(struct str cmd, struct arena *a)
{
	struct imap_section section;
	struct imap_parse p;
	struct imap_set set;
	struct str s, name;

	imap_parse_init(&p, cmd, a);
	if (!imap_parse_tag(&p, &s) || !imap_parse_sp(&p))
		return;
	for (int i = 0; i < 100 && !imap_parse_at_end(&p); i++) {
		struct imap_parse q = p;

		if (imap_parse_set(&q, &set)) {
			imap_set_resolve(&set, 7);
			for (size_t k = 1; k < set.n; k++)
				assert(set.r[k].lo > set.r[k - 1].hi);
		}
		q = p;
		if (imap_section_parse(&q, &section)) {
			p = q;
		} else if (!imap_parse_astring(&p, &s)) {
			if (p.p < p.end)
				p.p++;
			p.error = NULL;
		} else if (imap_name_parse(s, false, a, &name) == NULL) {
			struct buf wire, again;

			buf_init(&wire, 8 * name.n + 8);
			buf_init(&again, name.n);
			assert(imap_mutf7_encode(name, &wire) == 0);
			assert(imap_mutf7_decode(str_from(buf_data(&wire), wire.len), &again));
			assert(str_eq(str_from(buf_data(&again), again.len), name));
			assert(imap_name_matches(name, name));
			buf_free(&wire);
			buf_free(&again);
		}
	}
}

/* All commands, one after the other, with lengths between them. */
static void
frames(const uint8_t *data, size_t size, size_t step, struct buf *out)
{
	struct arena *a = arena_new(1 << 20);
	struct imap_frame f;
	struct buf in;
	bool over = false;

	imap_frame_init(&f, 256);
	buf_init(&in, size + 1);
	for (size_t i = 0; i < size && !over; i += step) {
		enum imap_frame_event e;

		buf_put(&in, data + i, size - i < step ? size - i : step);
		while (!over && (e = imap_frame_next(&f, &in)) != IMAP_FRAME_INPUT) {
			assert(f.cmd.len <= 256);
			buf_printf(out, "%d ", e);
			over = e == IMAP_FRAME_BYE;
			if (e == IMAP_FRAME_LITERAL)
				imap_frame_take(&f);
			if (e != IMAP_FRAME_COMMAND)
				continue;
			buf_put(out, buf_data(&f.cmd), f.cmd.len);
			arena_reset(a);
			words(str_from(buf_data(&f.cmd), f.cmd.len), a);
		}
	}
	imap_frame_free(&f);
	buf_free(&in);
	arena_free(&a);
}

static void
prelogin(const uint8_t *data, size_t size, size_t step, struct buf *all)
{
	struct imap_prelogin *p = imap_prelogin_new(size % 2, true);
	enum imap_pre_event e = IMAP_PRE_INPUT;
	struct buf in, out;

	buf_init(&in, size + 1);
	buf_init(&out, IMAP_PRELOGIN_OUT_MAX);
	for (size_t i = 0; i < size && e != IMAP_PRE_CLOSE; i += step) {
		buf_put(&in, data + i, size - i < step ? size - i : step);
		do {
			e = imap_prelogin_run(p, &in, &out);
			buf_put(all, buf_data(&out), out.len);
			buf_clear(&out);
			if (e == IMAP_PRE_AUTH_START)
				imap_prelogin_auth_challenge(p, STR("x"), &out);
			else if (e == IMAP_PRE_AUTH_CONTINUE)
				imap_prelogin_auth_refused(p, IMAP_PRE_UNAVAILABLE, &out);
			else if (e == IMAP_PRE_STARTTLS)
				imap_prelogin_tls_on(p);
		} while (e != IMAP_PRE_INPUT && e != IMAP_PRE_CLOSE);
	}
	buf_free(&in);
	buf_free(&out);
	imap_prelogin_free(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* what stands behind STARTTLS is refused when it comes with it: the split counts */
	bool starttls = size > 8 && str_find_nocase(str_from(data, size), STR("starttls")) >= 0;
	struct buf one, two;

	if (size == 0 || size > 100000)
		return 0;
	for (int pre = 0; pre < (starttls ? 1 : 2); pre++) {
		void (*run)(const uint8_t *, size_t, size_t, struct buf *) =
		    pre ? prelogin : frames;

		buf_init(&one, 64 * size + 65536);
		buf_init(&two, 64 * size + 65536);
		run(data, size, size, &one);
		run(data, size, 1, &two);
		assert(
		    str_eq(str_from(buf_data(&one), one.len), str_from(buf_data(&two), two.len)));
		buf_free(&one);
		buf_free(&two);
	}
	return 0;
}
