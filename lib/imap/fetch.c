/* SPDX-License-Identifier: ISC */
/* FETCH and UID FETCH (rfc3501:6.4.5): resumable at any byte of its answer. */
#include "imap/objectid.h"
#include "imap/respond.h"
#include "imap/section.h"
#include "imap/state.h"
#include "imap/structure.h"
#include "mail/date.h"

enum item_kind {
	ITEM_UID,
	ITEM_FLAGS,
	ITEM_MODSEQ,
	ITEM_INTERNALDATE,
	ITEM_SIZE,
	ITEM_SAVEDATE,
	ITEM_EMAILID,
	ITEM_THREADID,
	ITEM_ENVELOPE,
	ITEM_BODY,
	ITEM_BODYSTRUCTURE,
	ITEM_SECTION,
};

struct item {
	enum item_kind kind;
	struct str name; /* as the response calls it */
	struct imap_section section;
	bool peek;
};

struct fetch {
	struct item items[IMAP_FETCH_ITEMS_MAX];
	size_t nitems;
	bool needs_content, needs_tree, marks_seen, has_flags, has_modseq;
	bool changed; /* CHANGEDSINCE: only messages above this MODSEQ */
	uint64_t since;
	bool vanished;    /* and what is gone since then */
	const char *text; /* the reply, if not fetch_end's own */
	struct imap_set set;
	size_t range; /* being walked */
	struct imap_walk walk;
	bool walking, some_gone, some_damaged;
	/* the message at hand */
	bool in_message, extra_flags, extra_modseq;
	size_t item;
	struct imap_seen m;
	struct imap_content content;
	bool has_content;
	struct mime_tree tree;
	bool has_tree;
	struct arena *arena; /* scratch of ENVELOPE and BODYSTRUCTURE */
	size_t turn_messages, turn_bytes;
};

/* ---- arguments --------------------------------------------------------------------------------
 */
static bool
item_add(struct imap_parse *p, struct fetch *f, enum item_kind kind, struct str name)
{
	if (f->nitems == IMAP_FETCH_ITEMS_MAX)
		return imap_parse_fail(p, "Too many FETCH items");
	f->items[f->nitems].kind = kind;
	f->items[f->nitems++].name = name;
	f->has_flags |= kind == ITEM_FLAGS;
	f->has_modseq |= kind == ITEM_MODSEQ;
	f->needs_content |= kind >= ITEM_ENVELOPE;
	f->needs_tree |= kind == ITEM_BODY || kind == ITEM_BODYSTRUCTURE;
	return true;
}

static bool
section_add(struct imap_parse *p, struct fetch *f, struct str name, bool peek,
    const struct imap_section *section)
{
	if (!item_add(p, f, ITEM_SECTION, name))
		return false;
	f->items[f->nitems - 1].section = *section;
	f->items[f->nitems - 1].peek = peek;
	f->marks_seen |= !peek;
	f->needs_tree |= imap_section_needs_tree(section);
	return true;
}

/* RFC822, RFC822.HEADER and RFC822.TEXT are sections with another name. */
static bool
old_item(struct imap_parse *p, struct fetch *f, struct str word, bool *known)
{
	static const struct {
		struct str name;
		enum imap_section_kind kind;
		bool peek;
	} old[] = {
		{ { "RFC822", 6 }, IMAP_SECTION_ALL, false },
		{ { "RFC822.HEADER", 13 }, IMAP_SECTION_HEADER, true },
		{ { "RFC822.TEXT", 11 }, IMAP_SECTION_TEXT, false },
	};

	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		if (str_eq_nocase(word, old[i].name)) {
			struct imap_section s = { .kind = old[i].kind };

			*known = true;
			return section_add(p, f, old[i].name, old[i].peek, &s);
		}
	}
	*known = false;
	return true;
}

static bool
simple_item(struct imap_parse *p, struct fetch *f, struct str word)
{
	static const struct {
		struct str name;
		enum item_kind kind;
	} simple[] = {
		{ { "UID", 3 }, ITEM_UID },
		{ { "FLAGS", 5 }, ITEM_FLAGS },
		{ { "MODSEQ", 6 }, ITEM_MODSEQ },
		{ { "INTERNALDATE", 12 }, ITEM_INTERNALDATE },
		{ { "RFC822.SIZE", 11 }, ITEM_SIZE },
		{ { "SAVEDATE", 8 }, ITEM_SAVEDATE },
		{ { "EMAILID", 7 }, ITEM_EMAILID },
		{ { "THREADID", 8 }, ITEM_THREADID },
		{ { "ENVELOPE", 8 }, ITEM_ENVELOPE },
		{ { "BODY", 4 }, ITEM_BODY },
		{ { "BODYSTRUCTURE", 13 }, ITEM_BODYSTRUCTURE },
	};
	bool known;

	for (size_t i = 0; i < sizeof(simple) / sizeof(simple[0]); i++)
		if (str_eq_nocase(word, simple[i].name))
			return item_add(p, f, simple[i].kind, simple[i].name);
	if (!old_item(p, f, word, &known))
		return false;
	return known || imap_parse_fail(p, "Unknown FETCH item");
}

static bool
item_parse(struct imap_parse *p, struct fetch *f)
{
	const char *from = p->p;
	struct imap_section section;
	struct str word;
	bool peek;

	while (p->p < p->end && imap_is_atom_char(*p->p) && *p->p != '[' && *p->p != '<')
		p->p++;
	word = str_from(from, (size_t)(p->p - from));
	if (imap_parse_peek(p) != '[')
		return simple_item(p, f, word);
	peek = str_eq_nocase(word, STR("BODY.PEEK"));
	if (!peek && !str_eq_nocase(word, STR("BODY")))
		return imap_parse_fail(p, "Unknown FETCH item");
	return imap_section_parse(p, &section) && section_add(p, f, STR("BODY"), peek, &section);
}

static bool
macro_parse(struct imap_parse *p, struct fetch *f, bool *known)
{
	static const struct {
		struct str name;
		const char *items;
	} macros[] = {
		{ { "ALL", 3 }, "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE" },
		{ { "FAST", 4 }, "FLAGS INTERNALDATE RFC822.SIZE" },
		{ { "FULL", 4 }, "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY" },
	};
	const char *end = memchr(p->p, ' ', (size_t)(p->end - p->p));
	struct str word = str_from(p->p, (size_t)((end ? end : p->end) - p->p));

	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
		struct imap_parse q;

		if (!str_eq_nocase(word, macros[i].name))
			continue;
		*known = true;
		p->p += word.n;
		imap_parse_init(&q, str_of(macros[i].items), p->a);
		do
			item_parse(&q, f);
		while (imap_parse_try(&q, ' '));
		return true;
	}
	*known = false;
	return true;
}

static bool
items_parse(struct imap_parse *p, struct fetch *f)
{
	bool macro;

	if (!macro_parse(p, f, &macro) || macro)
		return macro;
	if (!imap_parse_try(p, '('))
		return item_parse(p, f);
	do
		if (!item_parse(p, f))
			return false;
	while (imap_parse_try(p, ' '));
	return imap_parse_char(p, ')');
}

/* " (CHANGEDSINCE n VANISHED)" (rfc7162:3.1.4, 3.2.6) */
static bool
modifiers_parse(struct imap_session *s, struct imap_parse *p, struct fetch *f)
{
	struct str word;

	if (!imap_parse_try(p, ' '))
		return true;
	if (!imap_parse_char(p, '('))
		return false;
	do {
		if (!imap_parse_atom(p, &word))
			return false;
		if (str_eq_nocase(word, STR("VANISHED"))) {
			f->vanished = true;
		} else if (!str_eq_nocase(word, STR("CHANGEDSINCE"))) {
			return imap_parse_fail(p, "Unknown FETCH modifier");
		} else { /* 0 is not in the grammar, but Apple's programs send it */
			if (!imap_parse_sp(p) || !imap_parse_number(p, INT64_MAX, &f->since))
				return false;
			f->changed = true;
		}
	} while (imap_parse_try(p, ' '));
	if (!imap_parse_char(p, ')'))
		return false;
	if (f->vanished && !(f->changed && s->by_uid && (s->enabled & IMAP_ON_QRESYNC)))
		return imap_parse_fail(p, "VANISHED needs UID, CHANGEDSINCE and QRESYNC");
	return !f->changed || f->has_modseq || item_add(p, f, ITEM_MODSEQ, STR("MODSEQ"));
}

/* ---- one item ---------------------------------------------------------------------------------
 */
static struct str
content_of(const struct fetch *f)
{
	return str_from(f->content.p, f->content.n);
}

/* A literal whose bytes follow as there is room; bytes are borrowed. */
static void
literal_put(struct imap_session *s, struct str bytes)
{
	imap_put(s, "{%zu}\r\n", bytes.n);
	s->chunk = bytes;
}

static void
scratch_put(struct imap_session *s)
{
	s->chunk = str_from(buf_data(&s->scratch), s->scratch.len);
}

static void
section_put(struct imap_session *s, struct fetch *f, const struct item *it)
{
	const struct imap_section *sec = &it->section;
	struct str bytes;

	imap_put(s, " ");
	buf_clear(&s->scratch);
	if (imap_section_find(sec, content_of(f), &f->tree, &s->scratch, &bytes))
		literal_put(s, bytes);
	else
		imap_put(s, "NIL");
}

/*
 * The one place that asks for envelopes and structures: computed from the content, a cache of the
 * store may come before it.
 */
static void
structure_put(struct imap_session *s, struct fetch *f, enum item_kind kind)
{
	struct str msg = content_of(f);
	int r;

	imap_put(s, " ");
	buf_clear(&s->scratch);
	if (kind == ITEM_ENVELOPE)
		r = imap_put_envelope(&s->scratch, msg, f->arena);
	else
		r = imap_put_structure(
		    &s->scratch, msg, &f->tree, kind == ITEM_BODYSTRUCTURE, f->arena);
	if (r == 0)
		scratch_put(s);
	else if (kind == ITEM_ENVELOPE)
		imap_put(s, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	else
		imap_put(s, "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"8BIT\" %zu)", msg.n);
}

static void
date_put(struct imap_session *s, int64_t seconds, int16_t zone)
{
	char date[MAIL_IMAP_TIME_SIZE];

	mail_time_format_imap((struct mail_time){ seconds, zone }, date);
	imap_put(s, " \"%s\"", date);
}

static void
objectid_put(struct imap_session *s, enum imap_objectid kind, const struct imap_message *m)
{
	imap_check(s,
	    buf_puts(&s->out, " (") | imap_put_objectid(&s->out, kind, m) | buf_putc(&s->out, ')'));
}

static void
item_put(struct imap_session *s, struct fetch *f, const struct item *it)
{
	if (it->kind == ITEM_FLAGS) {
		imap_check(s, imap_put_message_flags(s, &f->m));
		return;
	}
	if (it->kind == ITEM_MODSEQ) {
		imap_put_modseq(s, f->m.m.modseq);
		return;
	}
	imap_check(s, buf_put(&s->out, it->name.p, it->name.n));
	switch (it->kind) {
	case ITEM_UID:
		imap_check(s, buf_putc(&s->out, ' ') | imap_put_u64(&s->out, f->m.m.uid));
		break;
	case ITEM_SIZE:
		imap_check(s, buf_putc(&s->out, ' ') | imap_put_u64(&s->out, f->m.m.size));
		break;
	case ITEM_INTERNALDATE:
		date_put(s, f->m.m.internal.seconds, f->m.m.internal.zone);
		break;
	case ITEM_SAVEDATE:
		date_put(s, f->m.m.saved, 0);
		break;
	case ITEM_EMAILID:
		objectid_put(s, IMAP_EMAILID, &f->m.m);
		break;
	case ITEM_THREADID:
		objectid_put(s, IMAP_THREADID, &f->m.m);
		break;
	case ITEM_ENVELOPE:
	case ITEM_BODY:
	case ITEM_BODYSTRUCTURE:
		structure_put(s, f, it->kind);
		break;
	case ITEM_SECTION:
		imap_check(s, buf_put(&s->out, it->section.text.p, it->section.text.n));
		section_put(s, f, it);
		break;
	case ITEM_FLAGS:
	case ITEM_MODSEQ:
		break;
	}
}

/* ---- one message ------------------------------------------------------------------------------
 */
static bool
next_message(struct imap_session *s, struct fetch *f)
{
	for (;;) {
		if (!f->walking) {
			if (f->range == f->set.n)
				return false;
			imap_walk_range(s, &f->set, f->range++, &f->walk);
			f->walking = true;
		}
		if (!imap_walk_next(&s->view, &f->walk, &f->m)) {
			f->walking = false;
			continue;
		}
		if (!f->m.gone)
			return true;
		f->some_gone = true;
	}
}

/* BODY[...] without PEEK sets \Seen, and the client hears of it in the same response. */
static void
mark_seen(struct imap_session *s, struct fetch *f)
{
	uint32_t uid = f->m.m.uid;
	struct imap_walk w;
	struct imap_seen m;

	f->extra_flags = f->extra_modseq = false;
	if (!f->marks_seen || s->read_only || (f->m.m.flags & IMAP_SEEN))
		return;
	s->own_store = true;
	s->ops->store(s->be, s, ++s->token, s->view.folder, &uid, 1, IMAP_STORE_ADD, IMAP_SEEN);
	s->own_store = false;
	imap_walk_uids(&s->view, &w, uid, uid);
	if (imap_walk_next(&s->view, &w, &m) && !m.gone) {
		f->m = m;
		f->extra_flags = !f->has_flags;
		f->extra_modseq = !f->has_modseq && (s->enabled & IMAP_ON_CONDSTORE);
	}
}

static void
message_end(struct imap_session *s, struct fetch *f)
{
	if (f->has_content)
		s->ops->release(s->be, &f->content);
	f->has_content = false;
	f->has_tree = false;
	f->in_message = false;
}

static bool
message_begin(struct imap_session *s, struct fetch *f)
{
	f->item = 0;
	f->turn_messages++;
	if (f->changed && f->m.m.modseq <= f->since)
		return false;
	if (f->needs_content) {
		if (s->ops->content(s->be, s->view.folder, f->m.m.uid, &f->content) != IMAP_DONE) {
			f->some_damaged = true;
			return false;
		}
		f->has_content = true;
		f->turn_bytes += f->content.n;
		if (f->needs_tree)
			mime_parse(content_of(f), &f->tree);
	}
	mark_seen(s, f);
	imap_tell_keywords(s, f->m.m.flags);
	imap_put(s, "* %u FETCH (", f->m.seq);
	if (f->extra_modseq) {
		imap_put_modseq(s, f->m.m.modseq);
		imap_put(s, " ");
	}
	if (f->extra_flags)
		imap_check(s, imap_put_message_flags(s, &f->m) | buf_putc(&s->out, ' '));
	f->in_message = true;
	return true;
}

static void
fetch_cleanup(struct imap_session *s)
{
	struct fetch *f = s->cmd;

	message_end(s, f);
	mime_tree_free(&f->tree);
	arena_free(&f->arena);
}

static void
fetch_end(struct imap_session *s, const struct fetch *f)
{
	if (f->some_damaged)
		imap_reply(s, "NO [CORRUPTION] Some of the messages cannot be read");
	else if (f->some_gone && !s->by_uid)
		imap_reply(s, "NO [EXPUNGEISSUED] Some of the messages are gone");
	else
		imap_reply(s, "%s", f->text ? f->text : "OK Messages fetched");
}

static enum imap_step
fetch_step(struct imap_session *s)
{
	struct fetch *f = s->cmd;

	for (;;) {
		if (!imap_chunk_write(s) || !imap_has_room(s))
			return IMAP_STEP_MORE;
		if (!f->in_message) {
			if (f->turn_messages >= IMAP_TURN_MESSAGES ||
			    f->turn_bytes >= IMAP_TURN_BYTES) {
				f->turn_messages = f->turn_bytes = 0;
				return IMAP_STEP_YIELD;
			}
			if (!next_message(s, f)) {
				fetch_end(s, f);
				return IMAP_STEP_DONE;
			}
			message_begin(s, f);
		} else if (f->item < f->nitems) {
			if (f->item > 0)
				imap_put(s, " ");
			item_put(s, f, &f->items[f->item++]);
		} else {
			imap_put(s, ")\r\n");
			message_end(s, f);
		}
		if (s->phase == IMAP_PHASE_CLOSE)
			return IMAP_STEP_DONE;
	}
}

static void
fetch_start(struct imap_session *s, struct fetch *f)
{
	if (f->needs_content)
		f->arena = arena_new(IMAP_STRUCTURE_ARENA);
	if (f->has_modseq)
		imap_condstore_on(s);
	s->cmd = f;
	s->cleanup = fetch_cleanup;
	s->step = fetch_step;
	if (f->vanished)
		imap_put_earlier(s, &f->set, f->since);
}

bool
imap_cmd_fetch(struct imap_session *s, struct imap_parse *p)
{
	struct fetch *f = arena_alloc(s->arena, sizeof(*f));
	bool has_uid = false;

	if (!imap_parse_sp(p) || !imap_arg_set(s, p, &f->set) || !imap_parse_sp(p))
		return false;
	if (s->by_uid)
		item_add(p, f, ITEM_UID, STR("UID"));
	if (!items_parse(p, f) || !modifiers_parse(s, p, f) || !imap_parse_end(p))
		return false;
	/* UID FETCH n (UID ...): once is enough */
	for (size_t i = 0; i < f->nitems; i++) {
		if (f->items[i].kind != ITEM_UID)
			continue;
		if (has_uid)
			memmove(&f->items[i], &f->items[i + 1],
			    (--f->nitems - i) * sizeof(f->items[0]));
		has_uid = true;
	}
	fetch_start(s, f);
	return true;
}

bool
imap_fetch_changed(
    struct imap_session *s, const struct imap_set *set, uint64_t modseq, const char *text)
{
	struct fetch *f = arena_alloc(s->arena, sizeof(*f));
	struct imap_parse p;

	imap_parse_init(&p, STR(""), s->arena);
	item_add(&p, f, ITEM_UID, STR("UID"));
	item_add(&p, f, ITEM_MODSEQ, STR("MODSEQ"));
	item_add(&p, f, ITEM_FLAGS, STR("FLAGS"));
	s->by_uid = true;
	f->set = *set;
	f->changed = f->vanished = true;
	f->since = modseq;
	f->text = text;
	fetch_start(s, f);
	return true;
}
