/* SPDX-License-Identifier: ISC */
#include "mailbox/records.h"

#include <assert.h>

/* --- numbers -----------------------------------------------------------------------------------
 */

static void
put(struct buf *b, const void *p, size_t n)
{
	int r = buf_put(b, p, n);

	assert(r == 0);
	(void)r;
}

void
rec_put_u(struct buf *b, uint64_t v)
{
	uint8_t tmp[10];
	size_t n = 0;

	while (v >= 0x80) {
		tmp[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	tmp[n++] = (uint8_t)v;
	put(b, tmp, n);
}

static void
put_fixed(struct buf *b, uint64_t v, unsigned bytes)
{
	uint8_t tmp[8];

	for (unsigned i = 0; i < bytes; i++)
		tmp[i] = (uint8_t)(v >> 8 * i);
	put(b, tmp, bytes);
}

void
rec_put_u64(struct buf *b, uint64_t v)
{
	put_fixed(b, v, 8);
}

/* Times may lie before 1970. */
static void
put_time(struct buf *b, int64_t v)
{
	rec_put_u(b, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

static uint64_t
bad(struct rec_reader *r)
{
	r->bad = true;
	r->p = r->end;
	return 0;
}

/* Only the shortest form is right, so that equal records have equal bytes. */
uint64_t
rec_get_u(struct rec_reader *r, uint64_t max)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t c;

		if (r->p == r->end)
			return bad(r);
		c = *r->p++;
		if (shift == 63 && c > 1)
			return bad(r);
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c & 0x80)
			continue;
		return (c == 0 && shift > 0) || v > max ? bad(r) : v;
	}
	return bad(r);
}

static uint64_t
get_fixed(struct rec_reader *r, unsigned bytes)
{
	uint64_t v = 0;

	if ((size_t)(r->end - r->p) < bytes)
		return bad(r);
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)r->p[i] << 8 * i;
	r->p += bytes;
	return v;
}

uint64_t
rec_get_u64(struct rec_reader *r)
{
	return get_fixed(r, 8);
}

static int64_t
get_time(struct rec_reader *r)
{
	uint64_t v = rec_get_u(r, UINT64_MAX);

	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

struct str
rec_get_str(struct rec_reader *r, size_t max)
{
	size_t n = rec_get_u(r, max);
	struct str s;

	if ((size_t)(r->end - r->p) < n)
		bad(r);
	if (r->bad)
		return (struct str){ "", 0 };
	s = str_from(r->p, n);
	r->p += n;
	return s;
}

static void
put_str(struct buf *b, struct str s)
{
	rec_put_u(b, s.n);
	put(b, s.p, s.n);
}

static struct rec_reader
reader(struct str s)
{
	return (struct rec_reader){ (const uint8_t *)s.p, (const uint8_t *)s.p + s.n, false };
}

static int
finish(const struct rec_reader *r)
{
	return r->bad || r->p != r->end ? REC_BAD : 0;
}

static uint32_t
get_uid(struct rec_reader *r)
{
	uint32_t uid = (uint32_t)rec_get_u(r, UINT32_MAX);

	return uid == 0 ? (uint32_t)bad(r) : uid;
}

static uint64_t
get_flags(struct rec_reader *r)
{
	uint64_t f = rec_get_u(r, UINT64_MAX);

	return f & ~REC_FLAGS_MASK ? bad(r) : f;
}

/* --- small records -----------------------------------------------------------------------------
 */

void
rec_put_format(struct buf *b, uint32_t version)
{
	rec_put_u(b, version);
}

/* A later version may have more to say: what follows the number is its own. */
int
rec_get_format(struct str s, uint32_t *version)
{
	struct rec_reader r = reader(s);

	*version = (uint32_t)rec_get_u(&r, UINT32_MAX);
	return r.bad || *version == 0 ? REC_BAD : 0;
}

void
rec_put_counters(struct buf *b, const struct rec_counters *c)
{
	rec_put_u(b, c->modseq);
	rec_put_u(b, c->floor);
}

int
rec_get_counters(struct str s, struct rec_counters *out)
{
	struct rec_reader r = reader(s);

	out->modseq = rec_get_u(&r, REC_MODSEQ_MAX);
	out->floor = rec_get_u(&r, UINT64_MAX);
	return finish(&r);
}

void
rec_put_mark(struct buf *b, uint64_t id)
{
	rec_put_u(b, id);
}

int
rec_get_mark(struct str s, uint64_t *id)
{
	struct rec_reader r = reader(s);

	*id = rec_get_u(&r, UINT64_MAX);
	return finish(&r);
}

/* --- tables ------------------------------------------------------------------------------------
 */

void
rec_put_folders(struct buf *b, uint32_t next_id, uint32_t last_uidvalidity, uint32_t n)
{
	rec_put_u(b, next_id);
	rec_put_u(b, last_uidvalidity);
	rec_put_u(b, n);
}

void
rec_put_folder(struct buf *b, const struct rec_folder *f)
{
	rec_put_u(b, f->id);
	rec_put_u(b, f->uidvalidity);
	rec_put_u(b, f->uidnext);
	rec_put_u(b, f->special);
	put_str(b, f->name);
}

bool
rec_next_folder(struct rec_folders *r, struct rec_folder *out)
{
	if (r->n == 0 || r->rd.bad)
		return false;
	r->n--;
	out->id = (uint32_t)rec_get_u(&r->rd, UINT32_MAX);
	out->uidvalidity = (uint32_t)rec_get_u(&r->rd, UINT32_MAX);
	out->uidnext = get_uid(&r->rd);
	out->special = (uint8_t)rec_get_u(&r->rd, UINT8_MAX);
	out->name = rec_get_str(&r->rd, REC_NAME_MAX);
	if (out->id == 0 || out->id >= r->next_id || out->uidvalidity == 0 || out->name.n == 0)
		bad(&r->rd);
	return !r->rd.bad;
}

int
rec_get_folders(struct str s, struct rec_folders *out)
{
	struct rec_folders check;
	struct rec_folder f;

	out->rd = reader(s);
	out->next_id = (uint32_t)rec_get_u(&out->rd, UINT32_MAX);
	out->last_uidvalidity = (uint32_t)rec_get_u(&out->rd, UINT32_MAX);
	out->n = (uint32_t)rec_get_u(&out->rd, REC_FOLDERS_MAX);
	check = *out;
	while (rec_next_folder(&check, &f))
		;
	return finish(&check.rd);
}

void
rec_put_subscriptions(struct buf *b, uint32_t n)
{
	rec_put_u(b, n);
}

void
rec_put_keywords(struct buf *b, uint32_t folder, uint32_t n)
{
	rec_put_u(b, folder);
	rec_put_u(b, n);
}

void
rec_put_name(struct buf *b, struct str name)
{
	put_str(b, name);
}

bool
rec_next_name(struct rec_names *r, struct str *out)
{
	if (r->n == 0 || r->rd.bad)
		return false;
	r->n--;
	*out = rec_get_str(&r->rd, r->folder == 0 ? REC_NAME_MAX : REC_KEYWORD_MAX);
	if (out->n == 0)
		bad(&r->rd);
	return !r->rd.bad;
}

static int
check_names(const struct rec_names *r)
{
	struct rec_names check = *r;
	struct str s;

	while (rec_next_name(&check, &s))
		;
	return finish(&check.rd);
}

int
rec_get_subscriptions(struct str s, struct rec_names *out)
{
	out->rd = reader(s);
	out->folder = 0;
	out->n = (uint32_t)rec_get_u(&out->rd, REC_FOLDERS_MAX);
	return check_names(out);
}

int
rec_get_keywords(struct str s, struct rec_names *out)
{
	out->rd = reader(s);
	out->folder = get_uid(&out->rd);
	out->n = (uint32_t)rec_get_u(&out->rd, REC_KEYWORDS_MAX);
	return check_names(out);
}

/* --- arrivals ----------------------------------------------------------------------------------
 */

enum { ARRIVAL_DELIVERED = 1, ARRIVAL_PACKED = 2, ZONE_MAX = 24 * 60 };

void
rec_put_arrival(struct buf *b, const struct rec_arrival *a)
{
	put_fixed(b, a->folder, 4);
	put_fixed(b, a->uid, 4);
	put_fixed(b, a->modseq, 8);
	put_fixed(b, a->flags, 8);
	put_fixed(b, (uint64_t)a->saved, 8);
	put_fixed(b, a->email, 8);
	put_fixed(b, a->thread, 8);
	put_fixed(b, (uint64_t)a->seconds, 8);
	put_fixed(b, (uint16_t)a->zone, 2);
	put_fixed(
	    b, (a->delivered ? ARRIVAL_DELIVERED : 0u) | (a->packed ? ARRIVAL_PACKED : 0u), 2);
	put_fixed(b, a->packed ? a->size : 0, 4);
	put_fixed(b, a->delivered ? a->number : 0, 8);
	put_fixed(b, a->delivered ? a->origin : 0, 8);
}

int
rec_get_arrival(struct str s, struct rec_arrival *out)
{
	struct rec_reader r = reader(s);
	uint64_t bits;

	out->folder = (uint32_t)get_fixed(&r, 4);
	out->uid = (uint32_t)get_fixed(&r, 4);
	out->modseq = get_fixed(&r, 8);
	out->flags = get_fixed(&r, 8);
	out->saved = (int64_t)get_fixed(&r, 8);
	out->email = get_fixed(&r, 8);
	out->thread = get_fixed(&r, 8);
	out->seconds = (int64_t)get_fixed(&r, 8);
	out->zone = (int16_t)get_fixed(&r, 2);
	bits = get_fixed(&r, 2);
	out->delivered = bits & ARRIVAL_DELIVERED;
	out->packed = bits & ARRIVAL_PACKED;
	out->size = (uint32_t)get_fixed(&r, 4);
	if (out->packed != (out->size > 0) || bits > (ARRIVAL_DELIVERED | ARRIVAL_PACKED))
		return REC_BAD;
	out->number = get_fixed(&r, 8);
	out->origin = get_fixed(&r, 8);
	if (out->folder == 0 || out->uid == 0 || out->uid == UINT32_MAX || out->email == 0 ||
	    out->modseq > REC_MODSEQ_MAX || out->flags & ~REC_FLAGS_MASK || out->zone < -ZONE_MAX ||
	    out->zone > ZONE_MAX)
		return REC_BAD;
	return finish(&r);
}

/* --- runs of UIDs ------------------------------------------------------------------------------
 */

static void
put_runs(struct buf *b, const struct rec_run *runs, uint32_t n, bool flags)
{
	uint32_t at = 0;

	rec_put_u(b, n);
	for (uint32_t i = 0; i < n; i++) {
		rec_put_u(b, runs[i].lo - at);
		rec_put_u(b, runs[i].hi - runs[i].lo);
		if (flags)
			rec_put_u(b, runs[i].flags);
		at = runs[i].hi;
	}
}

/* at: the end of the run before. */
static bool
get_run(struct rec_reader *r, uint32_t *at, bool flags, struct rec_run *out)
{
	out->lo = *at + (uint32_t)rec_get_u(r, UINT32_MAX - *at);
	if (out->lo == *at)
		bad(r);
	out->hi = out->lo + (uint32_t)rec_get_u(r, UINT32_MAX - out->lo);
	out->flags = flags ? get_flags(r) : 0;
	*at = out->hi;
	return !r->bad;
}

void
rec_put_flags(
    struct buf *b, uint32_t folder, uint64_t modseq, const struct rec_run *runs, uint32_t n)
{
	rec_put_u(b, folder);
	rec_put_u(b, modseq);
	put_runs(b, runs, n, true);
}

void
rec_put_expunge(struct buf *b, uint32_t folder, uint64_t modseq, uint32_t uidnext,
    const struct rec_run *runs, uint32_t n)
{
	rec_put_u(b, folder);
	rec_put_u(b, modseq);
	rec_put_u(b, uidnext);
	put_runs(b, runs, n, false);
}

bool
rec_next_run(struct rec_runs *r, struct rec_run *out)
{
	if (r->n == 0 || r->rd.bad)
		return false;
	r->n--;
	return get_run(&r->rd, &r->at, r->has_flags, out);
}

static int
get_runs(struct str s, bool flags, struct rec_runs *out)
{
	struct rec_runs check;
	struct rec_run run;

	out->rd = reader(s);
	out->has_flags = flags;
	out->at = 0;
	out->folder = get_uid(&out->rd);
	out->modseq = rec_get_u(&out->rd, REC_MODSEQ_MAX);
	out->uidnext = flags ? 0 : get_uid(&out->rd);
	out->n = (uint32_t)rec_get_u(&out->rd, REC_MESSAGES_MAX);
	check = *out;
	while (rec_next_run(&check, &run))
		;
	return finish(&check.rd);
}

int
rec_get_flags(struct str s, struct rec_runs *out)
{
	return get_runs(s, true, out);
}

int
rec_get_expunge(struct str s, struct rec_runs *out)
{
	return get_runs(s, false, out);
}

/* --- copies ------------------------------------------------------------------------------------
 */

void
rec_put_copy(struct buf *b, const struct rec_copy *c)
{
	rec_put_u(b, c->folder);
	rec_put_u(b, c->first_uid);
	rec_put_u(b, c->modseq);
	put_time(b, c->saved);
	rec_put_u(b, c->n);
}

void
rec_put_copy_message(struct buf *b, uint64_t email, uint64_t flags)
{
	rec_put_u64(b, email);
	rec_put_u(b, flags);
}

bool
rec_next_copy_message(struct rec_copy *r, uint64_t *email, uint64_t *flags)
{
	if (r->n == 0 || r->rd.bad)
		return false;
	*email = rec_get_u64(&r->rd);
	*flags = get_flags(&r->rd);
	r->n--;
	if (*email == 0)
		bad(&r->rd);
	return !r->rd.bad;
}

int
rec_get_copy(struct str s, struct rec_copy *out)
{
	struct rec_copy check;
	uint64_t email, flags;

	out->rd = reader(s);
	out->folder = get_uid(&out->rd);
	out->first_uid = get_uid(&out->rd);
	out->modseq = rec_get_u(&out->rd, REC_MODSEQ_MAX);
	out->saved = get_time(&out->rd);
	out->n = (uint32_t)rec_get_u(&out->rd, REC_MESSAGES_MAX);
	if (out->n == 0 || out->n > UINT32_MAX - out->first_uid)
		bad(&out->rd);
	check = *out;
	while (rec_next_copy_message(&check, &email, &flags))
		;
	return finish(&check.rd);
}

/* --- chunks ------------------------------------------------------------------------------------
 */

void
rec_put_chunk(struct buf *b, const struct rec_chunk *c)
{
	rec_put_u(b, c->folder);
	rec_put_u(b, c->lo);
	rec_put_u(b, c->hi);
	rec_put_u(b, c->uidnext);
	rec_put_u(b, c->highest);
	rec_put_u(b, c->n);
}

void
rec_put_chunk_message(struct buf *b, const struct rec_message *m, uint32_t before)
{
	rec_put_u(b, m->uid - before);
	rec_put_u64(b, m->email);
	rec_put_u(b, m->modseq);
	rec_put_u(b, m->flags);
	put_time(b, m->saved);
}

bool
rec_next_chunk_message(struct rec_chunk *r, struct rec_message *out)
{
	if (r->n == 0 || r->rd.bad)
		return false;
	r->n--;
	out->uid = r->at + (uint32_t)rec_get_u(&r->rd, r->hi - r->at);
	if (out->uid == r->at)
		bad(&r->rd);
	out->email = rec_get_u64(&r->rd);
	out->modseq = rec_get_u(&r->rd, REC_MODSEQ_MAX);
	out->flags = get_flags(&r->rd);
	out->saved = get_time(&r->rd);
	if (out->email == 0)
		bad(&r->rd);
	r->at = out->uid;
	return !r->rd.bad;
}

int
rec_get_chunk(struct str s, struct rec_chunk *out)
{
	struct rec_chunk check;
	struct rec_message m;

	out->rd = reader(s);
	out->folder = get_uid(&out->rd);
	out->lo = get_uid(&out->rd);
	out->hi = get_uid(&out->rd);
	out->uidnext = get_uid(&out->rd);
	out->highest = rec_get_u(&out->rd, REC_MODSEQ_MAX);
	out->n = (uint32_t)rec_get_u(&out->rd, REC_MESSAGES_MAX);
	if (out->hi < out->lo || out->hi >= out->uidnext)
		bad(&out->rd);
	out->at = out->lo - 1;
	check = *out;
	while (rec_next_chunk_message(&check, &m))
		;
	return finish(&check.rd);
}
