/* SPDX-License-Identifier: ISC */
#include "reception/dnsbl.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct dnsbl_class classes[] = {
#define DNSBL_LIST(zone, link)
#define DNSBL_CLASS(zone, first, last, dialup, english, german) \
	{ zone, first, last, dialup, english, german },
#include "reception/dnsbl_table.h"
};
static const struct known {
	const char *zone, *link;
} known[] = {
#define DNSBL_LIST(zone, link) { zone, link },
#define DNSBL_CLASS(zone, first, last, dialup, english, german)
#include "reception/dnsbl_table.h"
};
/* clang-format on */

/* Of lists and answers that are not in the table. */
static const struct dnsbl_class plain = { "", 0, 255, false, "listed", "eingetragen" };

enum { CLASSES = sizeof(classes) / sizeof(classes[0]), KNOWN = sizeof(known) / sizeof(known[0]) };

#define LOOPBACK(last) (UINT32_C(0x7f000000) | (uint32_t)(last))

/* --- settings ---------------------------------------------------------------------------------- */

static bool
complain(struct buf *why, const char *what, struct str about)
{
	(void)buf_printf(why, "%s in \"%.*s\"", what, STRF(about));
	return false;
}

/* The next part, and what is left behind the separator. */
static struct str
next_part(struct str *rest, int separator)
{
	ptrdiff_t at = str_chr(*rest, separator);
	struct str part = str_from(rest->p, at < 0 ? rest->n : (size_t)at);
	size_t used = at < 0 ? rest->n : (size_t)at + 1;

	*rest = str_from(rest->p + used, rest->n - used);
	return part;
}

/* "127.0.0.4" or "127.0.0.4-7" */
static bool
parse_range(struct str text, uint32_t *first, uint32_t *last)
{
	struct str rest = text, byte;
	uint64_t n, end;

	*first = 0;
	for (int i = 0; i < 3; i++) {
		byte = next_part(&rest, '.');
		if (!str_u64(byte, 255, &n))
			return false;
		*first = *first << 8 | (uint32_t)n;
	}
	byte = next_part(&rest, '-');
	if (!str_u64(byte, 255, &n))
		return false;
	end = n;
	if (byte.p + byte.n < text.p + text.n && !str_u64(rest, 255, &end))
		return false;
	*last = *first << 8 | (uint32_t)end;
	*first = *first << 8 | (uint32_t)n;
	return *first >> 24 == 127 && *first <= *last;
}

static bool
parse_answers(struct str text, struct dnsbl_list *l)
{
	l->ranges = 0;
	while (text.n > 0) {
		struct str part = next_part(&text, ',');

		if (l->ranges == DNSBL_RANGES_MAX ||
		    !parse_range(part, &l->range[l->ranges].first, &l->range[l->ranges].last))
			return false;
		l->ranges++;
	}
	return true;
}

/* It goes into replies: printable, no blank, nothing that ends a quotation. */
static bool
parse_link(struct str text, struct dnsbl_list *l)
{
	if (text.n >= sizeof(l->link))
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~' || text.p[i] == '"' || text.p[i] == '\\')
			return false;
	memcpy(l->link, text.p, text.n);
	l->link[text.n] = '\0';
	return true;
}

static bool
parse_zone(struct str text, struct dnsbl_list *l)
{
	char plain_text[DNS_TEXT_MAX];
	struct dns_name name;

	if (text.n == 0 || !dns_name_parse(text, &name))
		return false;
	dns_name_text(&name, plain_text);
	if (strlen(plain_text) >= sizeof(l->zone))
		return false;
	memset(l->zone, 0, sizeof(l->zone));
	for (size_t i = 0; plain_text[i] != '\0'; i++)
		l->zone[i] = (char)ascii_tolower((unsigned char)plain_text[i]);
	return true;
}

static void
fill_from_table(struct dnsbl_list *l)
{
	for (size_t i = 0; i < KNOWN; i++)
		if (strcmp(known[i].zone, l->zone) == 0)
			snprintf(l->link, sizeof(l->link), "%s", known[i].link);
	for (size_t i = 0; i < CLASSES && l->ranges < DNSBL_RANGES_MAX; i++) {
		if (strcmp(classes[i].zone, l->zone) != 0)
			continue;
		l->range[l->ranges].first = LOOPBACK(classes[i].first);
		l->range[l->ranges++].last = LOOPBACK(classes[i].last);
	}
	if (l->ranges == 0) {
		l->range[0].first = LOOPBACK(2);
		l->range[l->ranges++].last = LOOPBACK(255);
	}
}

static bool
parse_list(struct str text, struct dnsbl_list *l, struct buf *why)
{
	struct str rest = text, zone = next_part(&rest, '/'), answers = next_part(&rest, '/'),
		   weight = next_part(&rest, '/');
	uint64_t n = DNSBL_REFUSE;

	*l = (struct dnsbl_list){ .weight = DNSBL_REFUSE };
	if (!parse_zone(zone, l))
		return complain(why, "there is no name of a list", text);
	fill_from_table(l);
	if (answers.n > 0 && !parse_answers(answers, l))
		return complain(why, "the answers are not addresses 127.x.x.x", text);
	if (weight.n > 0 && (!str_u64(weight, DNSBL_REFUSE, &n) || n == 0))
		return complain(why, "the weight is not a number from 1 to 100", text);
	l->weight = (unsigned)n;
	if (rest.n > 0 && !parse_link(rest, l))
		return complain(why, "the link is too long or has odd characters", text);
	return true;
}

bool
dnsbl_parse(struct str text, struct dnsbl_lists *out, struct buf *why)
{
	out->n = 0;
	while (text.n > 0) {
		struct str one = next_part(&text, ' ');

		if (one.n == 0)
			continue;
		if (out->n == DNSBL_LISTS_MAX)
			return complain(why, "there are too many lists (at most 5)", one);
		if (!parse_list(one, &out->list[out->n], why))
			return false;
		for (size_t i = 0; i < out->n; i++)
			if (strcmp(out->list[i].zone, out->list[out->n].zone) == 0)
				return complain(why, "this list stands there twice", one);
		out->n++;
	}
	return true;
}

/* --- answers ----------------------------------------------------------------------------------- */

/* What the answers to one question say. */
struct reading {
	const char *trouble; /* NULL: none */
	bool found;          /* there is an answer of a list, accepted or not */
	uint32_t answer;     /* the one that counts; 0: none is accepted */
	const struct dnsbl_class *class;
};

static const struct dnsbl_class *
class_of(const struct dnsbl_list *l, uint32_t answer)
{
	for (size_t i = 0; i < CLASSES; i++)
		if (strcmp(classes[i].zone, l->zone) == 0 && answer >= LOOPBACK(classes[i].first) &&
		    answer <= LOOPBACK(classes[i].last))
			return &classes[i];
	return &plain;
}

static bool
accepted(const struct dnsbl_list *l, uint32_t answer)
{
	for (size_t i = 0; i < l->ranges; i++)
		if (answer >= l->range[i].first && answer <= l->range[i].last)
			return true;
	return false;
}

/* Classes of the table go before others, among them the first; what two answers are in one class is one. */
static void
weigh(struct reading *r, const struct dnsbl_list *l, uint32_t answer)
{
	const struct dnsbl_class *c = class_of(l, answer);

	if (!accepted(l, answer))
		return;
	if (r->answer == 0 || (c != &plain && (r->class == &plain || c < r->class))) {
		r->answer = answer;
		r->class = c;
	}
}

static void
read_records(struct reading *r, const struct dnsbl_list *l, struct str records)
{
	struct str record;
	size_t at = 0;

	while (r->trouble == NULL && dns_record_next(records, &at, &record)) {
		const uint8_t *b = (const uint8_t *)record.p;

		if (record.n != 4 || b[0] != 127)
			r->trouble = "not-a-list";
		else if (b[1] == 255 && b[2] == 255)
			r->trouble = "error-code";
		else
			weigh(r, l, LOOPBACK((uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]));
		r->found = true;
	}
}

static struct reading
read_fact(const struct dnsbl_list *l, const struct dns_fact *f)
{
	struct reading r = { 0 };

	switch (f->state) {
	case DNS_FACT_FOUND:
		read_records(&r, l, f->records);
		break;
	case DNS_FACT_NONE:
	case DNS_FACT_NXDOMAIN:
		break;
	case DNS_FACT_BOGUS:
		r.trouble = "bogus";
		break;
	default:
		r.trouble = "timeout";
	}
	return r;
}

/* --- one list ---------------------------------------------------------------------------------- */

enum { ABOUT_CLIENT, ABOUT_ONE, ABOUT_TWO, ABOUT__COUNT };

static const struct dns_fact *
ask(struct dnsbl_result *out, const struct dns_facts *facts, const struct reception_client *about,
    const char *zone)
{
	struct dns_question *q = &out->questions[out->question_count];
	const struct dns_fact *f;

	q->type = DNS_A;
	if (!reception_client_reverse(about, zone, &q->name))
		return NULL; /* cannot be: parse_zone leaves room */
	if ((f = dns_facts_find(facts, &q->name, DNS_A)) == NULL)
		out->question_count++;
	return f;
}

static struct dnsbl_found
judge(const struct dnsbl_list *l, const struct dns_fact *const facts[ABOUT__COUNT])
{
	struct reading client = read_fact(l, facts[ABOUT_CLIENT]),
		       one = read_fact(l, facts[ABOUT_ONE]), two = read_fact(l, facts[ABOUT_TWO]);
	struct dnsbl_found found = { .trouble = two.trouble   ? two.trouble
						: one.trouble ? one.trouble
						: one.found   ? "lists-everything"
						: !two.found  ? "lists-nothing"
							      : client.trouble };

	if (found.trouble == NULL && client.answer != 0) {
		found.listed = true;
		found.answer = client.answer;
		found.class = client.class;
	}
	return found;
}

static void
look_at(struct dnsbl_result *out, const struct reception_client *client,
    const struct dnsbl_lists *lists, size_t i, const struct dns_facts *facts)
{
	static const struct reception_client one = { 4, { 127, 0, 0, 1 } },
					     two = { 4, { 127, 0, 0, 2 } };
	const struct dnsbl_list *l = &lists->list[i];
	const struct dns_fact *f[ABOUT__COUNT] = { ask(out, facts, client, l->zone),
		ask(out, facts, &one, l->zone), ask(out, facts, &two, l->zone) };

	if (f[ABOUT_CLIENT] == NULL || f[ABOUT_ONE] == NULL || f[ABOUT_TWO] == NULL)
		return;
	out->found[i] = judge(l, f);
	if (!out->found[i].listed)
		return;
	if (out->weight == 0 || l->weight > lists->list[out->heaviest].weight)
		out->heaviest = i;
	out->weight += l->weight;
}

int
dnsbl_check(const struct reception_client *client, const struct dnsbl_lists *lists,
    const struct dns_facts *facts, struct dnsbl_result *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < lists->n; i++)
		look_at(out, client, lists, i, facts);
	if (out->question_count > 0)
		return DNSBL_NEED;
	out->refuse = out->weight >= DNSBL_REFUSE;
	return DNSBL_DONE;
}
