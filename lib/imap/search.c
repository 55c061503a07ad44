/* SPDX-License-Identifier: ISC */
#include "imap/search.h"

#include "imap/objectid.h"
#include "imap/part.h"
#include "imap/search_key.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/word.h"

enum { SEARCH_TEXT_MAX = 256 * 1024 * 1024, SEARCH_KEEP = 256 * 1024 };

void
imap_search_init(struct imap_search *s, const struct imap_view *v)
{
	*s = (struct imap_search){ .view = v };
	buf_init(&s->text, SEARCH_TEXT_MAX);
	buf_init(&s->folded, SEARCH_TEXT_MAX);
}

static void
message_release(struct imap_search *s)
{
	if (s->has_content)
		s->view->ops->release(s->view->be, &s->content);
	s->has_content = s->tried = s->has_tree = false;
}

void
imap_search_free(struct imap_search *s)
{
	message_release(s);
	mime_tree_free(&s->tree);
	buf_free(&s->text);
	buf_free(&s->folded);
}

static bool
content_get(struct imap_search *s, const struct imap_seen *m, struct str *msg)
{
	if (!s->tried) {
		s->tried = true;
		s->has_content = s->view->ops->content(s->view->be, s->view->folder, m->m.uid,
				     &s->content) == IMAP_DONE;
		s->damaged |= !s->has_content;
	}
	*msg = str_from(s->content.p, s->has_content ? s->content.n : 0);
	return s->has_content;
}

/* Does the folded form of s->text have the needle in it? */
static bool
folded_has(struct imap_search *s, struct str utf8, struct str needle)
{
	bool found;

	if (needle.n == 0)
		return true;
	buf_clear(&s->folded);
	mail_fold(utf8, &s->folded);
	found = s->folded.len >= needle.n &&
		memmem(buf_data(&s->folded), s->folded.len, needle.p, needle.n) != NULL;
	if (s->folded.cap > SEARCH_KEEP)
		buf_free(&s->folded);
	return found;
}

static bool
text_has(struct imap_search *s, struct str needle)
{
	bool found = folded_has(s, str_from(buf_data(&s->text), s->text.len), needle);

	if (s->text.cap > SEARCH_KEEP)
		buf_free(&s->text);
	return found;
}

static bool
header_matches(struct imap_search *s, struct str msg, const struct imap_key *k)
{
	struct mail_field f;
	size_t off = 0;

	while (mail_field_next(msg, &off, &f)) {
		if (!str_eq_nocase(f.name, k->field))
			continue;
		buf_clear(&s->text);
		mail_words_decode(f.value, &s->text);
		if (text_has(s, k->text))
			return true;
	}
	return false;
}

/* All fields of a header, "Name: value" line by line. */
static bool
whole_header_matches(struct imap_search *s, struct str header, struct str needle)
{
	struct mail_field f;
	size_t off = 0;

	buf_clear(&s->text);
	while (mail_field_next(header, &off, &f)) {
		buf_put(&s->text, f.name.p, f.name.n);
		buf_puts(&s->text, ": ");
		mail_words_decode(f.value, &s->text);
		buf_puts(&s->text, "\r\n");
	}
	return text_has(s, needle);
}

static bool
body_matches(struct imap_search *s, struct str body, const struct mime_part *p, struct str needle)
{
	enum mail_charset cs = imap_part_charset(p);
	struct str text = imap_part_decode(body, p->encoding, &s->text);
	struct buf utf8;
	bool found;

	if (cs == MAIL_CHARSET_UNKNOWN || cs == MAIL_CHARSET_UTF8)
		return folded_has(s, text, needle);
	buf_init(&utf8, SEARCH_TEXT_MAX);
	mail_charset_to_utf8(cs, text, &utf8);
	found = folded_has(s, str_from(buf_data(&utf8), utf8.len), needle);
	buf_free(&utf8);
	return found;
}

/* Text parts, and the headers of all parts but the message's own. */
static bool
content_matches(struct imap_search *s, struct str msg, const struct imap_key *k)
{
	if (!s->has_tree)
		mime_parse(msg, &s->tree);
	s->has_tree = true;
	s->bytes += msg.n;
	for (size_t i = 0; i < s->tree.count; i++) {
		const struct mime_part *p = &s->tree.parts[i];

		if ((i > 0 || k->kind == K_TEXT) &&
		    whole_header_matches(s, mime_header(msg, p), k->text))
			return true;
		if (p->kind == MIME_TEXT && body_matches(s, mime_body(msg, p), p, k->text))
			return true;
	}
	return k->text.n == 0;
}

static bool
sent_matches(struct str msg, const struct imap_key *k)
{
	struct mail_field f;
	struct mail_time t;
	int64_t day;

	if (!mail_field_find(msg, STR("Date"), &f) || !mail_date_parse(f.value, &t))
		return false;
	day = mail_time_day(t);
	return day >= k->lo && day < k->hi;
}

static bool
internal_matches(const struct imap_seen *m, const struct imap_key *k)
{
	int64_t day =
	    mail_time_day((struct mail_time){ m->m.internal.seconds, m->m.internal.zone });

	return day >= k->lo && day < k->hi;
}

/* As deep as the keys are nested. */
static bool
key_matches(struct imap_search *s, const struct imap_key *k, const struct imap_seen *m)
{
	struct str msg;
	int64_t day;
	bool recent;

	switch (k->kind) {
	case K_ALL:
		return true;
	case K_SEQ:
		return imap_set_has(&k->set, m->seq);
	case K_UID:
		return imap_set_has(&k->set, m->m.uid);
	case K_FLAG:
		return (m->m.flags & k->flags) != 0;
	case K_NOFLAG:
		return (m->m.flags & k->flags) == 0;
	case K_RECENT:
	case K_NEW:
	case K_OLD:
		recent = imap_view_is_recent(s->view, m->m.uid);
		if (k->kind == K_NEW)
			return recent && !(m->m.flags & IMAP_SEEN);
		return recent == (k->kind == K_RECENT);
	case K_DAY:
		return internal_matches(m, k);
	case K_SAVED_DAY:
		day = mail_time_day((struct mail_time){ m->m.saved, 0 });
		return day >= k->lo && day < k->hi;
	case K_TIME:
		return m->m.internal.seconds >= k->lo && m->m.internal.seconds <= k->hi;
	case K_EMAILID:
		return imap_objectid_is(k->text, IMAP_EMAILID, &m->m);
	case K_THREADID:
		return imap_objectid_is(k->text, IMAP_THREADID, &m->m);
	case K_LARGER:
		return m->m.size > k->size;
	case K_SMALLER:
		return m->m.size < k->size;
	case K_MODSEQ:
		return m->m.modseq >= k->size;
	case K_SENT_DAY:
		return content_get(s, m, &msg) && sent_matches(msg, k);
	case K_HEADER:
		return content_get(s, m, &msg) && header_matches(s, msg, k);
	case K_BODY:
	case K_TEXT:
		return content_get(s, m, &msg) && content_matches(s, msg, k);
	case K_NOT:
		return !key_matches(s, k->a, m);
	case K_OR:
		return key_matches(s, k->a, m) || key_matches(s, k->b, m);
	case K_AND:
		for (k = k->a; k != NULL; k = k->next)
			if (!key_matches(s, k, m))
				return false;
		return true;
	}
	return false;
}

bool
imap_search_matches(struct imap_search *s, const struct imap_key *key, const struct imap_seen *m)
{
	bool matches = key_matches(s, key, m);

	s->bytes += s->has_content ? 1024 : 0; /* opening one costs as well */
	message_release(s);
	return matches;
}
