/* SPDX-License-Identifier: ISC */
/* What is told of a message: a row of a list, or all that is known. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "command/command.h"
#include "queue/admin_priv.h"

enum {
	/* Of the recipients in a row: a page of such rows fits what a channel takes. */
	CELL_MAX = 8192,
	HEADER_LINES_MAX = 200,
	VALUE_MAX = LOG_ESCAPED_MAX * 4,
};

static const char *
time_text(char out[32], uint64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}

static enum filter_state
delivery_now(struct queue *q, const struct delivery *d, struct delivery_view *v)
{
	queue_view(q, d, v);
	if (v->sent)
		return FILTER_sending;
	if (v->held)
		return FILTER_held;
	return v->due_ms > queue_now(q) ? FILTER_deferred : FILTER_waiting;
}

/* The liveliest of its deliveries; held whatever is on its way. */
enum filter_state
admin_state(struct queue *q, const struct message *m)
{
	enum filter_state best = FILTER_deferred;
	struct delivery_view v;

	if (m->pending == 0)
		return FILTER_failed;
	if (m->flags & MESSAGE_HELD)
		return FILTER_held;
	for (uint32_t i = 0; i < m->deliveries; i++) {
		enum filter_state s;

		if (m->delivery[i].state != DELIVERY_PENDING)
			continue;
		s = delivery_now(q, &m->delivery[i], &v);
		if (s == FILTER_sending)
			return s;
		if (s == FILTER_waiting)
			best = s;
	}
	return best;
}

/* --- a row of a list --------------------------------------------------------------------------- */
static void
put_escaped(struct buf *b, struct str s)
{
	char text[LOG_ESCAPED_MAX * 2];

	(void)buf_puts(b, log_escape(text, sizeof(text), s));
}

/* Whose deliveries have not ended; of a message whose report is owed, all. */
static void
recipients_text(struct buf *b, const struct envelope *e)
{
	struct envelope_cursor c = { 0 };
	struct envelope_recipient r;

	for (uint32_t i = 0; envelope_recipient_at(e, &c, i, &r); i++) {
		if (i > 0)
			(void)buf_putc(b, ' ');
		put_escaped(b, r.address);
	}
	(void)buf_putc(b, '\0');
}

void
admin_list_row(struct queue *q, struct ipc_channel *ch, uint64_t id, const struct message *m)
{
	char number[QUEUE_ID_SIZE], arrived[32], size[24], attempts[16], from[LOG_ESCAPED_MAX * 2];
	struct journal_record r;
	struct envelope e = { 0 };
	struct buf to;
	int ret = spool_read(q->spool, m, &e, &r, NULL);

	buf_init(&to, CELL_MAX);
	if (ret == 0)
		recipients_text(&to, &e);
	if (ret != 0 || buf_len(&to) == 0 || buf_data(&to)[buf_len(&to) - 1] != '\0') {
		buf_clear(&to);
		(void)buf_puts(&to, ret != 0 ? "(damaged)" : "(many)");
		(void)buf_putc(&to, '\0');
	}
	snprintf(size, sizeof(size), "%llu", (unsigned long long)(m->size + e.prepend.n));
	snprintf(attempts, sizeof(attempts), "%u", (unsigned)m->attempts);
	command_row(ch, id, 7,
	    (const char *const[]){
		queue_id_print(number, m->number),
		time_text(arrived, m->arrival_ms),
		size,
		filter_state_text(admin_state(q, m)),
		attempts,
		log_escape(from, sizeof(from), e.reverse_path),
		(const char *)buf_data(&to),
	    });
	buf_free(&to);
}

/* --- all of a message -------------------------------------------------------------------------- */
struct show {
	struct queue *queue;
	struct ipc_channel *ch;
	uint64_t id; /* of the request */
};

static void
row(const struct show *s, const char *name, struct str value)
{
	char text[VALUE_MAX];

	log_escape(text, sizeof(text), value);
	command_row(s->ch, s->id, 2, (const char *const[]){ name, text });
}

static void
row_number(const struct show *s, const char *name, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	row(s, name, str_of(text));
}

static void
row_time(const struct show *s, const char *name, uint64_t ms)
{
	char text[32];

	row(s, name, str_of(time_text(text, ms)));
}

/* The last that was heard, as it is on disk. */
static void
show_note(const struct show *s, const struct delivery *d)
{
	char text[NOTE_TEXT_MAX + 64];
	struct note n;

	if (!spool_note_read(s->queue->spool, d, &n))
		return;
	if (n.answer.time_ms != 0)
		row_time(s, "last-attempt", n.answer.time_ms);
	if (n.answer.remote.n > 0)
		row(s, "server", n.answer.remote);
	if (n.answer.code != 0)
		snprintf(text, sizeof(text), "%u %.*s%s%.*s", (unsigned)n.answer.code,
		    STRF(n.answer.enhanced), n.answer.enhanced.n > 0 ? " " : "",
		    STRF(n.answer.text));
	else
		snprintf(text, sizeof(text), "%.*s%s%.*s", STRF(n.answer.enhanced),
		    n.answer.enhanced.n > 0 ? " " : "", STRF(n.answer.text));
	row(s, "answer", str_of(text));
}

static void
show_delivery(
    const struct show *s, const struct delivery *d, const struct envelope_recipient *recipient)
{
	static const char *const ended[DELIVERY_STATE__MAX] = { "", "delivered", "failed",
		"delivered", "relayed", "expanded" };
	char address[LOG_ESCAPED_MAX * 2], line[LOG_ESCAPED_MAX * 2 + 320], where[300] = "";
	struct delivery_view v = { 0 };
	const char *state = ended[d->state];

	if (d->state == DELIVERY_PENDING)
		state = filter_state_text(delivery_now(s->queue, d, &v));
	else
		queue_view(s->queue, d, &v);
	if (d->target < TARGET_NOBODY)
		snprintf(where, sizeof(where), " account=%u", d->target);
	else if (v.domain)
		snprintf(where, sizeof(where), " domain=%s", v.domain);
	log_escape(address, sizeof(address), recipient->address);
	snprintf(line, sizeof(line), "%s%s %s", address, where, state);
	command_row(s->ch, s->id, 2, (const char *const[]){ "delivery", line });
	if (recipient->reverse_path.n > 0)
		row(s, "sent-as", recipient->reverse_path);
	if (d->tries > 0)
		row_number(s, "tries", d->tries);
	if (d->state == DELIVERY_PENDING && v.due_ms > 0)
		row_time(s, "next-attempt", v.due_ms);
	show_note(s, d);
}

/* Notes have a buffer of their own: the envelope stays valid. */
static void
show_deliveries(const struct show *s, const struct message *m, const struct envelope *e)
{
	struct envelope_cursor c = { 0 };
	struct envelope_recipient r;

	for (uint32_t i = 0; i < m->deliveries; i++)
		if (envelope_recipient_at(e, &c, envelope_recipient_of(e, i), &r))
			show_delivery(s, &m->delivery[i], &r);
}

/* The header as far as it is inline; one row a line. */
static void
show_header(const struct show *s, struct str bytes)
{
	for (int i = 0; i < HEADER_LINES_MAX && bytes.n > 0; i++) {
		ptrdiff_t end = str_chr(bytes, '\n');
		struct str line = end < 0 ? bytes : str_from(bytes.p, (size_t)end);

		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			return;
		row(s, "header", line);
		if (end < 0)
			return;
		bytes = str_from(bytes.p + end + 1, bytes.n - (size_t)end - 1);
	}
}

static void
show_message(const struct show *s, const struct message *m, const struct envelope *e)
{
	char number[QUEUE_ID_SIZE];

	row(s, "id", str_of(queue_id_print(number, m->number)));
	row(s, "session", e->session);
	row(s, "client", e->client);
	row_time(s, "arrived", m->arrival_ms);
	row(s, "reverse-path", e->reverse_path);
	if (e->envid.n > 0)
		row(s, "envid", e->envid);
	row_number(s, "size", m->size + e->prepend.n);
	row(s, "state", str_of(filter_state_text(admin_state(s->queue, m))));
	row_number(s, "attempts", m->attempts);
	if (m->flags & MESSAGE_WARNED)
		row(s, "sender-warned", STR("yes"));
}

void
admin_show(struct queue *q, struct ipc_channel *ch, uint64_t id, const struct message *m)
{
	struct show s = { q, ch, id };
	const uint8_t *content;
	struct journal_record r;
	struct envelope e;
	int ret = spool_read(q->spool, m, &e, &r, &content);

	if (ret != 0) {
		command_end(ch, id, IPC_TEMP, "The message is %s.", journal_strerror(ret));
		return;
	}
	show_message(&s, m, &e);
	show_deliveries(&s, m, &e);
	show_header(&s, e.prepend);
	if (content)
		show_header(&s, str_from(content, (size_t)r.content_len));
	command_end(ch, id, IPC_OK, "%s", "");
}
