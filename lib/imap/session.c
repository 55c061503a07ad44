/* SPDX-License-Identifier: ISC */
#include "imap/session.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "imap/respond.h"
#include "imap/state.h"

struct imap_session *
imap_session_new(const struct imap_session_config *config)
{
	struct imap_session *s = xcalloc(1, sizeof(*s));

	s->ops = config->ops;
	s->be = config->backend;
	s->wake = config->wake;
	s->wake_arg = config->wake_arg;
	s->hidden = imap_caps_parse(config->hidden_capabilities);
	imap_frame_init(&s->frame, IMAP_COMMAND_MAX);
	s->arena = arena_new(IMAP_ARENA_MAX);
	buf_init(&s->out, IMAP_OUT_MAX);
	buf_init(&s->scratch, IMAP_SCRATCH_MAX);
	buf_init(&s->reply, IMAP_REPLY_MAX);
	return s;
}

static void
command_end(struct imap_session *s)
{
	if (s->cleanup != NULL)
		s->cleanup(s);
	s->cleanup = NULL;
	s->step = NULL;
	s->cmd = NULL;
	s->chunk = (struct str){ 0 };
	s->by_uid = s->hold_expunge = s->bad = s->logout = s->tell_synced = false;
	s->replied = false;
	s->tag = s->given = (struct str){ 0 };
	buf_free(&s->reply);
	if (s->scratch.cap > IMAP_SCRATCH_KEEP)
		buf_free(&s->scratch);
	arena_reset(s->arena);
	s->phase = IMAP_PHASE_READ;
}

void
imap_session_free(struct imap_session **sp)
{
	struct imap_session *s = *sp;

	if (s == NULL)
		return;
	imap_append_abort(s);
	command_end(s);
	imap_folder_close(s);
	s->ops->session_gone(s->be, s);
	imap_frame_free(&s->frame);
	arena_free(&s->arena);
	buf_free(&s->out);
	buf_free(&s->scratch);
	free(s);
	*sp = NULL;
}

struct buf *
imap_session_out(struct imap_session *s)
{
	return &s->out;
}

void
imap_session_sent(struct imap_session *s, size_t n)
{
	buf_drain(&s->out, n);
	if (s->out.len == 0)
		buf_free(&s->out);
}

bool
imap_session_is_idle(const struct imap_session *s)
{
	return s->phase == IMAP_PHASE_IDLE ||
	       (s->phase == IMAP_PHASE_READ && (s->frame.cmd.len == 0 || s->frame.eaten));
}

void
imap_session_bye(struct imap_session *s, const char *text)
{
	s->bye = text;
}

void
imap_session_welcome(struct imap_session *s, struct str tag)
{
	imap_check(s, buf_put(&s->out, tag.p, tag.n) | buf_puts(&s->out, " OK [CAPABILITY "));
	imap_check(s, imap_put_capabilities(s, &s->out) | buf_puts(&s->out, "] Logged in\r\n"));
}

/* ---- output -----------------------------------------------------------------------------------
 */
void
imap_check(struct imap_session *s, int failed)
{
	if (failed != 0)
		s->phase = IMAP_PHASE_CLOSE;
}

void
imap_put(struct imap_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	imap_check(s, buf_vprintf(&s->out, fmt, ap));
	va_end(ap);
}

void
imap_reply(struct imap_session *s, const char *fmt, ...)
{
	va_list ap;

	buf_clear(&s->reply);
	va_start(ap, fmt);
	buf_vprintf(&s->reply, fmt, ap);
	va_end(ap);
}

void
imap_reply_result(struct imap_session *s, enum imap_result r, const char *text)
{
	static const struct {
		enum imap_result r;
		const char *text;
	} texts[] = {
		{ IMAP_NONEXISTENT, "NO [NONEXISTENT] No such folder or message" },
		{ IMAP_EXISTS, "NO [ALREADYEXISTS] A folder with this name exists" },
		{ IMAP_LIMIT, "NO [LIMIT] Too many" },
		{ IMAP_OVERQUOTA, "NO [OVERQUOTA] The mailbox is full" },
		{ IMAP_HASCHILDREN, "NO [HASCHILDREN] There are folders below this one" },
		{ IMAP_CANNOT, "NO [CANNOT] This is not possible" },
		{ IMAP_CORRUPTION, "NO [CORRUPTION] Stored data is damaged" },
		{ IMAP_TOOBIG, "NO [TOOBIG] The message is too large" },
	};

	if (r == IMAP_DONE) {
		imap_reply(s, "OK %s", text);
		return;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].r == r) {
			imap_reply(s, "%s", texts[i].text);
			return;
		}
	}
	imap_reply(s, "NO [UNAVAILABLE] Temporary trouble, try again later");
}

bool
imap_has_room(const struct imap_session *s)
{
	return s->out.len < IMAP_OUT_LOW;
}

bool
imap_chunk_write(struct imap_session *s)
{
	size_t n = buf_room(&s->out);

	if (n > s->chunk.n)
		n = s->chunk.n;
	imap_check(s, buf_put(&s->out, s->chunk.p, n));
	s->chunk = str_from(s->chunk.p + n, s->chunk.n - n);
	return s->chunk.n == 0;
}

uint32_t
imap_token(struct imap_session *s)
{
	s->waiting = true;
	return ++s->token;
}

bool
imap_pending(struct imap_session *s, enum imap_result r)
{
	if (r != IMAP_PENDING) {
		s->waiting = false;
		s->done.result = r;
	}
	return s->waiting;
}

/* ---- notices ----------------------------------------------------------------------------------
 */
static void
wake_idler(struct imap_session *s)
{
	if (s->phase == IMAP_PHASE_IDLE)
		s->wake(s->wake_arg);
}

void
imap_session_done(struct imap_session *s, uint32_t token, const struct imap_done *done)
{
	if (!s->waiting || token != s->token)
		return;
	s->waiting = false;
	s->done = *done;
	s->wake(s->wake_arg);
}

void
imap_session_arrived(struct imap_session *s, struct imap_folder *f)
{
	if (f == s->view.folder)
		wake_idler(s);
}

void
imap_session_flags(struct imap_session *s, struct imap_folder *f, const uint32_t *uids, size_t n)
{
	if (f != s->view.folder || s->own_store)
		return;
	imap_view_note_flags(&s->view, uids, n);
	wake_idler(s);
}

void
imap_session_expunged(struct imap_session *s, struct imap_folder *f, const uint32_t *uids, size_t n)
{
	if (f != s->view.folder)
		return;
	imap_view_note_gone(&s->view, uids, n);
	wake_idler(s);
}

void
imap_session_folder_gone(struct imap_session *s, struct imap_folder *f)
{
	if (f != s->view.folder)
		return;
	s->folder_gone = true;
	wake_idler(s);
}

/* ---- telling what happened --------------------------------------------------------------------
 */
void
imap_put_folder_flags(struct imap_session *s)
{
	imap_flags all = IMAP_SYSTEM_FLAGS;
	int r;

	for (unsigned k = 0; k < IMAP_KEYWORDS_MAX; k++)
		if (s->ops->keyword_name(s->be, s->view.folder, k).n > 0)
			all |= IMAP_KEYWORD(k);
	s->keywords_told = all;
	r = buf_puts(&s->out, "* FLAGS ") |
	    imap_put_flags(&s->out, s->ops, s->be, s->view.folder, all, false, false);
	r |= buf_puts(&s->out, "\r\n* OK [PERMANENTFLAGS ");
	if (s->read_only)
		r |= buf_puts(&s->out, "()] No permanent flags\r\n");
	else
		r |= imap_put_flags(&s->out, s->ops, s->be, s->view.folder, all, false, true) |
		     buf_puts(&s->out, "] Flags and keywords\r\n");
	imap_check(s, r);
}

void
imap_tell_keywords(struct imap_session *s, imap_flags flags)
{
	if (flags & ~s->keywords_told)
		imap_put_folder_flags(s);
}

int
imap_put_message_flags(struct imap_session *s, const struct imap_seen *m)
{
	return buf_puts(&s->out, "FLAGS ") |
	       imap_put_flags(&s->out, s->ops, s->be, s->view.folder, m->m.flags,
		   !imap_is_rev2(s) && imap_view_is_recent(&s->view, m->m.uid), false);
}

static bool
tell_changed(struct imap_session *s)
{
	struct imap_walk w;
	struct imap_seen m;

	while (imap_uidset_count(&s->view.changed) > 0) {
		uint32_t uid = imap_uidset_take(&s->view.changed);

		imap_walk_uids(&s->view, &w, uid, uid);
		if (!imap_walk_next(&s->view, &w, &m) || m.gone)
			continue;
		imap_tell_keywords(s, m.m.flags);
		imap_put(s, "* %u FETCH (UID %u ", m.seq, uid);
		if (s->enabled & IMAP_ON_CONDSTORE) {
			imap_put_modseq(s, m.m.modseq);
			imap_put(s, " ");
		}
		imap_check(s, imap_put_message_flags(s, &m) | buf_puts(&s->out, ")\r\n"));
		return true;
	}
	return false;
}

/* Everything is told. */
static void
note_synced(struct imap_session *s)
{
	struct imap_folder_state st;

	if (imap_uidset_count(&s->view.gone) > 0)
		return;
	s->ops->state(s->be, s->view.folder, &st);
	s->synced = st.highestmodseq;
}

bool
imap_sync_one(struct imap_session *s, bool expunge)
{
	uint32_t seq;

	if (s->view.folder == NULL)
		return false;
	if (s->folder_gone) {
		imap_put(s, "* BYE The selected folder was deleted\r\n");
		s->phase = IMAP_PHASE_CLOSE;
		return false;
	}
	if (expunge && (s->enabled & IMAP_ON_QRESYNC) && imap_uidset_count(&s->view.gone) > 0) {
		imap_tell_vanished(s);
		return true;
	}
	if (expunge && (seq = imap_view_take_gone(&s->view)) != 0) {
		imap_put(s, "* %u EXPUNGE\r\n", seq);
		return true;
	}
	if (imap_view_has_new(&s->view)) {
		imap_view_take_new(&s->view, !s->read_only);
		imap_put(s, "* %u EXISTS\r\n", s->view.exists);
		if (!imap_is_rev2(s))
			imap_put(s, "* %u RECENT\r\n", imap_view_recent_count(&s->view));
		return true;
	}
	if (tell_changed(s))
		return true;
	note_synced(s);
	return false;
}

void
imap_folder_close(struct imap_session *s)
{
	if (s->view.folder != NULL)
		s->ops->close(s->be, s->view.folder, s);
	imap_view_close(&s->view);
	s->folder_gone = false;
	s->read_only = false;
	s->keywords_told = 0;
}

/* ---- the machine ------------------------------------------------------------------------------
 */
/* The tag of a command that was not read to its end. */
static void
tag_guess(struct imap_session *s)
{
	struct imap_parse p;
	struct str cmd = str_from(buf_data(&s->frame.cmd), s->frame.cmd.len);

	imap_parse_init(&p, cmd, s->arena);
	if (s->tag.n == 0 && (!imap_parse_tag(&p, &s->tag) || !imap_parse_sp(&p)))
		s->tag = (struct str){ 0 };
}

static void
command_run(struct imap_session *s)
{
	struct str cmd = str_from(buf_data(&s->frame.cmd), s->frame.cmd.len);
	struct imap_parse p;

	s->phase = IMAP_PHASE_STEP;
	imap_parse_init(&p, cmd, s->arena);
	p.utf8 = imap_names_utf8(s);
	if (!imap_parse_tag(&p, &s->tag)) {
		s->tag = (struct str){ 0 };
	} else if (imap_parse_sp(&p) && imap_cmd_dispatch(s, &p)) {
		s->bad_run = 0;
		return;
	}
	imap_append_abort(s);
	s->step = NULL;
	s->bad = true;
	imap_reply(s, "BAD %s", p.error ? p.error : "Syntax error");
}

static void
command_too_big(struct imap_session *s)
{
	tag_guess(s);
	if (s->reply.len == 0 || s->append.active) {
		imap_append_abort(s);
		imap_reply(s, "BAD [TOOBIG] Command or literal is too long");
		s->bad = true;
	}
	s->phase = IMAP_PHASE_SYNC;
}

static void
literal_begin(struct imap_session *s)
{
	bool sync = s->frame.sync;

	switch (imap_append_literal(s)) {
	case IMAP_APPEND_NOT:
		if (!imap_frame_take(&s->frame))
			return;
		break;
	case IMAP_APPEND_STREAM:
		imap_frame_stream(&s->frame);
		s->phase = IMAP_PHASE_STREAM;
		break;
	case IMAP_APPEND_REFUSED:
		imap_frame_refuse(&s->frame);
		return;
	}
	if (sync)
		imap_put(s, "+ Ready for the literal\r\n");
}

static void
fail(struct imap_session *s, const char *text)
{
	imap_put(s, "* BYE %s\r\n", text);
	s->phase = IMAP_PHASE_CLOSE;
}

static bool
phase_read(struct imap_session *s, struct buf *in)
{
	switch (imap_frame_next(&s->frame, in)) {
	case IMAP_FRAME_INPUT:
		return false;
	case IMAP_FRAME_COMMAND:
		if (s->frame.cmd.len > 0 || s->append.active)
			command_run(s);
		else if (++s->bad_run > IMAP_BAD_MAX) /* empty lines are skipped */
			fail(s, "Too many empty lines");
		break;
	case IMAP_FRAME_LITERAL:
		literal_begin(s);
		break;
	case IMAP_FRAME_TOO_BIG:
		command_too_big(s);
		break;
	case IMAP_FRAME_BYE:
		fail(s, "[TOOBIG] Command is too long");
		break;
	}
	return true;
}

static void
reply_begin(struct imap_session *s)
{
	struct str text = str_from(buf_data(&s->reply), s->reply.len);

	imap_check(s, s->tag.n ? buf_put(&s->out, s->tag.p, s->tag.n) : buf_putc(&s->out, '*'));
	imap_check(s, buf_putc(&s->out, ' '));
	if (s->tell_synced && (s->enabled & IMAP_ON_QRESYNC) && s->view.folder != NULL &&
	    text.n > 3 && memcmp(text.p, "OK ", 3) == 0) {
		imap_put(s, "OK [HIGHESTMODSEQ %llu] ", (unsigned long long)s->synced);
		text = str_from(text.p + 3, text.n - 3);
	}
	s->chunk = text;
	s->replied = true;
}

static void
phase_reply(struct imap_session *s)
{
	bool logout = s->logout;

	if (!s->replied)
		reply_begin(s);
	if (!imap_chunk_write(s))
		return;
	imap_check(s, buf_puts(&s->out, "\r\n"));
	if (s->bad && ++s->bad_run > IMAP_BAD_MAX) {
		fail(s, "Too many bad commands");
		return;
	}
	if (s->phase == IMAP_PHASE_CLOSE)
		return;
	command_end(s);
	if (logout)
		s->phase = IMAP_PHASE_CLOSE;
}

/* The client idles: tells all there is, then looks for DONE (rfc2177). False: nothing to do. */
static bool
phase_idle(struct imap_session *s, struct buf *in)
{
	const uint8_t *p = buf_data(in), *lf;
	struct str line;

	if (imap_sync_one(s, true) || s->phase == IMAP_PHASE_CLOSE)
		return true;
	lf = in->len > 0 ? memchr(p, '\n', in->len) : NULL;
	if ((lf == NULL && in->len > IMAP_IDLE_LINE_MAX) ||
	    (lf != NULL && lf - p > IMAP_IDLE_LINE_MAX)) {
		fail(s, "Line is too long");
		return true;
	}
	if (lf == NULL)
		return false;
	line = str_from(p, (size_t)(lf - p));
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	s->bad = !str_eq_nocase(line, STR("DONE"));
	buf_drain(in, (size_t)(lf - p) + 1);
	imap_reply(s, s->bad ? "BAD DONE was expected" : "OK Idle ended");
	s->phase = IMAP_PHASE_SYNC;
	return true;
}

/* One move; false: *why says what is missing. */
static bool
turn(struct imap_session *s, struct buf *in, enum imap_run *why)
{
	enum imap_step step;

	*why = IMAP_RUN_INPUT;
	switch (s->phase) {
	case IMAP_PHASE_READ:
		return phase_read(s, in);
	case IMAP_PHASE_STREAM:
		imap_append_take(s, in);
		if (s->append.left > 0)
			return false;
		s->phase = IMAP_PHASE_READ;
		return true;
	case IMAP_PHASE_STEP:
		*why = IMAP_RUN_BACKEND;
		if (s->waiting)
			return false;
		step = s->step ? s->step(s) : IMAP_STEP_DONE;
		*why = IMAP_RUN_AGAIN;
		if (step == IMAP_STEP_DONE && s->phase == IMAP_PHASE_STEP)
			s->phase = IMAP_PHASE_SYNC;
		return step != IMAP_STEP_YIELD;
	case IMAP_PHASE_SYNC:
		if (s->logout || !imap_sync_one(s, !s->hold_expunge)) {
			if (s->phase == IMAP_PHASE_SYNC)
				s->phase = IMAP_PHASE_REPLY;
		}
		return true;
	case IMAP_PHASE_REPLY:
		phase_reply(s);
		return true;
	case IMAP_PHASE_IDLE:
		return phase_idle(s, in);
	case IMAP_PHASE_CLOSE:
		break;
	}
	*why = IMAP_RUN_CLOSE;
	return false;
}

enum imap_run
imap_session_run(struct imap_session *s, struct buf *in)
{
	enum imap_run why;

	if (s->bye != NULL && s->phase != IMAP_PHASE_CLOSE) {
		if (s->chunk.n == 0)
			fail(s, s->bye);
		s->phase = IMAP_PHASE_CLOSE;
	}
	do {
		if (s->phase != IMAP_PHASE_CLOSE && !imap_has_room(s))
			return IMAP_RUN_OUTPUT;
	} while (turn(s, in, &why));
	if (s->out.len == 0)
		buf_free(&s->out);
	return why;
}
