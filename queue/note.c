/* SPDX-License-Identifier: ISC */
#include "queue/note.h"

#include <string.h>

#include "base/le.h"

enum { HEADER = 36, VERSION = 1 };

static void
put_text(struct buf *out, struct str s)
{
	size_t n = s.n > NOTE_TEXT_MAX ? NOTE_TEXT_MAX : s.n;
	uint8_t len[2] = { (uint8_t)n, (uint8_t)(n >> 8) };

	buf_put(out, len, 2);
	buf_put(out, s.p, n);
}

void
note_write(const struct note *n, struct buf *out)
{
	uint8_t p[HEADER] = { VERSION, (uint8_t)n->answer.result, (uint8_t)n->tries,
		(uint8_t)(n->tries >> 8) };

	le_put32(p + 4, n->delivery);
	le_put64(p + 8, n->number);
	le_put64(p + 16, n->answer.time_ms);
	le_put64(p + 24, n->due_ms);
	le_put32(p + 32, n->answer.code);
	buf_clear(out);
	buf_put(out, p, sizeof(p));
	put_text(out, n->answer.enhanced);
	put_text(out, n->answer.text);
	put_text(out, n->answer.remote);
}

static bool
take_text(struct str *rest, struct str *out)
{
	size_t n;

	if (rest->n < 2)
		return false;
	n = (uint8_t)rest->p[0] | (size_t)(uint8_t)rest->p[1] << 8;
	if (n > NOTE_TEXT_MAX || rest->n - 2 < n)
		return false;
	*out = str_from(rest->p + 2, n);
	*rest = str_from(rest->p + 2 + n, rest->n - 2 - n);
	return true;
}

int
note_read(struct str meta, struct note *n)
{
	const uint8_t *p = (const uint8_t *)meta.p;
	struct str rest;

	memset(n, 0, sizeof(*n));
	if (meta.n < HEADER || p[0] != VERSION || p[1] >= IPC_RESULT__MAX)
		return -1;
	n->answer.result = (enum ipc_result)p[1];
	n->tries = (uint16_t)(p[2] | p[3] << 8);
	n->delivery = le_get32(p + 4);
	n->number = le_get64(p + 8);
	n->answer.time_ms = le_get64(p + 16);
	n->due_ms = le_get64(p + 24);
	n->answer.code = le_get32(p + 32);
	rest = str_from(meta.p + HEADER, meta.n - HEADER);
	if (!take_text(&rest, &n->answer.enhanced) || !take_text(&rest, &n->answer.text) ||
	    !take_text(&rest, &n->answer.remote) || rest.n != 0)
		return -1;
	return 0;
}
