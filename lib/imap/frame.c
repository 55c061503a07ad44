/* SPDX-License-Identifier: ISC */
#include "imap/frame.h"

#include "imap/limits.h"

void
imap_frame_init(struct imap_frame *f, size_t max)
{
	*f = (struct imap_frame){ .max = max };
	buf_init(&f->cmd, max);
}

void
imap_frame_free(struct imap_frame *f)
{
	buf_free_secret(&f->cmd);
}

void
imap_frame_reset(struct imap_frame *f)
{
	size_t max = f->max;

	buf_free_secret(&f->cmd);
	*f = (struct imap_frame){ .cmd = f->cmd, .max = max };
}

bool
imap_literal_at_end(struct str line, uint64_t *size, bool *sync, size_t *at)
{
	size_t i = line.n;

	if (i < 3 || line.p[--i] != '}')
		return false;
	*sync = line.p[i - 1] != '+';
	if (!*sync)
		i--;
	line.n = i;
	while (i > 0 && line.p[i - 1] >= '0' && line.p[i - 1] <= '9')
		i--;
	if (i == 0 || line.p[i - 1] != '{')
		return false;
	*at = i - 1;
	/* what is too large for a number is as good as too large */
	if (!str_u64(str_from(line.p + i, line.n - i), UINT64_MAX, size)) {
		if (line.n == i)
			return false;
		*size = UINT64_MAX;
	}
	return true;
}

static void
tail_add(struct imap_frame *f, const uint8_t *p, size_t n)
{
	size_t keep;

	if (n == 0)
		return;
	if (n >= sizeof(f->tail)) {
		memcpy(f->tail, p + n - sizeof(f->tail), sizeof(f->tail));
		f->ntail = sizeof(f->tail);
		return;
	}
	keep = f->ntail + n > sizeof(f->tail) ? sizeof(f->tail) - n : f->ntail;
	memmove(f->tail, f->tail + f->ntail - keep, keep);
	memcpy(f->tail + keep, p, n);
	f->ntail = keep + n;
}

static struct str
without_break(struct str line)
{
	if (line.n > 0 && line.p[line.n - 1] == '\n')
		line.n--;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static enum imap_frame_event
too_big(struct imap_frame *f)
{
	f->eaten = true;
	f->skipping = false;
	f->left = 0;
	return IMAP_FRAME_TOO_BIG;
}

/* Drops bytes of a refused command up to the end of its line. */
static enum imap_frame_event
skip_line(struct imap_frame *f, struct buf *in)
{
	const uint8_t *p = buf_data(in), *lf = in->len ? memchr(p, '\n', in->len) : NULL;
	size_t n = lf ? (size_t)(lf - p) + 1 : in->len, at;
	uint64_t size;
	bool sync;

	if (n == 0)
		return IMAP_FRAME_INPUT;
	tail_add(f, p, n);
	f->skipped += n;
	buf_drain(in, n);
	if (f->skipped > IMAP_SKIP_MAX)
		return IMAP_FRAME_BYE;
	if (lf == NULL)
		return IMAP_FRAME_INPUT;
	struct str line = without_break(str_from(f->tail, f->ntail));
	bool filled = f->ntail == sizeof(f->tail);

	f->ntail = 0;
	if (imap_literal_at_end(line, &size, &sync, &at)) {
		if (sync) /* the client waits and hears that it is refused */
			return too_big(f);
		f->left = size;
		return f->left > IMAP_SKIP_MAX - f->skipped ? IMAP_FRAME_BYE : IMAP_FRAME_LITERAL;
	}
	/* an announcement with so many digits that its '{' is out of sight */
	if (filled && line.n > 1 && line.p[line.n - 1] == '}' && line.p[line.n - 2] == '+')
		return IMAP_FRAME_BYE;
	return too_big(f);
}

static enum imap_frame_event
skip_next(struct imap_frame *f, struct buf *in)
{
	if (f->left > IMAP_SKIP_MAX)
		return IMAP_FRAME_BYE;
	for (;;) {
		enum imap_frame_event e;

		if (f->left > 0) {
			size_t n = in->len < f->left ? in->len : (size_t)f->left;

			if (n == 0)
				return IMAP_FRAME_INPUT;
			buf_drain(in, n);
			f->left -= n;
			f->skipped += n;
			continue;
		}
		e = skip_line(f, in);
		if (e != IMAP_FRAME_LITERAL)
			return e;
	}
}

static void
skip_begin(struct imap_frame *f)
{
	/* keep how it began, for the tag */
	struct buf *c = &f->cmd;

	if (c->len > IMAP_TAG_MAX + 2)
		c->len = IMAP_TAG_MAX + 2;
	f->skipping = true;
}

/* Collects up to the end of the line. */
static enum imap_frame_event
line_next(struct imap_frame *f, struct buf *in)
{
	const uint8_t *p = buf_data(in), *lf = in->len ? memchr(p, '\n', in->len) : NULL;
	size_t n = lf ? (size_t)(lf - p) + 1 : in->len, at;
	struct str line;

	if (n == 0)
		return IMAP_FRAME_INPUT;
	if (buf_put(&f->cmd, p, n) != 0) {
		size_t before = f->cmd.len - f->line, have = before;

		if (have > sizeof(f->tail))
			have = sizeof(f->tail);
		if (f->cmd.len <= IMAP_TAG_MAX + 2) /* for its tag */
			buf_put(&f->cmd, p, n < IMAP_TAG_MAX + 2 ? n : IMAP_TAG_MAX + 2);
		f->ntail = 0; /* an announcement may have begun already */
		tail_add(f, buf_data(&f->cmd) + f->line + before - have, have);
		skip_begin(f);
		return skip_next(f, in);
	}
	buf_drain(in, n);
	if (lf == NULL)
		return IMAP_FRAME_INPUT;
	/* only this line: a literal before it may look like anything */
	line = without_break(str_from(buf_data(&f->cmd) + f->line, f->cmd.len - f->line));
	if (imap_literal_at_end(line, &f->size, &f->sync, &at)) {
		f->line = f->cmd.len;
		return IMAP_FRAME_LITERAL;
	}
	f->cmd.len = f->line + line.n;
	f->eaten = true;
	return IMAP_FRAME_COMMAND;
}

enum imap_frame_event
imap_frame_next(struct imap_frame *f, struct buf *in)
{
	if (f->too_big) {
		f->too_big = false;
		return too_big(f);
	}
	if (f->eaten)
		imap_frame_reset(f);
	if (f->skipping)
		return skip_next(f, in);
	while (f->left > 0) {
		size_t n = in->len < f->left ? in->len : (size_t)f->left;

		if (n == 0)
			return IMAP_FRAME_INPUT;
		buf_put(&f->cmd, buf_data(in), n); /* imap_frame_take has seen to the room */
		buf_drain(in, n);
		f->left -= n;
		f->line = f->cmd.len;
	}
	return line_next(f, in);
}

bool
imap_frame_take(struct imap_frame *f)
{
	/* room for the line that must follow as well */
	if (f->size >= buf_room(&f->cmd) || ++f->literals > IMAP_LITERALS_MAX) {
		imap_frame_refuse(f);
		return false;
	}
	f->left = f->size;
	return true;
}

void
imap_frame_refuse(struct imap_frame *f)
{
	skip_begin(f);
	f->ntail = 0;
	if (f->sync)
		f->too_big = true;
	else
		f->left = f->size;
}

void
imap_frame_stream(struct imap_frame *f)
{
	f->left = 0;
}
