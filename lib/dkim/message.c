/* SPDX-License-Identifier: ISC */
/* Reads a message: keeps the header, hashes the body in every way that its signatures ask for. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "dkim/parts.h"

struct dkim_message *
dkim_message_new(unsigned flags)
{
	struct dkim_message *m = xcalloc(1, sizeof(*m));

	m->flags = flags;
	m->bodies[DKIM_RELAXED].canon = DKIM_RELAXED;
	buf_init(&m->header, DKIM_HEADER_MAX);
	return m;
}

void
dkim_message_free(struct dkim_message **mp)
{
	struct dkim_message *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->hashes_n; i++)
		EVP_MD_CTX_free(m->hashes[i].md);
	buf_free(&m->header);
	free(m->signatures);
	free(m->fields);
	free(m);
}

/* --- the header ------------------------------------------------------------------------------- */

uint32_t
dkim_name_hash(struct str name)
{
	uint32_t h = 2166136261;

	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (uint32_t)ascii_tolower((unsigned char)name.p[i])) * 16777619;
	return h;
}

/* Sees to one hash of the body. The room is for all DKIM signatures and both full forms. */
static void
want_body(struct dkim_message *m, enum dkim_canon canon, bool limited, uint64_t limit)
{
	struct dkim_body *b = &m->bodies[canon];
	struct dkim_body_hash *h;

	for (size_t i = 0; i < b->hashes_n; i++)
		if (b->hashes[i]->limited == limited && b->hashes[i]->limit == limit)
			return;
	if (m->hashes_n == DKIM_BODIES_MAX)
		return;
	h = &m->hashes[m->hashes_n++];
	*h = (struct dkim_body_hash){
		.canon = canon, .limited = limited, .limit = limit, .left = limit
	};
	h->md = EVP_MD_CTX_new();
	if (h->md == NULL || EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) != 1)
		abort();
	b->hashes[b->hashes_n++] = h;
}

static void
add_signature(struct dkim_message *m, const struct mail_field *f, size_t number)
{
	struct dkim_parsed *p;

	if (m->signatures_n == DKIM_SIGNATURES_MAX) {
		m->ignored++;
		return;
	}
	if (m->signatures == NULL)
		m->signatures = xcalloc(DKIM_SIGNATURES_MAX, sizeof(*m->signatures));
	p = &m->signatures[m->signatures_n++];
	dkim_signature_parse(DKIM_KIND_DKIM, f, p);
	p->field = number;
	if (p->decided)
		return;
	want_body(m, p->shown.body_canon, p->shown.has_length, p->length);
}

/* An ARC seal is looked at by lib/arc; here its body hash is seen to. Its l= is only compared. */
static void
add_arc(struct dkim_message *m, const struct mail_field *f)
{
	struct dkim_parsed p;

	dkim_signature_parse(DKIM_KIND_ARC_MESSAGE, f, &p);
	if (!p.decided)
		want_body(m, p.shown.body_canon, false, 0);
}

static void
add_field(struct dkim_message *m, const struct mail_field *f)
{
	if (m->fields_n == DKIM_FIELDS_MAX) {
		m->too_large = true;
		return;
	}
	m->fields[m->fields_n++] = (struct dkim_field){ dkim_name_hash(f->name), f->name, f->raw };
	if (str_eq_nocase(f->name, STR("DKIM-Signature")))
		add_signature(m, f, m->fields_n - 1);
	else if (str_eq_nocase(f->name, STR("ARC-Message-Signature")))
		add_arc(m, f);
}

static size_t
count_fields(struct str header)
{
	struct mail_field f;
	size_t off = 0, n = 0;

	while (n < DKIM_FIELDS_MAX && mail_field_next(header, &off, &f))
		n++;
	return n;
}

static void
header_ends(struct dkim_message *m)
{
	struct str header = str_from(buf_data(&m->header), buf_len(&m->header));
	struct mail_field f;
	size_t off = 0;

	m->header_over = true;
	if (m->too_large)
		return;
	if ((m->flags & DKIM_SIGN_SIMPLE) != 0)
		want_body(m, DKIM_SIMPLE, false, 0);
	if ((m->flags & DKIM_SIGN_RELAXED) != 0)
		want_body(m, DKIM_RELAXED, false, 0);
	m->fields = xcalloc(count_fields(header) + 1, sizeof(*m->fields));
	while (!m->too_large && mail_field_next(header, &off, &f))
		add_field(m, &f);
}

/* Moves over the complete lines; true: the empty one was among them, and m->line is behind it. */
static bool
find_end(struct dkim_message *m)
{
	const char *p = (const char *)buf_data(&m->header), *lf;
	size_t n = buf_len(&m->header);

	while ((lf = memchr(p + m->seen, '\n', n - m->seen)) != NULL) {
		size_t end = (size_t)(lf - p) + 1, length = end - m->line;
		bool empty = length == 1 || (length == 2 && p[m->line] == '\r');

		m->line = m->seen = end;
		if (empty)
			return true;
	}
	m->seen = n;
	return false;
}

/* Takes what belongs to the header; bytes used. */
static size_t
header_write(struct dkim_message *m, const uint8_t *p, size_t n)
{
	size_t before = buf_len(&m->header), room = buf_room(&m->header);
	size_t take = n < room ? n : room;

	if (take > 0)
		buf_put(&m->header, p, take);
	if (take > 0 && find_end(m)) {
		size_t header = m->line;

		/* What came behind belongs to the body; it never lay in this buffer. */
		m->header.len = header;
		header_ends(m);
		return header - before;
	}
	if (take == n)
		return n;
	m->too_large = true;
	header_ends(m);
	return n;
}

void
dkim_message_write(struct dkim_message *m, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	if (!m->header_over && n > 0) {
		size_t used = header_write(m, p, n);

		p += used;
		n -= used;
	}
	if (n == 0 || m->too_large)
		return;
	dkim_body_write(&m->bodies[DKIM_SIMPLE], p, n);
	dkim_body_write(&m->bodies[DKIM_RELAXED], p, n);
}

void
dkim_message_end(struct dkim_message *m)
{
	if (m->ended)
		return;
	if (!m->header_over)
		header_ends(m);
	dkim_body_end(&m->bodies[DKIM_SIMPLE]);
	dkim_body_end(&m->bodies[DKIM_RELAXED]);
	m->ended = true;
}

bool
dkim_message_header_over(const struct dkim_message *m)
{
	return m->header_over;
}

struct str
dkim_message_header(const struct dkim_message *m)
{
	return str_from(buf_data(&m->header), m->too_large ? 0 : buf_len(&m->header));
}

/* --- what a signature covers ------------------------------------------------------------------ */

const uint8_t *
dkim_message_body(const struct dkim_message *m, const struct dkim_parsed *p, bool *partial)
{
	const struct dkim_body *b = &m->bodies[p->shown.body_canon];
	bool limited = p->kind == DKIM_KIND_DKIM && p->shown.has_length;

	*partial = p->shown.has_length && p->length < b->total;
	if (p->shown.has_length && p->length > b->total)
		return NULL;
	for (size_t i = 0; i < b->hashes_n; i++)
		if (b->hashes[i]->limited == limited &&
		    (!limited || b->hashes[i]->limit == p->length))
			return b->hashes[i]->digest;
	return NULL;
}

/* The lowest field of this name that is not used yet, or fields_n. */
static size_t
lowest(const struct dkim_message *m, const bool *used, struct str name)
{
	uint32_t hash = dkim_name_hash(name);

	for (size_t i = m->fields_n; i > 0; i--)
		if (m->fields[i - 1].hash == hash && !used[i - 1] &&
		    str_eq_nocase(m->fields[i - 1].name, name))
			return i - 1;
	return m->fields_n;
}

void
dkim_message_fields(const struct dkim_message *m, struct dkim_hash *h, enum dkim_canon canon,
    struct str names, size_t self)
{
	bool *used = xcalloc(m->fields_n + 1, sizeof(*used));
	struct str name;

	if (self < m->fields_n)
		used[self] = true;
	while (dkim_list_next(&names, &name)) {
		size_t i = lowest(m, used, name);

		if (i == m->fields_n)
			continue;
		used[i] = true;
		dkim_hash_field(
		    h, canon, m->fields[i].raw, m->fields[i].name, (struct str){ NULL, 0 }, true);
	}
	free(used);
}

void
dkim_message_covered(
    const struct dkim_message *m, struct str names, uint32_t *covered, uint32_t *oversigned)
{
	static const char *const watched[] = {
#define X(id, name) name,
		DKIM_WATCHED(X)
#undef X
	};

	*covered = *oversigned = 0;
	for (unsigned w = 0; w < DKIM_W_MAX; w++) {
		struct str rest = names, name, want = str_of(watched[w]);
		size_t named = 0, there = 0;

		while (dkim_list_next(&rest, &name))
			named += str_eq_nocase(name, want);
		for (size_t i = 0; i < m->fields_n; i++)
			there += str_eq_nocase(m->fields[i].name, want);
		if (named > 0 && named >= there)
			*covered |= 1U << w;
		if (named > there)
			*oversigned |= 1U << w;
	}
}

void
dkim_message_digest(
    const struct dkim_message *m, const struct dkim_parsed *p, uint8_t digest[DKIM_DIGEST_SIZE])
{
	struct dkim_hash h;

	dkim_hash_open(&h);
	dkim_message_fields(m, &h, p->shown.header_canon, p->shown.fields, p->field);
	dkim_hash_field(
	    &h, p->shown.header_canon, p->raw, m->fields[p->field].name, p->hole, false);
	dkim_hash_close(&h, digest);
}
