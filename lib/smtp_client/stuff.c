/* SPDX-License-Identifier: ISC */
#include "smtp_client/stuff.h"

#include <string.h>

static void
end_line(struct smtp_client_stuff *s, struct buf *out)
{
	(void)buf_put(out, "\r\n", 2);
	s->inside = false;
	s->held_cr = false;
}

/* Writes what stands before the next CR or LF, or all of it; returns where it stopped. */
static const char *
put_words(struct smtp_client_stuff *s, const char *p, const char *end, struct buf *out)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));
	const char *stop = lf != NULL ? lf : end;
	const char *cr = memchr(p, '\r', (size_t)(stop - p));

	if (cr != NULL)
		stop = cr;
	if (stop == p)
		return p;
	if (!s->inside && *p == '.')
		(void)buf_putc(out, '.');
	(void)buf_put(out, p, (size_t)(stop - p));
	s->inside = true;
	return stop;
}

void
smtp_client_stuff(struct smtp_client_stuff *s, struct str run, struct buf *out)
{
	const char *p = run.p, *end = run.p + run.n;

	while (p < end) {
		if (s->held_cr) {
			end_line(s, out);
			if (*p == '\n')
				p++;
			continue;
		}
		p = put_words(s, p, end, out);
		if (p < end && *p == '\r')
			s->held_cr = true;
		else if (p < end)
			end_line(s, out);
		p += p < end;
	}
}

void
smtp_client_stuff_end(struct smtp_client_stuff *s, struct buf *out)
{
	if (s->held_cr || s->inside)
		end_line(s, out);
	(void)buf_put(out, ".\r\n", 3);
}
