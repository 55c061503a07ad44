/* SPDX-License-Identifier: ISC */
#include "queue/envelope.h"

#include <string.h>

#include "base/le.h"
#include "journal/journal.h"
#include "smtp/command.h"

enum { HEADER = 32, TARGET = 8, VERSION = 2 };

/* Of the recipient in w->bytes, behind its three strings. */
enum { TAIL_NOTIFY, TAIL_FLAGS, TAIL_FROM, TAIL = 4 };

/* A delivery while the envelope is written. */
struct envelope_target {
	uint32_t target, recipient;
	uint32_t at;   /* of its recipient in bytes */
	uint32_t hash; /* of a remote address, so that it is soon found again */
	uint32_t state;
};

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* --- writing ----------------------------------------------------------------------------------- */
void
envelope_writer_init(struct envelope_writer *w)
{
	memset(w, 0, sizeof(*w));
	buf_init(&w->bytes, JOURNAL_META_MAX);
	buf_init(&w->deliveries, (size_t)ENVELOPE_DELIVERIES_MAX * sizeof(struct envelope_target));
	buf_init(&w->places, (size_t)ENVELOPE_RECIPIENTS_MAX * sizeof(uint32_t));
}

void
envelope_writer_free(struct envelope_writer *w)
{
	buf_free(&w->bytes);
	buf_free(&w->deliveries);
	buf_free(&w->places);
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

static bool
take(struct str *s, size_t n, struct str *out)
{
	if (s->n < n)
		return false;
	*out = str_from(s->p, n);
	*s = str_from(s->p + n, s->n - n);
	return true;
}

static size_t
get16(const char *p)
{
	return (uint8_t)p[0] | (size_t)(uint8_t)p[1] << 8;
}

static bool
take_string(struct str *s, struct str *out)
{
	struct str len;

	return take(s, 2, &len) && take(s, get16(len.p), out);
}

void
envelope_begin(struct envelope_writer *w, const struct ipc_msg_begin *m)
{
	uint8_t header[HEADER] = { VERSION };

	buf_clear(&w->bytes);
	buf_clear(&w->deliveries);
	buf_clear(&w->places);
	w->recipients = 0;
	w->message_flags = 0;
	w->ret = m->dsn_ret;
	w->flags = (m->body_8bit ? ENVELOPE_8BIT : 0) | (m->smtputf8 ? ENVELOPE_UTF8 : 0);
	/* The four strings are bounded by the message table: they fit. */
	buf_put(&w->bytes, header, sizeof(header));
	put_string(&w->bytes, m->session);
	put_string(&w->bytes, m->client_address);
	w->reverse_path_at = (uint32_t)buf_len(&w->bytes);
	put_string(&w->bytes, m->reverse_path);
	put_string(&w->bytes, m->envid);
}

static struct str
bytes_from(const struct envelope_writer *w, size_t at)
{
	return str_from(buf_data(&w->bytes) + at, buf_len(&w->bytes) - at);
}

void
envelope_set_junk(struct envelope_writer *w)
{
	w->message_flags |= MESSAGE_JUNK;
}

void
envelope_set_8bit(struct envelope_writer *w, bool has)
{
	w->flags = (uint8_t)(has ? w->flags | ENVELOPE_8BIT : w->flags & ~ENVELOPE_8BIT);
}

struct str
envelope_writer_reverse_path(const struct envelope_writer *w)
{
	struct str rest = bytes_from(w, w->reverse_path_at), s = { 0 };

	(void)take_string(&rest, &s);
	return s;
}

int
envelope_recipient(struct envelope_writer *w, const struct envelope_recipient *r)
{
	struct buf *b = &w->bytes;
	uint32_t at = (uint32_t)buf_len(b);
	uint32_t from = r->from == ENVELOPE_ITSELF ? w->recipients : r->from;

	if (w->recipients == ENVELOPE_RECIPIENTS_MAX || from > w->recipients)
		return -1;
	if (put_string(b, r->address) < 0 || put_string(b, r->orcpt) < 0 ||
	    put_string(b, r->reverse_path) < 0 || buf_putc(b, r->notify) < 0 ||
	    buf_putc(b, r->flags) < 0 || put16(b, from) < 0 ||
	    buf_put(&w->places, &at, sizeof(at)) < 0) {
		b->len = at;
		return -1;
	}
	return (int)w->recipients++;
}

static bool
next_recipient(struct str *rest, struct envelope_recipient *r)
{
	struct str x;

	if (!take_string(rest, &r->address) || !take_string(rest, &r->orcpt) ||
	    !take_string(rest, &r->reverse_path) || !take(rest, TAIL, &x))
		return false;
	r->notify = (uint8_t)x.p[TAIL_NOTIFY];
	r->flags = (uint8_t)x.p[TAIL_FLAGS];
	r->from = (uint32_t)get16(x.p + TAIL_FROM);
	return true;
}

static uint32_t
place_of(const struct envelope_writer *w, uint32_t recipient)
{
	return ((const uint32_t *)(const void *)buf_data(&w->places))[recipient];
}

void
envelope_set_list(struct envelope_writer *w, uint32_t recipient)
{
	struct str rest = bytes_from(w, place_of(w, recipient));
	struct envelope_recipient r;

	if (next_recipient(&rest, &r)) {
		size_t at = (size_t)(rest.p - (const char *)buf_data(&w->bytes));

		w->bytes.data[w->bytes.off + at - TAIL + TAIL_FLAGS] |= RECIPIENT_LIST;
	}
}

struct envelope_recipient
envelope_writer_recipient(const struct envelope_writer *w, uint32_t recipient)
{
	struct str rest = bytes_from(w, place_of(w, recipient));
	struct envelope_recipient r = { 0 };

	(void)next_recipient(&rest, &r);
	return r;
}

static const struct envelope_target *
target_at(const struct envelope_writer *w, uint32_t i)
{
	return (const struct envelope_target *)(const void *)buf_data(&w->deliveries) + i;
}

static uint32_t
hash(struct str s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * 16777619u;
	return h;
}

static struct str
address_at(const struct envelope_writer *w, uint32_t at)
{
	struct str rest = bytes_from(w, at), s = { 0 };

	(void)take_string(&rest, &s);
	return s;
}

static bool
has_delivery(const struct envelope_writer *w, const struct envelope_target *want)
{
	const struct envelope_target *t = target_at(w, 0);
	uint32_t n = envelope_deliveries(w);

	if (want->target == TARGET_NOBODY)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (t[i].target != want->target || t[i].hash != want->hash)
			continue;
		if (want->target != TARGET_REMOTE ||
		    str_eq(address_at(w, t[i].at), address_at(w, want->at)))
			return true;
	}
	return false;
}

int
envelope_delivery(
    struct envelope_writer *w, uint32_t recipient, uint32_t target, enum delivery_state state)
{
	struct envelope_target t = {
		.target = target,
		.recipient = recipient,
		.at = place_of(w, recipient),
		.state = state,
	};

	if (target == TARGET_REMOTE)
		t.hash = hash(address_at(w, t.at));
	return has_delivery(w, &t) ? 0 : buf_put(&w->deliveries, &t, sizeof(t));
}

uint32_t
envelope_deliveries(const struct envelope_writer *w)
{
	return (uint32_t)(buf_len(&w->deliveries) / sizeof(struct envelope_target));
}

uint32_t
envelope_writer_target(const struct envelope_writer *w, uint32_t delivery)
{
	return target_at(w, delivery)->target;
}

uint32_t
envelope_writer_recipient_of(const struct envelope_writer *w, uint32_t delivery)
{
	return target_at(w, delivery)->recipient;
}

enum delivery_state
envelope_writer_state(const struct envelope_writer *w, uint32_t delivery)
{
	return (enum delivery_state)target_at(w, delivery)->state;
}

struct str
envelope_writer_address(const struct envelope_writer *w, uint32_t delivery)
{
	return address_at(w, target_at(w, delivery)->at);
}

static int
put_deliveries(struct envelope_writer *w)
{
	uint32_t n = envelope_deliveries(w);
	uint8_t *p = buf_reserve(&w->bytes, (size_t)n * (TARGET + 1));

	if (p == NULL)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		const struct envelope_target *t = target_at(w, i);

		le_put32(p + (size_t)i * TARGET, t->target);
		le_put32(p + (size_t)i * TARGET + 4, t->recipient);
		p[(size_t)n * TARGET + i] = (uint8_t)t->state;
	}
	buf_commit(&w->bytes, (size_t)n * (TARGET + 1));
	return 0;
}

int
envelope_end(struct envelope_writer *w, uint64_t number, uint64_t arrival_ms, struct str prepend)
{
	uint8_t len[4], *p;

	le_put32(len, (uint32_t)prepend.n);
	if (buf_put(&w->bytes, len, 4) < 0 || buf_put(&w->bytes, prepend.p, prepend.n) < 0 ||
	    put_deliveries(w) < 0)
		return -1;
	p = w->bytes.data + w->bytes.off;
	p[1] = w->flags;
	p[2] = w->ret;
	p[ENVELOPE_FLAGS_AT] = w->message_flags;
	le_put32(p + 4, envelope_deliveries(w));
	le_put64(p + 8, number);
	le_put64(p + 16, arrival_ms);
	le_put32(p + 24, w->recipients);
	return 0;
}

/* --- reading ----------------------------------------------------------------------------------- */
static bool
next_recipient_1(struct str *rest, struct envelope_recipient *r)
{
	struct str x;

	if (!take_string(rest, &r->address) || !take_string(rest, &r->orcpt) || !take(rest, 3, &x))
		return false;
	r->reverse_path = (struct str){ 0 };
	r->notify = (uint8_t)x.p[0];
	r->flags = 0;
	return take(rest, get16(x.p + 1) * 4, &x);
}

bool
envelope_recipient_at(const struct envelope *e, struct envelope_cursor *c, uint32_t index,
    struct envelope_recipient *r)
{
	if (index >= e->recipients)
		return false;
	if (c->rest.p == NULL || index < c->next)
		*c = (struct envelope_cursor){ .rest = e->recipient_bytes };
	for (; c->next <= index; c->next++) {
		if (e->version == 1 ? !next_recipient_1(&c->rest, r) : !next_recipient(&c->rest, r))
			return false;
		if (e->version == 1)
			r->from = c->next;
	}
	return true;
}

static bool
read_recipients(struct str *s, struct envelope *e)
{
	struct envelope_cursor c = { .rest = *s };
	struct envelope_recipient r;

	e->recipient_bytes = *s;
	for (uint32_t i = 0; i < e->recipients; i++)
		if (!envelope_recipient_at(e, &c, i, &r) || r.from > i)
			return false;
	e->recipient_bytes.n -= c.rest.n;
	*s = c.rest;
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
		    envelope_recipient_of(e, i) >= e->recipients)
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
		return ENVELOPE_BAD;
	p = (const uint8_t *)header.p;
	if (p[0] == 0 || p[0] > VERSION)
		return p[0] == 0 ? ENVELOPE_BAD : ENVELOPE_NEWER;
	e->version = p[0];
	e->flags = p[1];
	e->ret = p[2];
	e->message_flags = p[3];
	e->deliveries = le_get32(p + 4);
	e->number = le_get64(p + 8);
	e->arrival_ms = le_get64(p + 16);
	e->recipients = le_get32(p + 24);
	if (e->recipients > ENVELOPE_RECIPIENTS_MAX || e->deliveries > ENVELOPE_DELIVERIES_MAX)
		return ENVELOPE_BAD;
	if (!take_string(&meta, &e->session) || !take_string(&meta, &e->client) ||
	    !take_string(&meta, &e->reverse_path) || !take_string(&meta, &e->envid) ||
	    !read_recipients(&meta, e) || !take(&meta, 4, &len) ||
	    !take(&meta, le_get32((const uint8_t *)len.p), &e->prepend))
		return ENVELOPE_BAD;
	return read_deliveries(meta, e) ? 0 : ENVELOPE_BAD;
}

uint32_t
envelope_target(const struct envelope *e, uint32_t delivery)
{
	return le_get32(e->targets + (size_t)delivery * TARGET);
}

uint32_t
envelope_recipient_of(const struct envelope *e, uint32_t delivery)
{
	return le_get32(e->targets + (size_t)delivery * TARGET + 4);
}

struct str
envelope_address(const struct envelope *e, uint32_t delivery)
{
	struct envelope_recipient r = { 0 };
	struct envelope_cursor c = { 0 };

	(void)envelope_recipient_at(e, &c, envelope_recipient_of(e, delivery), &r);
	return r.address;
}

void
envelope_original(const struct envelope *e, uint32_t recipient, struct envelope_recipient *r)
{
	struct envelope_cursor c = { 0 };

	/* Each was made from one before it: this ends. */
	while (envelope_recipient_at(e, &c, recipient, r) && r->from != recipient)
		recipient = r->from;
}

struct str
envelope_sender(const struct envelope *e, const struct envelope_recipient *r)
{
	return r->reverse_path.n > 0 ? r->reverse_path : e->reverse_path;
}

uint8_t
envelope_list_notify(uint8_t notify)
{
	uint8_t rest = notify & (uint8_t)~SMTP_NOTIFY_SUCCESS;

	return notify != 0 && rest == 0 ? SMTP_NOTIFY_NEVER : rest;
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
