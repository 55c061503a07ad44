/* SPDX-License-Identifier: ISC */
/* FETCH and UID FETCH (rfc3501:6.4.5): resumable at any byte of its answer. */
#include "imap/fetch.h"
#include "imap/objectid.h"
#include "imap/part.h"
#include "imap/preview.h"
#include "imap/respond.h"
#include "imap/structure.h"
#include "mail/date.h"

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

/* Decoded (rfc3516:4.2). What is in an encoding nobody knows cannot be; the command ends in NO. */
static void
binary_put(struct imap_session *s, struct fetch *f, const struct item *it)
{
	const struct mime_part *part = NULL;
	struct str msg = content_of(f), bytes = msg;
	bool size = it->kind == ITEM_BINARY_SIZE;

	buf_clear(&s->scratch);
	if (it->section.depth > 0) {
		part = imap_section_part(&it->section, &f->tree);
		if (part != NULL)
			bytes = mime_body(msg, part);
		if (part == NULL || part->encoding == MIME_ENC_OTHER) {
			f->some_encoded |= part != NULL;
			imap_put(s, size ? " 0" : " NIL");
			return;
		}
		bytes = imap_part_decode(bytes, part->encoding, &s->scratch);
	}
	if (size) {
		imap_put(s, " %zu", bytes.n);
		return;
	}
	bytes = imap_section_cut(&it->section, bytes);
	imap_put(s, bytes.n > 0 && memchr(bytes.p, 0, bytes.n) != NULL ? " ~" : " ");
	literal_put(s, bytes);
}

static void
preview_put(struct imap_session *s, struct fetch *f)
{
	struct str text;

	buf_clear(&s->scratch);
	imap_preview(content_of(f), &f->tree, &s->scratch);
	text = str_from(buf_data(&s->scratch), s->scratch.len);
	imap_check(s, buf_putc(&s->out, ' ') | imap_put_string(&s->out, text));
}

/* Straight to the client if there is room. Borrowed until the message is done. */
static void
known_put(struct imap_session *s, struct str text)
{
	imap_put(s, " ");
	if (buf_put(&s->out, text.p, text.n) != 0)
		s->chunk = text;
}

/* From what the store's index knows, else from the content. */
static void
structure_put(struct imap_session *s, struct fetch *f, enum item_kind kind)
{
	struct str msg = content_of(f);
	int r;

	if (kind == ITEM_ENVELOPE && (f->facts.has & FACTS_ENVELOPE)) {
		known_put(s, f->facts.envelope);
		return;
	}
	if (kind == ITEM_BODYSTRUCTURE && (f->facts.has & FACTS_STRUCTURE)) {
		known_put(s, f->facts.structure);
		return;
	}
	imap_put(s, " ");
	buf_clear(&s->scratch);
	if (f->arena == NULL)
		f->arena = arena_new(IMAP_STRUCTURE_ARENA);
	if (kind == ITEM_ENVELOPE)
		r = imap_put_envelope(&s->scratch, msg, f->arena);
	else
		r = imap_put_structure(&s->scratch, msg, &f->tree,
		    (kind == ITEM_BODYSTRUCTURE ? IMAP_STRUCTURE_EXTENDED : 0) |
			(imap_names_utf8(s) ? IMAP_STRUCTURE_GLOBAL : 0),
		    f->arena);
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
	case ITEM_PREVIEW:
		preview_put(s, f);
		break;
	case ITEM_BINARY:
	case ITEM_BINARY_SIZE:
		imap_check(s, buf_put(&s->out, it->section.text.p, it->section.text.n));
		binary_put(s, f, it);
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
	f->in_message = false;
}

/* What the store's index knows about the message at hand. */
static void
facts_get(struct imap_session *s, struct fetch *f)
{
	struct str record;

	f->facts.has = 0;
	if (f->wants == 0 && !f->needs_tree)
		return;
	buf_clear(&f->record);
	if (s->ops->facts(s->be, s->view.folder, f->m.m.uid, &f->record) != IMAP_DONE)
		return;
	record = str_from(buf_data(&f->record), f->record.len);
	f->turn_bytes += record.n;
	if (!imap_facts_get(record, &f->facts) || f->facts.size != f->m.m.size)
		f->facts.has = 0;
}

/* False: it cannot be read. */
static bool
content_get(struct imap_session *s, struct fetch *f)
{
	bool lacks = (f->wants & ~f->facts.has) != 0;

	if (!f->needs_content && !lacks)
		return true;
	if (s->ops->content(s->be, s->view.folder, f->m.m.uid, &f->content) != IMAP_DONE)
		return false;
	f->has_content = true;
	f->turn_bytes += f->content.n;
	if ((f->needs_tree || (lacks && (f->wants & FACTS_STRUCTURE))) &&
	    !imap_facts_tree(&f->facts, content_of(f), &f->tree))
		mime_parse(content_of(f), &f->tree);
	return true;
}

static bool
message_begin(struct imap_session *s, struct fetch *f)
{
	f->item = 0;
	f->turn_messages++;
	if (f->changed && f->m.m.modseq <= f->since)
		return false;
	facts_get(s, f);
	if (!content_get(s, f)) {
		f->some_damaged = true;
		return false;
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
	buf_free(&f->record);
}

static void
fetch_end(struct imap_session *s, const struct fetch *f)
{
	if (f->some_damaged)
		imap_reply(s, "NO [CORRUPTION] Some of the messages cannot be read");
	else if (f->some_encoded)
		imap_reply(s, "NO [UNKNOWN-CTE] Some parts cannot be decoded");
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
	buf_init(&f->record, IMAP_FACTS_MAX);
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
		imap_fetch_item_add(p, f, ITEM_UID, STR("UID"));
	if (!imap_fetch_items_parse(p, f) || !imap_fetch_modifiers_parse(s, p, f) ||
	    !imap_parse_end(p))
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
	imap_fetch_item_add(&p, f, ITEM_UID, STR("UID"));
	imap_fetch_item_add(&p, f, ITEM_MODSEQ, STR("MODSEQ"));
	imap_fetch_item_add(&p, f, ITEM_FLAGS, STR("FLAGS"));
	s->by_uid = true;
	f->set = *set;
	f->changed = f->vanished = true;
	f->since = modseq;
	f->text = text;
	fetch_start(s, f);
	return true;
}
