/* SPDX-License-Identifier: ISC */
/* APPEND (rfc3501:6.3.11): the message flows to the store as it comes. */
#include "imap/respond.h"
#include "imap/state.h"
#include "mail/date.h"

struct arguments {
	struct str name;
	struct str flags[IMAP_STORE_FLAGS_MAX];
	size_t nflags;
	bool has_when;
	struct imap_time when;
};

static void
folder_release(struct imap_session *s)
{
	if (s->append.folder != NULL)
		s->ops->close(s->be, s->append.folder, NULL);
	s->append.folder = NULL;
}

void
imap_append_abort(struct imap_session *s)
{
	if (s->append.a != NULL)
		s->ops->append_abort(&s->append.a);
	folder_release(s);
	s->append = (struct imap_append_state){ 0 };
}

static bool
when_parse(struct imap_parse *p, struct arguments *args)
{
	struct mail_time t;
	struct str s;

	if (imap_parse_peek(p) != '"')
		return true;
	if (!imap_parse_string(p, &s))
		return false;
	if (!mail_time_parse_imap(s, &t))
		return imap_parse_fail(p, "Invalid date");
	args->has_when = true;
	args->when = (struct imap_time){ t.seconds, t.zone };
	return imap_parse_sp(p);
}

/*
 * The command up to a literal at its end. IMAP_APPEND_NOT: it is no APPEND, or the literal is the
 * folder's name.
 */
static enum imap_append_verdict
prefix_parse(struct imap_session *s, struct imap_parse *p, struct arguments *args, size_t literal)
{
	struct str tag, verb;

	if (!imap_parse_tag(p, &tag) || !imap_parse_sp(p) || !imap_parse_atom(p, &verb) ||
	    !str_eq_nocase(verb, STR("APPEND")) || !imap_parse_sp(p))
		return IMAP_APPEND_NOT;
	if ((size_t)(p->end - p->p) == literal)
		return IMAP_APPEND_NOT;
	if (!imap_arg_name(s, p, &args->name) || !imap_parse_sp(p))
		return IMAP_APPEND_REFUSED;
	if (imap_parse_peek(p) == '(' &&
	    (!imap_arg_flags(p, true, args->flags, &args->nflags) || !imap_parse_sp(p)))
		return IMAP_APPEND_REFUSED;
	if (!when_parse(p, args))
		return IMAP_APPEND_REFUSED;
	if ((size_t)(p->end - p->p) != literal)
		imap_parse_fail(p, "Unexpected text before the message");
	return p->error ? IMAP_APPEND_REFUSED : IMAP_APPEND_STREAM;
}

static bool
begin(struct imap_session *s, const struct arguments *args)
{
	struct imap_append_state *st = &s->append;
	enum imap_result r;
	imap_flags flags;

	if (args->name.p == NULL)
		return false; /* the reply is set */
	if (s->frame.size == 0) {
		imap_reply(s, "NO The message is empty");
		return false;
	}
	if (s->frame.size > imap_append_limit(s)) {
		imap_reply_result(s, IMAP_TOOBIG, "");
		return false;
	}
	if ((r = s->ops->open(s->be, args->name, NULL, &st->folder)) != IMAP_DONE) {
		if (r == IMAP_NONEXISTENT)
			imap_reply(s, "NO [TRYCREATE] No such folder");
		else
			imap_reply_result(s, r, "");
		return false;
	}
	if (!imap_flags_resolve(s, st->folder, args->flags, args->nflags, true, &flags))
		return false;
	r = s->ops->append_begin(s->be, s, st->folder, &st->a);
	if (r == IMAP_DONE)
		r = s->ops->append_message(st->a, flags, args->has_when, args->when, s->frame.size);
	if (r != IMAP_DONE)
		imap_reply_result(s, r, "");
	return r == IMAP_DONE;
}

enum imap_append_verdict
imap_append_literal(struct imap_session *s)
{
	struct str cmd = str_from(buf_data(&s->frame.cmd), s->frame.cmd.len), line = cmd;
	enum imap_append_verdict v;
	struct arguments args = { 0 };
	struct imap_parse p;
	uint64_t size;
	size_t at;
	bool sync;

	if (s->append.active) /* a second message: one is all we take */
		return IMAP_APPEND_NOT;
	while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n'))
		line.n--;
	imap_literal_at_end(line, &size, &sync, &at);
	imap_parse_init(&p, line, s->arena);
	v = prefix_parse(s, &p, &args, line.n - at);
	if (v == IMAP_APPEND_NOT)
		return v;
	if (v == IMAP_APPEND_REFUSED) {
		imap_reply(s, "BAD %s", p.error ? p.error : "Syntax error");
		s->bad = true;
		return v;
	}
	if (!begin(s, &args)) {
		imap_append_abort(s);
		return IMAP_APPEND_REFUSED;
	}
	s->append.active = true;
	s->append.left = s->frame.size;
	s->append.prefix = cmd.n;
	return IMAP_APPEND_STREAM;
}

void
imap_append_take(struct imap_session *s, struct buf *in)
{
	struct imap_append_state *st = &s->append;
	size_t n = in->len < st->left ? in->len : (size_t)st->left;
	enum imap_result r = IMAP_DONE;

	if (n == 0)
		return;
	if (st->a != NULL) {
		if (memchr(buf_data(in), '\0', n) != NULL) {
			imap_reply(s, "NO [CANNOT] The message contains a NUL byte");
			s->ops->append_abort(&st->a);
		} else if ((r = s->ops->append_bytes(st->a, buf_data(in), n)) != IMAP_DONE) {
			imap_reply_result(s, r, "");
			s->ops->append_abort(&st->a);
		}
	}
	buf_drain(in, n);
	st->left -= n;
}

static enum imap_step
append_end(struct imap_session *s)
{
	if (s->done.result == IMAP_DONE)
		imap_reply(s, "OK [APPENDUID %u %u] Message stored", s->done.uidvalidity,
		    s->done.first_uid);
	else if (s->done.result == IMAP_NONEXISTENT)
		imap_reply(s, "NO [TRYCREATE] No such folder");
	else
		imap_reply_result(s, s->done.result, "");
	return IMAP_STEP_DONE;
}

bool
imap_cmd_append(struct imap_session *s, struct imap_parse *p)
{
	struct imap_append_state *st = &s->append;

	if (!st->active) /* no literal came that could be a message */
		return imap_parse_fail(p, "Missing message");
	if (s->frame.cmd.len != st->prefix)
		return imap_parse_fail(p, "Unexpected text behind the message");
	if (st->a != NULL) {
		imap_pending(s, s->ops->append_commit(&st->a, imap_token(s), &s->done));
		s->step = append_end;
	}
	folder_release(s);
	*st = (struct imap_append_state){ 0 };
	return true;
}
