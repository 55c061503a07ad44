/* SPDX-License-Identifier: ISC */
/*
 * For tests, fuzz targets and bench/dkim_tool: a message with its time, its DNS and what is to come
 * out, in one file (tests/corpus/dkim, tests/corpus/arc):
 *
 *	TIME CODES [ARC]        CODES: of the signatures from the top, commas between; "none"
 *	OWNER VALUE             a TXT record; TEMP or BOGUS: no good answer
 *	                        an empty line, then the message
 */
#ifndef POSTERN_DKIM_TEST_VECTOR_H
#define POSTERN_DKIM_TEST_VECTOR_H

#include "base/buf.h"
#include "dkim/dkim.h"

enum { VECTOR_FACTS = 64 };

struct vector {
	int64_t now;
	struct str codes, arc, zone, message;
	struct dns_facts facts;
	struct dns_fact list[VECTOR_FACTS];
	struct buf records[VECTOR_FACTS];
};

/* Cuts what stands before the byte c off *s. */
static inline struct str
vector_cut(struct str *s, int c)
{
	ptrdiff_t at = str_chr(*s, c);
	struct str head = at < 0 ? *s : str_from(s->p, (size_t)at);

	*s = at < 0 ? str_from(s->p + s->n, 0) : str_from(s->p + at + 1, s->n - (size_t)at - 1);
	return head;
}

static inline void
vector_open(struct vector *v, struct str file)
{
	struct str line = vector_cut(&file, '\n');
	uint64_t now = 0;

	str_u64(vector_cut(&line, ' '), INT32_MAX, &now);
	v->now = (int64_t)now;
	v->codes = vector_cut(&line, ' ');
	v->arc = line;
	v->zone = str_from(file.p, 0);
	while (file.n > 0 && (line = vector_cut(&file, '\n')).n > 0)
		v->zone.n = (size_t)(line.p + line.n - v->zone.p);
	v->message = file;
	v->facts = (struct dns_facts){ v->list, 0 };
	for (size_t i = 0; i < VECTOR_FACTS; i++)
		buf_init(&v->records[i], 1 << 20);
}

static inline void
vector_close(struct vector *v)
{
	for (size_t i = 0; i < VECTOR_FACTS; i++)
		buf_free(&v->records[i]);
}

static inline void
vector_txt(struct buf *out, struct str value)
{
	size_t strings = value.n / 255 + 1, n = value.n + strings;
	uint8_t length[2] = { (uint8_t)(n >> 8), (uint8_t)n };

	if (n > 0xffff)
		return;
	buf_put(out, length, 2);
	for (; strings > 0; strings--) {
		size_t take = value.n < 255 ? value.n : 255;

		buf_putc(out, (int)take);
		buf_put(out, value.p, take);
		value = str_from(value.p + take, value.n - take);
	}
}

/* Adds the fact; false: there are too many. */
static inline bool
vector_answer(struct vector *v, const struct dns_question *q)
{
	struct dns_fact *f = &v->list[v->facts.n];
	struct buf *out = &v->records[v->facts.n];
	struct str rest = v->zone;

	if (v->facts.n == VECTOR_FACTS)
		return false;
	*f = (struct dns_fact){ .asked = *q, .name = q->name, .state = DNS_FACT_NXDOMAIN };
	while (rest.n > 0) {
		struct str line = vector_cut(&rest, '\n'), owner = vector_cut(&line, ' ');
		struct dns_name name;

		if (!dns_name_parse(owner, &name) || !dns_name_eq(&name, &q->name))
			continue;
		if (str_eq(line, STR("TEMP")) || str_eq(line, STR("BOGUS"))) {
			f->state = line.p[0] == 'T' ? DNS_FACT_TEMP : DNS_FACT_BOGUS;
			continue;
		}
		vector_txt(out, line);
		f->state = DNS_FACT_FOUND;
	}
	f->records = str_from(buf_data(out), buf_len(out));
	v->facts.n++;
	return true;
}

/* "pass,fail" as in the file. */
static inline void
vector_codes(const struct dkim_result *r, char out[256])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < r->count; i++) {
		const char *word = dkim_code_word(r->signatures[i].code);

		if (i > 0)
			out[n++] = ',';
		memcpy(out + n, word, strlen(word) + 1);
		n += strlen(word);
	}
	if (r->count == 0)
		memcpy(out, "none", 5);
}

#endif
