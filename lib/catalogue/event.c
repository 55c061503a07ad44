/* SPDX-License-Identifier: ISC */
#include "catalogue/event.h"

static const struct event_row {
	const char *program, *event, *if_key;
	const char *text[LANG__COUNT];
} events[] = {
#define EVENT(program, event, if_key, english, german) \
	{ program, event, if_key, { english, german } },
#include "catalogue/event_table.h"
};

/* --- reading ----------------------------------------------------------------------------------- */

/* The next word; *line is what follows its space. */
static struct str
word(struct str *line)
{
	ptrdiff_t space = str_chr(*line, ' ');
	struct str w = str_from(line->p, space >= 0 ? (size_t)space : line->n);
	size_t skip = w.n + (space >= 0);

	*line = str_from(line->p + skip, line->n - skip);
	return w;
}

/* The next key=value of rest; values with spaces stand in quotes and have none inside. */
static bool
next_pair(struct str *rest, struct str *key, struct str *value)
{
	while (rest->n > 0) {
		ptrdiff_t space = str_chr(*rest, ' '), equals = str_chr(*rest, '=');
		ptrdiff_t end;

		if (equals < 0)
			return false;
		if (space >= 0 && space < equals) { /* a word of its own */
			word(rest);
			continue;
		}
		*key = str_from(rest->p, (size_t)equals);
		*rest = str_from(rest->p + equals + 1, rest->n - (size_t)equals - 1);
		if (rest->n == 0 || rest->p[0] != '"') {
			*value = word(rest);
			return true;
		}
		*rest = str_from(rest->p + 1, rest->n - 1);
		end = str_chr(*rest, '"');
		*value = str_from(rest->p, end >= 0 ? (size_t)end : rest->n);
		*rest = str_from(rest->p + value->n, rest->n - value->n);
		word(rest);
		return true;
	}
	return false;
}

struct str
event_value(const struct event_line *e, struct str key)
{
	struct str rest = e->rest, k, v;

	while (next_pair(&rest, &k, &v))
		if (str_eq(k, key))
			return v;
	return STR("");
}

bool
event_parse(struct str line, struct event_line *out)
{
	ptrdiff_t bracket;

	out->time = word(&line);
	out->program = word(&line);
	out->level = word(&line);
	out->id = word(&line);
	out->rest = line;
	if ((bracket = str_chr(out->program, '[')) < 0)
		return false;
	out->program.n = (size_t)bracket;
	out->event = event_value(out, STR("event"));
	return out->id.n > 0 && out->event.n > 0;
}

/* --- telling ----------------------------------------------------------------------------------- */

static const struct event_row *
find_row(const struct event_line *e)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		const struct event_row *r = &events[i];

		if (str_eq(e->event, str_of(r->event)) && str_eq(e->program, str_of(r->program)) &&
		    (r->if_key[0] == '\0' || event_value(e, str_of(r->if_key)).n > 0))
			return r;
	}
	return NULL;
}

bool
event_is_told(const struct event_line *e)
{
	return find_row(e) != NULL;
}

/* What somebody else may have chosen: printable ASCII, or question marks. */
static int
put_value(struct buf *out, struct str v)
{
	int error = 0;

	for (size_t i = 0; i < v.n; i++)
		error |= buf_putc(out, v.p[i] >= ' ' && v.p[i] < 0x7f ? v.p[i] : '?');
	return error;
}

/* The text of the refusal, its holes filled from the line. */
static int
put_reason(struct buf *out, const struct event_line *e, enum language lang)
{
	struct str name = event_value(e, STR("reason"));
	enum refusal_id id = refusal_by_name(name);
	const char *text;

	if (id == REFUSAL__COUNT)
		return put_value(out, name);
	for (text = refusal_get(id)->text[lang]; *text != '\0';) {
		size_t n = strcspn(text, "{"), hole;

		if (buf_put(out, text, n) != 0)
			return BUF_LIMIT;
		text += n;
		if (*text == '\0')
			break;
		hole = strcspn(text, "}");
		if (put_value(out, event_value(e, str_from(text + 1, hole - 1))) != 0)
			return BUF_LIMIT;
		text += hole + (text[hole] == '}');
	}
	return buf_printf(out, " (P%d)", refusal_get(id)->product);
}

int
event_text(struct buf *out, const struct event_line *e, enum language lang)
{
	const struct event_row *r = find_row(e);
	const char *text;
	int error = 0;

	if (r == NULL)
		return put_value(out, e->rest);
	for (text = r->text[lang]; *text != '\0' && error == 0;) {
		size_t n = strcspn(text, "{"), hole;

		error |= buf_put(out, text, n);
		text += n;
		if (*text == '\0')
			break;
		hole = strcspn(text, "}");
		if (text[1] == '?')
			error |= put_reason(out, e, lang);
		else
			error |= put_value(out, event_value(e, str_from(text + 1, hole - 1)));
		text += hole + 1;
	}
	return error != 0 ? BUF_LIMIT : 0;
}
