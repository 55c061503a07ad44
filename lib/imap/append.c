/* SPDX-License-Identifier: ISC */
/*
 * APPEND (rfc3501:6.3.11) of one or several messages (rfc3502), which flow to the store as they
 * come: all of them become visible at the end, or none.
 */
#include "imap/respond.h"
#include "imap/state.h"
#include "mail/date.h"

struct arguments {
	struct str flags[IMAP_STORE_FLAGS_MAX];
	size_t nflags;
	bool has_when;
	struct imap_time when;
	bool wrapped; /* "UTF8 (" literal ")" */
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

/* ---- what stands before a message -------------------------------------------------------------
 */
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

/* "UTF8 (" (rfc6855:4, which clients still send) and the '~' of a literal that may be binary. */
static bool
literal_kind_parse(struct imap_parse *p, struct arguments *args)
{
	struct str word;

	if (imap_parse_peek(p) == 'U' || imap_parse_peek(p) == 'u') {
		if (!imap_parse_atom(p, &word) || !str_eq_nocase(word, STR("UTF8")))
			return imap_parse_fail(p, "Unexpected text before the message");
		if (!imap_parse_sp(p) || !imap_parse_char(p, '('))
			return false;
		args->wrapped = true;
	}
	imap_parse_try(p, '~');
	return true;
}

/* Up to the literal, which begins `literal` bytes before the end. */
static bool
message_parse(struct imap_parse *p, struct arguments *args, const char *literal)
{
	if (imap_parse_peek(p) == '(' &&
	    (!imap_arg_flags(p, true, args->flags, &args->nflags) || !imap_parse_sp(p)))
		return false;
	if (!when_parse(p, args) || !literal_kind_parse(p, args))
		return false;
	return p->p == literal || imap_parse_fail(p, "Unexpected text before the message");
}

/* Behind a message: what closes it. */
static bool
message_end_parse(struct imap_session *s, struct imap_parse *p)
{
	if (!s->append.wrapped)
		return true;
	s->append.wrapped = false;
	return imap_parse_char(p, ')');
}

/* The first message: false: it is no APPEND, or the literal is the folder's name. */
static bool
is_append(struct imap_parse *p, const char *literal)
{
	struct str tag, verb;

	return imap_parse_tag(p, &tag) && imap_parse_sp(p) && imap_parse_atom(p, &verb) &&
	       str_eq_nocase(verb, STR("APPEND")) && imap_parse_sp(p) && p->p != literal;
}

/* ---- a message begins -------------------------------------------------------------------------
 */
static bool
folder_open(struct imap_session *s, struct str name)
{
	struct imap_append_state *st = &s->append;
	enum imap_result r;

	if (name.p == NULL)
		return false; /* the reply is set */
	r = s->ops->open(s->be, name, NULL, &st->folder);
	if (r == IMAP_DONE)
		r = s->ops->append_begin(s->be, s, st->folder, &st->a);
	if (r == IMAP_NONEXISTENT)
		imap_reply(s, "NO [TRYCREATE] No such folder");
	else if (r != IMAP_DONE)
		imap_reply_result(s, r, "");
	return r == IMAP_DONE;
}

static bool
message_begin(struct imap_session *s, const struct arguments *args)
{
	struct imap_append_state *st = &s->append;
	enum imap_result r;
	imap_flags flags;

	if (s->frame.size == 0) {
		imap_reply(s, "NO The message is empty");
		return false;
	}
	if (s->frame.size > imap_append_limit(s)) {
		imap_reply_result(s, IMAP_TOOBIG, "");
		return false;
	}
	if (!imap_flags_resolve(s, st->folder, args->flags, args->nflags, true, &flags))
		return false;
	r = s->ops->append_message(st->a, flags, args->has_when, args->when, s->frame.size);
	if (r != IMAP_DONE)
		imap_reply_result(s, r, "");
	return r == IMAP_DONE;
}

static enum imap_append_verdict
refuse(struct imap_session *s, const struct imap_parse *p)
{
	if (p->error != NULL) {
		imap_reply(s, "BAD %s", p->error);
		s->bad = true;
	}
	imap_append_abort(s);
	return IMAP_APPEND_REFUSED;
}

enum imap_append_verdict
imap_append_literal(struct imap_session *s)
{
	struct str cmd = str_from(buf_data(&s->frame.cmd), s->frame.cmd.len), line = cmd;
	struct imap_append_state *st = &s->append;
	struct arguments args = { 0 };
	struct imap_parse p;
	const char *literal;
	struct str name;
	uint64_t size;
	size_t at;
	bool sync;

	if (st->active && st->a == NULL) /* a message before was refused: reply is set */
		return refuse(s, &(struct imap_parse){ 0 });
	while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n'))
		line.n--;
	imap_literal_at_end(line, &size, &sync, &at);
	literal = line.p + at;
	imap_parse_init(&p, line, s->arena);
	if (st->active) {
		p.p += st->prefix;
		if (!message_end_parse(s, &p) || !imap_parse_sp(&p) ||
		    !message_parse(&p, &args, literal))
			return refuse(s, &p);
	} else {
		if (!is_append(&p, literal))
			return IMAP_APPEND_NOT;
		if (!imap_arg_name(s, &p, &name) || !imap_parse_sp(&p) ||
		    !message_parse(&p, &args, literal) || !folder_open(s, name))
			return refuse(s, &p);
	}
	if (!message_begin(s, &args))
		return refuse(s, &p);
	st->active = true;
	st->wrapped = args.wrapped;
	st->left = s->frame.size;
	st->prefix = cmd.n;
	st->count++;
	st->header = IMAP_HEADER_LINE;
	return IMAP_APPEND_STREAM;
}

/* ---- its bytes --------------------------------------------------------------------------------
 */
/* True: a byte above 0x7f stands in the header, up to the first empty line. */
static bool
header_is_8bit(struct imap_append_state *st, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && st->header != IMAP_HEADER_OVER; i++) {
		if (p[i] >= 0x80)
			return true;
		if (p[i] == '\n')
			st->header =
			    st->header == IMAP_HEADER_LINE ? IMAP_HEADER_OVER : IMAP_HEADER_LINE;
		else if (p[i] != '\r')
			st->header = IMAP_HEADER_INSIDE;
	}
	return false;
}

static void
bytes_take(struct imap_session *s, const uint8_t *p, size_t n)
{
	struct imap_append_state *st = &s->append;
	/* rfc9755:4: who has not said that it takes UTF-8 must not send it in headers */
	bool ascii = imap_has(s, IMAP_CAP_UTF8_ACCEPT) && !imap_names_utf8(s);
	enum imap_result r;

	if (memchr(p, '\0', n) != NULL)
		imap_reply(s, "NO [UNKNOWN-CTE] The message contains a NUL byte");
	else if (ascii && header_is_8bit(st, p, n))
		imap_reply(
		    s, "NO [CANNOT] Bytes above 127 in the header: ENABLE UTF8=ACCEPT first");
	else if ((r = s->ops->append_bytes(st->a, p, n)) == IMAP_DONE)
		return;
	else
		imap_reply_result(s, r, "");
	s->ops->append_abort(&st->a);
}

void
imap_append_take(struct imap_session *s, struct buf *in)
{
	struct imap_append_state *st = &s->append;
	size_t n = in->len < st->left ? in->len : (size_t)st->left;

	if (n == 0)
		return;
	if (st->a != NULL)
		bytes_take(s, buf_data(in), n);
	buf_drain(in, n);
	st->left -= n;
}

/* ---- the end ----------------------------------------------------------------------------------
 */
static enum imap_step
append_end(struct imap_session *s)
{
	const uint32_t *count = s->cmd;
	uint32_t first = s->done.first_uid;

	if (s->done.result == IMAP_DONE && *count > 1)
		imap_reply(s, "OK [APPENDUID %u %u:%u] Messages stored", s->done.uidvalidity, first,
		    first + *count - 1);
	else if (s->done.result == IMAP_DONE)
		imap_reply(s, "OK [APPENDUID %u %u] Message stored", s->done.uidvalidity, first);
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
	uint32_t *count = arena_alloc(s->arena, sizeof(*count));

	if (!st->active) /* no literal came that could be a message */
		return imap_parse_fail(p, "Missing message");
	p->p = (const char *)buf_data(&s->frame.cmd) + st->prefix;
	if (!message_end_parse(s, p))
		return false;
	if (!imap_parse_at_end(p))
		return imap_parse_fail(p, "Unexpected text behind the message");
	*count = st->count;
	s->cmd = count;
	if (st->a != NULL) {
		imap_pending(s, s->ops->append_commit(&st->a, imap_token(s), &s->done));
		s->step = append_end;
	}
	folder_release(s);
	*st = (struct imap_append_state){ 0 };
	return true;
}
