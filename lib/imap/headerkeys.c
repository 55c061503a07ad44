/* SPDX-License-Identifier: ISC */
#include "imap/headerkeys.h"

#include "imap/envelope.h"
#include "imap/facts.h"
#include "imap/msgid.h"
#include "imap/structure.h"
#include "imap/subject.h"
#include "mail/addrlist.h"
#include "mail/casemap.h"
#include "mail/date.h"
#include "mail/header.h"

enum field { F_DATE, F_SUBJECT, F_FROM, F_TO, F_CC, F_REFERENCES, F_REPLY, F_ID, F_N };

static const struct {
	struct str name;
	unsigned want;
} fields[F_N] = {
	{ { "Date", 4 }, IMAP_WANT_DATE },
	{ { "Subject", 7 }, IMAP_WANT_SUBJECT },
	{ { "From", 4 }, IMAP_WANT_FROM },
	{ { "To", 2 }, IMAP_WANT_TO },
	{ { "Cc", 2 }, IMAP_WANT_CC },
	{ { "References", 10 }, IMAP_WANT_IDS },
	{ { "In-Reply-To", 11 }, IMAP_WANT_IDS },
	{ { "Message-ID", 10 }, IMAP_WANT_IDS },
};

void
imap_keys_reader_init(struct imap_keys_reader *r)
{
	/* what mail_words_decode makes is at most three times as long, for bytes that become U+FFFD */
	buf_init(&r->text, 3 * IMAP_SUBJECT_MAX + 80);
	buf_init(&r->mapped, 3 * MAIL_CASEMAP_GROWTH * IMAP_SUBJECT_MAX);
	buf_init(&r->flat, IMAP_KEYS_HEADER_MAX);
	buf_init(&r->record, IMAP_FACTS_MAX);
	r->addresses = arena_new(IMAP_STRUCTURE_ARENA);
}

void
imap_keys_reader_free(struct imap_keys_reader *r)
{
	buf_free(&r->text);
	buf_free(&r->mapped);
	buf_free(&r->flat);
	buf_free(&r->record);
	arena_free(&r->addresses);
}

/* The first field of each name that is wanted. */
static void
fields_find(struct str msg, unsigned want, struct str value[static F_N])
{
	struct mail_field f;
	size_t off = 0;

	if (msg.n > IMAP_KEYS_HEADER_MAX)
		msg.n = IMAP_KEYS_HEADER_MAX;
	while (mail_field_next(msg, &off, &f)) {
		for (int i = 0; i < F_N && f.name.n > 0; i++) {
			if (fields[i].name.n != f.name.n || !(fields[i].want & want) ||
			    value[i].p != NULL || !str_eq_nocase(f.name, fields[i].name))
				continue;
			value[i] = f.value;
			break;
		}
	}
}

static bool
text_keep(struct imap_keys_reader *r, struct str text, struct arena *a, struct str *out)
{
	buf_clear(&r->mapped);
	mail_casemap(text, &r->mapped);
	*out = arena_str(a, str_from(buf_data(&r->mapped), r->mapped.len));
	return out->p != NULL;
}

/* As the envelope and the record of facts.h have it, so that all is the same with them and without. */
static struct str
unfolded(struct imap_keys_reader *r, struct str value)
{
	if (value.p == NULL)
		return value;
	buf_clear(&r->flat);
	mail_unfold(value, &r->flat);
	return str_from(r->flat.len > 0 ? (const char *)buf_data(&r->flat) : "", r->flat.len);
}

static bool
subject_read(
    struct imap_keys_reader *r, struct str value, struct arena *a, struct imap_header_keys *k)
{
	if (value.p == NULL)
		return true;
	return text_keep(r, imap_subject_base(value, &r->text, &k->reply), a, &k->subject);
}

static bool
mailbox_keep(struct imap_keys_reader *r, struct str s, struct arena *a, struct str *out)
{
	if (s.p == NULL)
		return true;
	if (s.n > IMAP_KEYS_MAILBOX_MAX)
		s.n = IMAP_KEYS_MAILBOX_MAX;
	return text_keep(r, s, a, out);
}

/* The mailbox of the first address; of a group it is the group's name (rfc3501:7.4.2). */
static bool
address_read(struct imap_keys_reader *r, struct str value, struct arena *a, struct str *out)
{
	const struct mail_addr *m;

	if (value.p == NULL)
		return true;
	arena_reset(r->addresses);
	if ((m = mail_addrlist_parse(value, r->addresses)) == NULL)
		return true;
	return mailbox_keep(r, m->kind == MAIL_ADDR_GROUP ? m->name : m->local, a, out);
}

static bool
id_read(struct str value, struct arena *a, struct str *out)
{
	char id[IMAP_MSGID_MAX];
	size_t n;

	if (value.p == NULL || (n = imap_msgid_next(&value, id)) == 0)
		return true;
	*out = arena_str(a, str_from(id, n));
	return out->p != NULL;
}

static size_t
ids_count(struct str value)
{
	char id[IMAP_MSGID_MAX];
	size_t n = 0;

	while (imap_msgid_next(&value, id) > 0)
		n++;
	return n;
}

/* All ids of References; if it has none, the first one of In-Reply-To. */
static bool
refs_read(struct imap_keys_reader *r, struct str references, struct str reply, struct arena *a,
    struct imap_header_keys *k)
{
	struct str *refs, value = unfolded(r, references);
	size_t n = value.p == NULL ? 0 : ids_count(value), skip;
	char id[IMAP_MSGID_MAX];

	if (n == 0) {
		value = unfolded(r, reply);
		if (value.p == NULL || ids_count(value) == 0)
			return true;
		n = 1;
	}
	skip = n > IMAP_KEYS_REFS_MAX ? n - IMAP_KEYS_REFS_MAX : 0;
	if ((refs = arena_alloc(a, (n - skip) * sizeof(refs[0]))) == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t len = imap_msgid_next(&value, id);

		if (i < skip)
			continue;
		refs[i - skip] = arena_str(a, str_from(id, len));
		if (refs[i - skip].p == NULL)
			return false;
	}
	k->refs = refs;
	k->nrefs = n - skip;
	return true;
}

static void
date_read(struct str value, struct imap_header_keys *k)
{
	struct mail_time t;

	if (value.p != NULL && mail_date_parse(value, &t)) {
		k->has_date = true;
		k->date = t.seconds;
	}
}

bool
imap_keys_read(struct imap_keys_reader *r, struct str msg, unsigned want, struct arena *a,
    struct imap_header_keys *k)
{
	struct str v[F_N] = { 0 };

	*k = (struct imap_header_keys){ 0 };
	fields_find(msg, want, v);
	date_read(unfolded(r, v[F_DATE]), k);
	return subject_read(r, v[F_SUBJECT], a, k) && address_read(r, v[F_FROM], a, &k->from) &&
	       address_read(r, v[F_TO], a, &k->to) && address_read(r, v[F_CC], a, &k->cc) &&
	       id_read(unfolded(r, v[F_ID]), a, &k->id) &&
	       refs_read(r, v[F_REFERENCES], v[F_REPLY], a, k);
}

int
imap_keys_record(struct imap_keys_reader *r, struct str record, uint64_t size, unsigned want,
    struct arena *a, struct imap_header_keys *k)
{
	unsigned needs = FACTS_ENVELOPE | (want & IMAP_WANT_IDS ? FACTS_REFERENCES : 0);
	struct imap_envelope e;
	struct imap_facts f;

	*k = (struct imap_header_keys){ 0 };
	arena_reset(r->addresses);
	if (!imap_facts_get(record, &f) || f.size != size || (f.has & needs) != needs ||
	    !imap_envelope_get(f.envelope, r->addresses, &e))
		return 0;
	if (want & IMAP_WANT_DATE)
		date_read(e.date, k);
	if ((want & IMAP_WANT_SUBJECT) && !subject_read(r, e.subject, a, k))
		return -1;
	if ((want & IMAP_WANT_IDS) &&
	    !(id_read(e.id, a, &k->id) && refs_read(r, f.references, e.reply, a, k)))
		return -1;
	return (!(want & IMAP_WANT_FROM) || mailbox_keep(r, e.from, a, &k->from)) &&
		       (!(want & IMAP_WANT_TO) || mailbox_keep(r, e.to, a, &k->to)) &&
		       (!(want & IMAP_WANT_CC) || mailbox_keep(r, e.cc, a, &k->cc))
		   ? 1
		   : -1;
}

bool
imap_keys_message(struct imap_keys_reader *r, const struct imap_view *v, uint32_t uid,
    unsigned want, struct arena *a, struct imap_message *m, struct imap_header_keys *k)
{
	struct imap_content content;
	struct imap_walk w;
	struct imap_seen seen;
	bool ok = true;
	int known = 0;

	*k = (struct imap_header_keys){ 0 };
	imap_walk_uids(v, &w, uid, uid);
	if (!imap_walk_next(v, &w, &seen) || seen.gone) {
		*m = (struct imap_message){ .uid = uid };
		return true;
	}
	*m = seen.m;
	buf_clear(&r->record);
	if (want != 0 && v->ops->facts(v->be, v->folder, uid, &r->record) == IMAP_DONE)
		known = imap_keys_record(
		    r, str_from(buf_data(&r->record), r->record.len), m->size, want, a, k);
	if (known != 0)
		return known > 0;
	if (want != 0 && v->ops->content(v->be, v->folder, uid, &content) == IMAP_DONE) {
		ok = imap_keys_read(r, str_from(content.p, content.n), want, a, k);
		v->ops->release(v->be, &content);
	}
	return ok;
}
