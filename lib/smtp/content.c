/* SPDX-License-Identifier: ISC */
#include "smtp/content.h"

#include <string.h>

void
smtp_content_init(struct smtp_content *c)
{
	*c = (struct smtp_content){ .line_start = true, .in_header = true };
}

/* Counts the lines of the header that begin with "Received:", wherever the input is split. */
static void
count_hops(struct smtp_content *c, struct str run)
{
	static const char name[] = "received:";
	const char *p = run.p, *end = run.p + run.n;

	while (c->in_header && p < end) {
		if (c->match >= 0) {
			int ch = ascii_tolower((unsigned char)*p);

			if (c->match == 0 && ch == '\r') {
				c->in_header = false;
			} else if (ch == name[c->match]) {
				p++;
				if (name[++c->match] == '\0') {
					c->hops++;
					c->match = -1;
				}
			} else {
				c->match = -1;
			}
			continue;
		}
		if ((p = memchr(p, '\n', (size_t)(end - p))) == NULL)
			return;
		p++;
		c->match = 0;
	}
}

/* Moves *p over one line, or over what there is of it; false: a CR at the end has to wait. */
static bool
scan_line(struct smtp_content *c, const char **p, const char *end)
{
	const char *lf = memchr(*p, '\n', (size_t)(end - *p));
	const char *stop = lf != NULL ? lf : end;
	bool cr = stop > *p && stop[-1] == '\r';
	size_t n = (size_t)(stop - *p) - cr;

	if (!c->bare && n > 0 && memchr(*p, '\r', n) != NULL)
		c->bare = true;
	if (lf == NULL) {
		c->line_start = c->line_start && n == 0;
		*p += n;
		return !cr;
	}
	if (!cr)
		c->bare = true;
	c->line_start = cr;
	*p = lf + 1;
	return true;
}

enum dot { DOT_STUFFED, DOT_END, DOT_MORE };

/* What a dot at the start of a line is. */
static enum dot
look_at_dot(const char *p, const char *end)
{
	if (end - p >= 2 && p[1] != '\r')
		return DOT_STUFFED;
	if (end - p >= 3)
		return p[2] == '\n' ? DOT_END : DOT_STUFFED;
	return DOT_MORE;
}

size_t
smtp_content_data(struct smtp_content *c, struct str in, struct str *run, bool *end)
{
	const char *p = in.p, *start = in.p, *stop = in.p + in.n;

	*end = false;
	*run = str_from(start, 0);
	while (p < stop) {
		if (c->line_start && *p == '.') {
			enum dot dot;

			if (p > start)
				break; /* hand out what stands before it first */
			if ((dot = look_at_dot(p, stop)) == DOT_MORE)
				return 0;
			if (dot == DOT_END) {
				*end = true;
				return 3;
			}
			start = ++p;
			c->line_start = false;
		}
		if (!scan_line(c, &p, stop))
			break;
	}
	*run = str_from(start, (size_t)(p - start));
	c->size += run->n;
	if (c->in_header)
		count_hops(c, *run);
	return (size_t)(p - in.p);
}

void
smtp_content_chunk(struct smtp_content *c, struct str in)
{
	const char *p = in.p, *end = in.p + in.n;

	c->size += in.n;
	if (c->in_header)
		count_hops(c, in);
	if (in.n > 0 && c->held_cr) {
		c->held_cr = false;
		if (*p != '\n')
			c->bare = true;
		else
			p++;
		c->line_start = true;
	}
	while (p < end)
		if (!scan_line(c, &p, end)) {
			c->held_cr = true;
			p++;
		}
}

void
smtp_content_last(struct smtp_content *c)
{
	if (c->held_cr || !c->line_start)
		c->bare = true;
}
