/* SPDX-License-Identifier: ISC */
#include "queue/envelope.h"

#include <string.h>

#include "base/le.h"
#include "journal/journal.h"

enum { HEADER = 32, TARGET = 8, VERSION = 1 };

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* --- writing ----------------------------------------------------------------------------------- */
void
envelope_writer_init(struct envelope_writer *w)
{
	memset(w, 0, sizeof(*w));
	buf_init(&w->bytes, JOURNAL_META_MAX);
	buf_init(&w->deliveries, (size_t)ENVELOPE_DELIVERIES_MAX * TARGET);
}

void
envelope_writer_free(struct envelope_writer *w)
{
	buf_free(&w->bytes);
	buf_free(&w->deliveries);
}

static int
put16(struct buf *b, size_t v)
{
	uint8_t p[2] = { (uint8_t)v, (uint8_t)(v >> 8) };

	return buf_put(b, p, sizeof(p));
}

static int
put_string(struct buf *b, struct str s)
{
	return put16(b, s.n) < 0 ? -1 : buf_put(b, s.p, s.n);
}

void
envelope_begin(struct envelope_writer *w, const struct ipc_msg_begin *m)
{
	uint8_t header[HEADER] = { VERSION };

	buf_clear(&w->bytes);
	buf_clear(&w->deliveries);
	w->recipients = 0;
	w->ret = m->dsn_ret;
	w->flags = (m->body_8bit ? ENVELOPE_8BIT : 0) | (m->smtputf8 ? ENVELOPE_UTF8 : 0);
	/* The four strings are bounded by the message table: they fit. */
	buf_put(&w->bytes, header, sizeof(header));
	put_string(&w->bytes, m->session);
	put_string(&w->bytes, m->client_address);
	put_string(&w->bytes, m->reverse_path);
	put_string(&w->bytes, m->envid);
}

static bool
has_account(const struct envelope_writer *w, uint32_t account)
{
	const uint8_t *p = buf_data(&w->deliveries);

	for (size_t i = 0; i < buf_len(&w->deliveries); i += TARGET)
		if (le_get32(p + i) == account)
			return true;
	return false;
}

static int
add_account(struct envelope_writer *w, uint32_t account)
{
	uint8_t target[TARGET];

	if (has_account(w, account))
		return 0;
	le_put32(target, account);
	le_put32(target + 4, w->recipients);
	return buf_put(&w->deliveries, target, sizeof(target));
}

int
envelope_recipient(struct envelope_writer *w, const struct ipc_msg_recipient *m)
{
	struct buf *b = &w->bytes;
	size_t n = m->accounts.n / 4;

	if (w->recipients == ENVELOPE_RECIPIENTS_MAX || m->accounts.n % 4 != 0 || n == 0)
		return -1;
	if (put_string(b, m->address) < 0 || put_string(b, m->orcpt) < 0 ||
	    buf_putc(b, m->notify) < 0 || put16(b, n) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = (const uint8_t *)m->accounts.p + i * 4;
		uint32_t account = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
		uint8_t stored[4];

		le_put32(stored, account);
		if (buf_put(b, stored, 4) < 0 || add_account(w, account) < 0)
			return -1;
	}
	w->recipients++;
	return 0;
}

uint32_t
envelope_deliveries(const struct envelope_writer *w)
{
	return (uint32_t)(buf_len(&w->deliveries) / TARGET);
}

uint32_t
envelope_writer_account(const struct envelope_writer *w, uint32_t delivery)
{
	return le_get32(buf_data(&w->deliveries) + (size_t)delivery * TARGET);
}

int
envelope_end(struct envelope_writer *w, uint64_t number, uint64_t arrival_ms, struct str prepend)
{
	uint32_t n = envelope_deliveries(w);
	uint8_t len[4], *p;

	le_put32(len, (uint32_t)prepend.n);
	if (buf_put(&w->bytes, len, 4) < 0 || buf_put(&w->bytes, prepend.p, prepend.n) < 0 ||
	    buf_put(&w->bytes, buf_data(&w->deliveries), buf_len(&w->deliveries)) < 0)
		return -1;
	p = buf_reserve(&w->bytes, n);
	if (p == NULL)
		return -1;
	memset(p, DELIVERY_PENDING, n);
	buf_commit(&w->bytes, n);
	p = w->bytes.data + w->bytes.off;
	p[1] = w->flags;
	p[2] = w->ret;
	le_put32(p + 4, n);
	le_put64(p + 8, number);
	le_put64(p + 16, arrival_ms);
	le_put32(p + 24, w->recipients);
	return 0;
}

/* --- reading ----------------------------------------------------------------------------------- */
static bool
take(struct str *s, size_t n, struct str *out)
{
	if (s->n < n)
		return false;
	*out = str_from(s->p, n);
	*s = str_from(s->p + n, s->n - n);
	return true;
}

static bool
take_string(struct str *s, struct str *out)
{
	struct str len;

	return take(s, 2, &len) && take(s, (uint8_t)len.p[0] | (size_t)(uint8_t)len.p[1] << 8, out);
}

bool
envelope_next_recipient(struct str *rest, struct envelope_recipient *r)
{
	struct str x;
	size_t n;

	if (!take_string(rest, &r->address) || !take_string(rest, &r->orcpt) || !take(rest, 3, &x))
		return false;
	r->notify = (uint8_t)x.p[0];
	n = (uint8_t)x.p[1] | (size_t)(uint8_t)x.p[2] << 8;
	return take(rest, n * 4, &r->accounts);
}

static bool
read_recipients(struct str *s, struct envelope *e)
{
	struct envelope_recipient r;
	const char *from = s->p;

	for (uint32_t i = 0; i < e->recipients; i++)
		if (!envelope_next_recipient(s, &r))
			return false;
	e->recipient_bytes = str_from(from, (size_t)(s->p - from));
	return true;
}

static bool
read_deliveries(struct str s, struct envelope *e)
{
	struct str targets, states;

	if (!take(&s, (size_t)e->deliveries * TARGET, &targets) ||
	    !take(&s, e->deliveries, &states) || s.n != 0)
		return false;
	e->targets = (const uint8_t *)targets.p;
	e->states = (const uint8_t *)states.p;
	for (uint32_t i = 0; i < e->deliveries; i++)
		if (e->states[i] >= DELIVERY_STATE__MAX ||
		    le_get32(e->targets + (size_t)i * TARGET + 4) >= e->recipients)
			return false;
	return true;
}

int
envelope_read(struct str meta, struct envelope *e)
{
	struct str header, len;
	const uint8_t *p;

	memset(e, 0, sizeof(*e));
	if (!take(&meta, HEADER, &header))
		return -1;
	p = (const uint8_t *)header.p;
	if (p[0] != VERSION)
		return -1;
	e->flags = p[1];
	e->ret = p[2];
	e->deliveries = le_get32(p + 4);
	e->number = le_get64(p + 8);
	e->arrival_ms = le_get64(p + 16);
	e->recipients = le_get32(p + 24);
	if (e->recipients > ENVELOPE_RECIPIENTS_MAX || e->deliveries > ENVELOPE_DELIVERIES_MAX)
		return -1;
	if (!take_string(&meta, &e->session) || !take_string(&meta, &e->client) ||
	    !take_string(&meta, &e->reverse_path) || !take_string(&meta, &e->envid) ||
	    !read_recipients(&meta, e) || !take(&meta, 4, &len) ||
	    !take(&meta, le_get32((const uint8_t *)len.p), &e->prepend))
		return -1;
	return read_deliveries(meta, e) ? 0 : -1;
}

uint32_t
envelope_account(const struct envelope *e, uint32_t delivery)
{
	return le_get32(e->targets + (size_t)delivery * TARGET);
}

struct str
envelope_address(const struct envelope *e, uint32_t delivery)
{
	uint32_t index = le_get32(e->targets + (size_t)delivery * TARGET + 4);
	struct envelope_recipient r = { 0 };
	struct str rest = e->recipient_bytes;

	for (uint32_t i = 0; i <= index; i++)
		if (!envelope_next_recipient(&rest, &r))
			break;
	return r.address;
}

/* --- ids --------------------------------------------------------------------------------------- */
const char *
queue_id_print(char out[QUEUE_ID_SIZE], uint64_t number)
{
	out[0] = 'Q';
	for (int i = QUEUE_ID_SIZE - 2; i > 0; i--) {
		out[i] = digits[number & 31];
		number >>= 5;
	}
	out[QUEUE_ID_SIZE - 1] = '\0';
	return out;
}

bool
queue_id_parse(struct str s, uint64_t *number)
{
	const char *d;

	*number = 0;
	if (s.n != QUEUE_ID_SIZE - 1 || (s.p[0] != 'Q' && s.p[0] != 'q'))
		return false;
	for (size_t i = 1; i < s.n; i++) {
		d = s.p[i] ? strchr(digits, ascii_tolower((unsigned char)s.p[i])) : NULL;
		if (d == NULL)
			return false;
		*number = *number << 5 | (uint64_t)(d - digits);
	}
	return true;
}
