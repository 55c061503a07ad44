/* SPDX-License-Identifier: ISC */
#include "imap/facts.h"

#include "base/xalloc.h"
#include "imap/structure.h"
#include "mail/header.h"

/* ---- numbers ----------------------------------------------------------------------------------
 */
static void
put_u(struct buf *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_putc(out, (int)(v & 0x7f) | 0x80);
	buf_putc(out, (int)v);
}

struct reader {
	const uint8_t *p, *end;
	bool bad;
};

static uint32_t
get_u(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 35; shift += 7) {
		uint8_t c;

		if (r->p == r->end)
			break;
		c = *r->p++;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c & 0x80)
			continue;
		if (v > UINT32_MAX)
			break;
		return (uint32_t)v;
	}
	r->bad = true;
	r->p = r->end;
	return 0;
}

static struct str
get_text(struct reader *r)
{
	size_t n = get_u(r);
	struct str s;

	if (n > (size_t)(r->end - r->p)) {
		r->bad = true;
		r->p = r->end;
		n = 0;
	}
	s = str_from(r->p, n);
	r->p += n;
	return s;
}

/* ---- writing ----------------------------------------------------------------------------------
 */
static void
put_text(struct buf *out, const struct buf *text)
{
	put_u(out, text->len);
	buf_put(out, buf_data(text), text->len);
}

/* message/global is shown in two ways: see IMAP_STRUCTURE_GLOBAL. */
static bool
one_structure(const struct mime_tree *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (str_find_nocase(t->parts[i].ctype, STR("global")) >= 0)
			return false;
	return true;
}

static unsigned
put_structure(struct buf *out, struct str msg, const struct mime_tree *t, struct arena *a)
{
	struct buf text;
	unsigned has = 0;

	buf_init(&text, IMAP_FACTS_TEXT_MAX);
	if (one_structure(t) &&
	    imap_put_structure(&text, msg, t, IMAP_STRUCTURE_EXTENDED, a) == 0) {
		put_text(out, &text);
		has = FACTS_STRUCTURE;
	}
	buf_free(&text);
	return has;
}

static unsigned
put_envelope(struct buf *out, struct str header, struct arena *a)
{
	struct buf text;
	unsigned has = 0;

	buf_init(&text, IMAP_FACTS_TEXT_MAX);
	if (imap_put_envelope(&text, header, a) == 0) {
		put_text(out, &text);
		has = FACTS_ENVELOPE;
	}
	buf_free(&text);
	return has;
}

static unsigned
put_references(struct buf *out, struct str header)
{
	struct mail_field f;
	struct buf text;
	size_t off = 0;

	buf_init(&text, IMAP_FACTS_TEXT_MAX);
	while (mail_field_next(header, &off, &f)) {
		if (!str_eq_nocase(f.name, STR("References")))
			continue;
		if (f.value.n > IMAP_FACTS_TEXT_MAX)
			return 0;
		mail_unfold(f.value, &text);
		break;
	}
	put_text(out, &text);
	buf_free(&text);
	return FACTS_REFERENCES;
}

static void
put_part(struct buf *out, struct str msg, const struct mime_part *p)
{
	put_u(out, p->header);
	put_u(out, p->body - p->header);
	put_u(out, p->end - p->body);
	put_u(out, p->lines);
	put_u(out,
	    (unsigned)p->kind | (unsigned)p->encoding << 2 | (unsigned)p->default_message << 4);
	if (p->ctype.n > 0) {
		put_u(out, (size_t)(p->ctype.p - msg.p) - p->header + 1);
		put_u(out, p->ctype.n);
	} else {
		put_u(out, 0);
	}
	put_u(out, (uint64_t)(p->parent + 1));
	put_u(out, (uint64_t)(p->child + 1));
	put_u(out, (uint64_t)(p->next + 1));
}

static unsigned
put_tree(struct buf *out, struct str msg, const struct mime_tree *t)
{
	if (t->count > IMAP_FACTS_PARTS_MAX)
		return 0;
	put_u(out, t->count);
	for (size_t i = 0; i < t->count; i++)
		put_part(out, msg, &t->parts[i]);
	return FACTS_TREE | (t->truncated ? FACTS_TRUNCATED : 0);
}

int
imap_facts_put(struct buf *out, struct str msg, const struct mime_tree *t, struct arena *a)
{
	struct str header = mime_header(msg, &t->parts[0]);
	size_t before = out->len, flags;
	unsigned has = 0;

	if (msg.n > UINT32_MAX || buf_reserve(out, IMAP_FACTS_MAX) == NULL)
		return BUF_LIMIT;
	buf_putc(out, IMAP_FACTS_VERSION);
	flags = out->len;
	buf_putc(out, 0);
	put_u(out, msg.n);
	if (header.n <= IMAP_FACTS_HEADER_MAX)
		has |= put_envelope(out, header, a);
	has |= put_structure(out, msg, t, a);
	if (header.n <= IMAP_FACTS_HEADER_MAX)
		has |= put_references(out, header);
	has |= put_tree(out, msg, t);
	((uint8_t *)(uintptr_t)buf_data(out))[flags] = (uint8_t)has;
	return out->len - before <= IMAP_FACTS_MAX ? 0 : BUF_LIMIT;
}

/* ---- reading ----------------------------------------------------------------------------------
 */
bool
imap_facts_get(struct str record, struct imap_facts *f)
{
	struct reader r = { (const uint8_t *)record.p, (const uint8_t *)record.p + record.n,
		false };
	const struct str none = { "", 0 };

	if (record.n < 3 || r.p[0] != IMAP_FACTS_VERSION)
		return false;
	*f = (struct imap_facts){ .has = r.p[1] };
	r.p += 2;
	f->size = get_u(&r);
	f->envelope = f->has & FACTS_ENVELOPE ? get_text(&r) : none;
	f->structure = f->has & FACTS_STRUCTURE ? get_text(&r) : none;
	f->references = f->has & FACTS_REFERENCES ? get_text(&r) : none;
	f->tree = str_from(r.p, (size_t)(r.end - r.p));
	return !r.bad && ((f->has & FACTS_TREE) != 0) == (f->tree.n > 0);
}

static bool
get_number(struct reader *r, size_t least, size_t count, int32_t *out)
{
	uint32_t v = get_u(r);

	*out = (int32_t)v - 1;
	return v == 0 || (v - 1 >= least && v - 1 < count);
}

static bool
get_part(struct reader *r, struct str msg, size_t i, size_t count, struct mime_part *p)
{
	uint64_t header = get_u(r), body = header + get_u(r), end = body + get_u(r);
	uint32_t ctype, bits;

	*p = (struct mime_part){ .header = header, .body = body, .end = end };
	p->lines = get_u(r);
	bits = get_u(r);
	p->kind = bits & 3;
	p->encoding = bits >> 2 & 3;
	p->default_message = (bits & 16) != 0;
	p->ctype = (struct str){ "", 0 };
	if (end > msg.n || bits > 31)
		return false;
	if ((ctype = get_u(r)) != 0) {
		uint32_t n = get_u(r);

		if ((uint64_t)ctype - 1 + n > body - header)
			return false;
		p->ctype = str_from(msg.p + header + ctype - 1, n);
	}
	return get_number(r, 0, i > 0 ? i : 1, &p->parent) &&
	       get_number(r, i + 1, count, &p->child) && get_number(r, i + 1, count, &p->next);
}

bool
imap_facts_tree(const struct imap_facts *f, struct str msg, struct mime_tree *t)
{
	struct reader r = { (const uint8_t *)f->tree.p, (const uint8_t *)f->tree.p + f->tree.n,
		false };
	size_t count;

	if (!(f->has & FACTS_TREE) || f->size != msg.n)
		return false;
	count = get_u(&r);
	if (count == 0 || count > IMAP_FACTS_PARTS_MAX)
		return false;
	if (t->cap < count) {
		t->cap = count;
		t->parts = xrealloc(t->parts, count * sizeof(*t->parts));
	}
	t->count = 0;
	t->truncated = (f->has & FACTS_TRUNCATED) != 0;
	for (size_t i = 0; i < count; i++)
		if (!get_part(&r, msg, i, count, &t->parts[i]))
			return false;
	t->count = count;
	return !r.bad && r.p == r.end;
}
