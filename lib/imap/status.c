/* SPDX-License-Identifier: ISC */
/* STATUS (rfc3501:6.3.10) and what LIST ... RETURN (STATUS ...) asks of it. */
#include "imap/respond.h"
#include "imap/state.h"

enum item {
	ST_MESSAGES,
	ST_RECENT,
	ST_UIDNEXT,
	ST_UIDVALIDITY,
	ST_UNSEEN,
	ST_DELETED,
	ST_SIZE,
	ST_HIGHESTMODSEQ,
	ST_APPENDLIMIT,
	ST_MAILBOXID,
	ST_DELETED_STORAGE,
	ST_N,
};

static const struct str names[ST_N] = { { "MESSAGES", 8 }, { "RECENT", 6 }, { "UIDNEXT", 7 },
	{ "UIDVALIDITY", 11 }, { "UNSEEN", 6 }, { "DELETED", 7 }, { "SIZE", 4 },
	{ "HIGHESTMODSEQ", 13 }, { "APPENDLIMIT", 11 }, { "MAILBOXID", 9 },
	{ "DELETED-STORAGE", 15 } };

bool
imap_status_parse(struct imap_session *s, struct imap_parse *p, unsigned *items)
{
	struct str word;

	*items = 0;
	if (!imap_parse_char(p, '('))
		return false;
	do {
		unsigned i = 0;

		if (!imap_parse_atom(p, &word))
			return false;
		while (i < ST_N && !str_eq_nocase(word, names[i]))
			i++;
		if (i == ST_N)
			return imap_parse_fail(p, "Unknown STATUS item");
		*items |= 1u << i;
	} while (imap_parse_try(p, ' '));
	if (!imap_parse_char(p, ')'))
		return false;
	if (*items & 1u << ST_HIGHESTMODSEQ)
		imap_condstore_on(s);
	return true;
}

/* Bytes of the messages that an EXPUNGE would take (rfc9208:4.1.4). */
static uint64_t
deleted_bytes(struct imap_session *s, struct imap_folder *f)
{
	size_t n = s->ops->count(s->be, f);
	struct imap_message m;
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		s->ops->message(s->be, f, i, &m);
		bytes += m.flags & IMAP_DELETED ? m.size : 0;
	}
	return bytes;
}

static void
item_put(
    struct imap_session *s, enum item item, const struct imap_folder_state *st, uint64_t deleted)
{
	const uint64_t value[ST_N] = {
		[ST_MESSAGES] = st->messages,
		[ST_RECENT] = st->recent,
		[ST_UIDNEXT] = st->uidnext,
		[ST_UIDVALIDITY] = st->uidvalidity,
		[ST_UNSEEN] = st->unseen,
		[ST_DELETED] = st->deleted,
		[ST_SIZE] = st->size,
		[ST_HIGHESTMODSEQ] = st->highestmodseq,
		[ST_APPENDLIMIT] = imap_append_limit(s),
		[ST_DELETED_STORAGE] = deleted,
	};

	imap_check(s, buf_put(&s->out, names[item].p, names[item].n) | buf_putc(&s->out, ' '));
	if (item == ST_MAILBOXID)
		imap_put(s, "(F%llu)", (unsigned long long)st->id);
	else
		imap_check(s, imap_put_u64(&s->out, value[item]));
}

enum imap_result
imap_status_put(struct imap_session *s, struct str name, unsigned items)
{
	struct imap_folder_state st;
	struct imap_folder *f;
	enum imap_result r = s->ops->open(s->be, name, NULL, &f);
	uint64_t deleted = 0;
	bool first = true;

	if (r != IMAP_DONE)
		return r;
	s->ops->state(s->be, f, &st);
	if ((items & 1u << ST_DELETED_STORAGE) && st.deleted > 0)
		deleted = deleted_bytes(s, f);
	s->ops->close(s->be, f, NULL);
	imap_check(s, buf_puts(&s->out, "* STATUS ") |
			  imap_put_name(&s->out, name, imap_names_utf8(s)) |
			  buf_puts(&s->out, " ("));
	for (enum item i = 0; i < ST_N; i++) {
		if (!(items & 1u << i))
			continue;
		if (!first)
			imap_put(s, " ");
		first = false;
		item_put(s, i, &st, deleted);
	}
	imap_put(s, ")\r\n");
	return IMAP_DONE;
}

bool
imap_cmd_status(struct imap_session *s, struct imap_parse *p)
{
	struct str name;
	unsigned items;

	if (!imap_parse_sp(p) || !imap_arg_name(s, p, &name) || !imap_parse_sp(p) ||
	    !imap_status_parse(s, p, &items) || !imap_parse_end(p))
		return false;
	if (name.p != NULL)
		imap_reply_result(s, imap_status_put(s, name, items), "Status shown");
	return true;
}
