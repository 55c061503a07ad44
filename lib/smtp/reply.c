/* SPDX-License-Identifier: ISC */
#include "smtp/reply.h"

#include <assert.h>
#include <string.h>

#include "smtp/limits.h"

static const struct smtp_reply replies[SMTP_REPLY__COUNT] = {
#define SMTP_REPLY(name, code, enhanced, text) { code, #name, enhanced, text },
#include "smtp/replies.h"
#undef SMTP_REPLY
#define REFUSAL(name, product, code, enhanced, party, english, german, advice, rat) \
	[SMTP_##name] = { code, #name, enhanced, NULL },
#include "catalogue/refusal_table.h"
};

const struct smtp_reply *
smtp_reply_get(enum smtp_reply_id id)
{
	assert((unsigned)id < SMTP_REPLY__COUNT);
	return &replies[id];
}

static char *
put(char *to, const char *end, const char *from, size_t n)
{
	if (n > (size_t)(end - to))
		n = (size_t)(end - to);
	memcpy(to, from, n);
	return to + n;
}

/* Built by hand: this runs for each command of each session. */
int
smtp_reply_print(struct buf *out, enum smtp_reply_id id, const char *arg)
{
	const struct smtp_reply *r = smtp_reply_get(id);
	char line[SMTP_REPLY_LINE_MAX], *p = line, *end = line + sizeof(line) - 2;
	const char *text = r->text, *hole = strstr(text, "%s");

	*p++ = (char)('0' + r->code / 100);
	*p++ = (char)('0' + r->code / 10 % 10);
	*p++ = (char)('0' + r->code % 10);
	*p++ = ' ';
	if (*r->enhanced != '\0') {
		p = put(p, end, r->enhanced, strlen(r->enhanced));
		*p++ = ' ';
	}
	if (hole != NULL) {
		p = put(p, end, text, (size_t)(hole - text));
		p = put(p, end, arg, strlen(arg));
		text = hole + 2;
	}
	p = put(p, end, text, strlen(text));
	*p++ = '\r';
	*p++ = '\n';
	return buf_put(out, line, (size_t)(p - line));
}

int
smtp_reply_refuse(struct buf *out, enum smtp_reply_id id, const struct refusal_frame *frame,
    const struct refusal_args *args)
{
	assert(smtp_reply_is_refusal(id));
	return refusal_print(out, (enum refusal_id)(id - SMTP_REFUSALS), frame, args);
}
