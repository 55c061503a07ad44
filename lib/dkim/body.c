/* SPDX-License-Identifier: ISC */
/*
 * Canonical forms of bodies as they stream by (rfc6376:3.4.3, 3.4.4). Most bytes of most messages
 * stay as they are, so runs of them go into the hash from where they lie: "simple" looks at the ends
 * of the pieces only, "relaxed" looks 64 bytes at a time for white space that changes.
 */
#include "dkim/parts.h"

/* --- what comes out --------------------------------------------------------------------------- */

static void
emit(struct dkim_body *b, const uint8_t *p, size_t n)
{
	b->any = true;
	b->total += n;
	for (size_t i = 0; i < b->hashes_n; i++) {
		struct dkim_body_hash *h = b->hashes[i];
		size_t take = h->limited && h->left < n ? (size_t)h->left : n;

		if (take > 0)
			EVP_DigestUpdate(h->md, p, take);
		h->left -= h->limited ? take : 0;
	}
}

static void
stage_flush(struct dkim_body *b)
{
	if (b->stage_n > 0)
		emit(b, b->stage, b->stage_n);
	b->stage_n = 0;
}

static void
put(struct dkim_body *b, const uint8_t *p, size_t n)
{
	if (n > DKIM_STAGE - b->stage_n)
		stage_flush(b);
	if (n >= DKIM_STAGE / 4) {
		stage_flush(b);
		emit(b, p, n);
		return;
	}
	memcpy(b->stage + b->stage_n, p, n);
	b->stage_n += n;
}

/* What was held back, before something else. */
static void
release(struct dkim_body *b)
{
	for (; b->lines > 0; b->lines--)
		put(b, (const uint8_t *)"\r\n", 2);
	if (b->space)
		put(b, (const uint8_t *)" ", 1);
	b->space = false;
}

/* Puts the run, apart from line ends (or a CR) at its end, which are held back. */
static void
put_run(struct dkim_body *b, const uint8_t *p, size_t n)
{
	size_t e = n;
	uint64_t lines = 0;
	bool cr = n > 0 && p[n - 1] == '\r';

	e -= cr;
	while (e >= 2 && p[e - 1] == '\n' && p[e - 2] == '\r') {
		e -= 2;
		lines++;
	}
	if (n >= 2 && p[0] == '\r' && p[1] == '\n')
		b->space = false; /* it stands at the end of a line */
	if (e > 0) {
		release(b);
		put(b, p, e);
	}
	b->lines += lines;
	b->cr = cr;
}

/* A CR was held back: with the LF it is a line end, otherwise an ordinary byte. Bytes used. */
static size_t
after_cr(struct dkim_body *b, uint8_t next)
{
	b->cr = false;
	if (next == '\n') {
		b->lines++;
		b->space = false;
		return 1;
	}
	release(b);
	put(b, (const uint8_t *)"\r", 1);
	return 0;
}

/* --- relaxed ---------------------------------------------------------------------------------- */

typedef uint8_t block __attribute__((vector_size(16)));

/* Bits are set where white space may have to change; p[0] to p[16] are read. */
static inline block
suspects(const uint8_t *p)
{
	block a, b;

	memcpy(&a, p, sizeof(a));
	memcpy(&b, p + 1, sizeof(b));
	return (block)(a == '\t') | ((block)(a == ' ') & (block)(b <= ' '));
}

static inline bool
clean(const uint8_t *p)
{
	block found = suspects(p) | suspects(p + 16) | suspects(p + 32) | suspects(p + 48);
	uint64_t half[2];

	memcpy(half, &found, sizeof(half));
	return (half[0] | half[1]) == 0;
}

/* Bytes at p that stay as they are: up to a tab, or a space before white space or a CR, or one
 * whose next byte is not known yet. */
static size_t
unchanged(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		if (n - i > 64 && clean(p + i)) {
			i += 64;
			continue;
		}
		for (size_t end = n - i > 64 ? i + 64 : n; i < end; i++) {
			if (p[i] == '\t')
				return i;
			if (p[i] == ' ' &&
			    (i + 1 == n || p[i + 1] == ' ' || p[i + 1] == '\t' || p[i + 1] == '\r'))
				return i;
		}
	}
	return n;
}

static void
relaxed_write(struct dkim_body *b, const uint8_t *p, size_t n)
{
	size_t i = 0, run;

	while (i < n) {
		if (b->cr) {
			i += after_cr(b, p[i]);
		} else if (p[i] == ' ' || p[i] == '\t') {
			run = unchanged(p + i, n - i);
			if (run == 0 || b->space) {
				b->space = true;
				i++;
				continue;
			}
			put_run(b, p + i, run);
			i += run;
		} else {
			run = unchanged(p + i, n - i);
			put_run(b, p + i, run);
			i += run;
		}
	}
}

/* --- both ------------------------------------------------------------------------------------- */

void
dkim_body_write(struct dkim_body *b, const uint8_t *p, size_t n)
{
	if (n == 0 || b->hashes_n == 0)
		return;
	if (b->canon == DKIM_RELAXED) {
		relaxed_write(b, p, n);
	} else {
		size_t used = b->cr ? after_cr(b, p[0]) : 0;

		put_run(b, p + used, n - used);
	}
}

void
dkim_body_end(struct dkim_body *b)
{
	if (b->cr)
		after_cr(b, 0);
	stage_flush(b);
	/* The last line gets its end when it has none; an empty body is a line end or nothing. */
	if (b->any || b->canon == DKIM_SIMPLE)
		emit(b, (const uint8_t *)"\r\n", 2);
	for (size_t i = 0; i < b->hashes_n; i++) {
		EVP_DigestFinal_ex(b->hashes[i]->md, b->hashes[i]->digest, NULL);
		EVP_MD_CTX_free(b->hashes[i]->md);
		b->hashes[i]->md = NULL;
	}
}
