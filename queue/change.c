/* SPDX-License-Identifier: ISC */
/* What an administrator does with messages: hold, release, retry, remove, redirect. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "queue/queue_priv.h"
#include "queue/trace.h"

/* --- hold and release -------------------------------------------------------------------------- */
static bool
is_local(const struct delivery *d)
{
	return d->target < TARGET_NOBODY;
}

void
queue_hold(struct queue *q, struct message *m)
{
	if (m->flags & MESSAGE_HELD)
		return;
	spool_set_flags(q->spool, m, m->flags | MESSAGE_HELD);
	for (uint32_t i = 0; i < m->deliveries; i++) {
		struct delivery *d = &m->delivery[i];

		if (d->state != DELIVERY_PENDING)
			continue;
		if (is_local(d))
			deliverer_hold(q->deliverer, d);
		else if (d->target == TARGET_REMOTE)
			remote_hold(q->remote, d);
	}
}

void
queue_release(struct queue *q, struct message *m)
{
	if ((m->flags & MESSAGE_HELD) == 0)
		return;
	spool_set_flags(q->spool, m, m->flags & (uint8_t)~MESSAGE_HELD);
	for (uint32_t i = 0; i < m->deliveries; i++)
		if (m->delivery[i].state == DELIVERY_PENDING && is_local(&m->delivery[i]))
			deliverer_release(q->deliverer, &m->delivery[i]);
	remote_message(q->remote, m);
	age_again(q->age, m);
}

/* --- retry ------------------------------------------------------------------------------------- */
void
queue_retry(struct queue *q, struct message *m)
{
	for (uint32_t i = 0; i < m->deliveries; i++) {
		struct delivery *d = &m->delivery[i];

		if (d->state != DELIVERY_PENDING || (m->flags & MESSAGE_HELD))
			continue;
		if (is_local(d))
			deliverer_retry(q->deliverer, d);
		else if (d->target == TARGET_REMOTE)
			remote_retry(q->remote, d);
	}
}

size_t
queue_retry_domain(struct queue *q, struct str domain)
{
	return remote_retry_domain(q->remote, domain);
}

/* --- removal ----------------------------------------------------------------------------------- */
static void
end_waiting(struct queue *q, struct message *m)
{
	for (uint32_t i = 0; i < m->deliveries; i++) {
		struct delivery *d = &m->delivery[i];

		if (d->state == DELIVERY_DONE || (d->state != DELIVERY_PENDING && !d->durable) ||
		    d->phase == PHASE_SENT)
			continue;
		if (d->state != DELIVERY_PENDING)
			spool_settle(q->spool, d, DELIVERY_DONE);
		else if (is_local(d))
			deliverer_settle(q->deliverer, d, DELIVERY_DONE);
		else
			remote_settle(q->remote, d, DELIVERY_DONE);
	}
}

void
queue_remove(struct queue *q, struct message *m)
{
	char id[QUEUE_ID_SIZE];

	log_info(queue_id_print(id, m->number), "event=removed");
	m->removed = true;
	end_waiting(q, m);
	remote_cancel(q->remote, m);
}

/* --- redirection ------------------------------------------------------------------------------- */
/* From the question to the disk. */
struct redirection {
	struct stored_cookie cookie;
	LIST_ENTRY(redirection) link;
	queue_redirected_fn *fn;
	void *arg;
	struct queue *queue;
	uint64_t number;
	bool stored;
	struct buf content;
	struct envelope_writer envelope;
	char address[512];
};

static void
redirection_end(struct redirection *r, enum ipc_result result, const char *id)
{
	if (r->fn)
		r->fn(r->arg, result, id);
	LIST_REMOVE(r, link);
	buf_free(&r->content);
	envelope_writer_free(&r->envelope);
	free(r);
}

static void
on_stored(struct queue *q, struct stored_cookie *cookie, int result, const struct message *m)
{
	struct redirection *r = (struct redirection *)(void *)cookie;
	struct message *old = spool_find(q->spool, r->number);
	char id[QUEUE_ID_SIZE], from[QUEUE_ID_SIZE];

	if (result != 0) {
		/* What was settled in memory is settled once more with a later commit: the old
		 * message must not leave without the new one. */
		fatal("a redirected message was not stored; starting again");
	}
	(void)old;
	log_info(queue_id_print(id, m->number), "event=redirected from=%s to=\"%s\"",
	    queue_id_print(from, r->number), LOGS(str_of(r->address)));
	redirection_end(r, IPC_OK, id);
}

/* Inline content is kept until the commit, large content goes to a new file. */
static int
copy_content(struct redirection *r, const struct journal_record *record, const uint8_t *content,
    struct journal_large **large)
{
	static uint8_t piece[65536];
	uint64_t offset = 0;
	int fd, ret;

	if (content)
		return buf_put(&r->content, content, (size_t)record->content_len);
	ret = spool_large_open(r->queue->spool, record, &fd);
	if (ret != 0)
		return ret;
	ret = spool_large_new(r->queue->spool, large);
	while (ret == 0 && offset < record->content_len) {
		ssize_t n = pread(fd, piece, sizeof(piece), (off_t)offset);

		ret = n > 0 ? journal_large_write(*large, piece, (size_t)n) : JOURNAL_EIO;
		offset += n > 0 ? (uint64_t)n : 0;
	}
	close(fd);
	return ret;
}

static bool
has_waiting(const struct message *m)
{
	for (uint32_t i = 0; i < m->deliveries; i++)
		if (m->delivery[i].state == DELIVERY_PENDING && m->delivery[i].phase != PHASE_SENT)
			return true;
	return false;
}

static int
new_envelope(struct redirection *r, const struct envelope *e, const struct ipc_address_targets *m)
{
	struct envelope_recipient recipient = { .address = str_of(r->address),
		.from = ENVELOPE_ITSELF };

	envelope_begin(&r->envelope, &(struct ipc_msg_begin){
					 .session = e->session,
					 .client_address = e->client,
					 .reverse_path = e->reverse_path,
					 .envid = e->envid,
					 .dsn_ret = e->ret,
					 .body_8bit = (e->flags & ENVELOPE_8BIT) != 0,
					 .smtputf8 = (e->flags & ENVELOPE_UTF8) != 0,
				     });
	if (e->message_flags & MESSAGE_JUNK)
		envelope_set_junk(&r->envelope);
	if (envelope_recipient(&r->envelope, &recipient) != 0)
		return -1;
	if (m->result == IPC_NOT_LOCAL)
		return envelope_delivery(&r->envelope, 0, TARGET_REMOTE, DELIVERY_PENDING);
	return expand_targets(&r->envelope, 0, m,
	    &(struct expand_from){ .rewrite = true,
		.key = ask_forward_key(r->queue->ask),
		.now_ms = queue_now(r->queue) });
}

/* The new message and the end of the old one's deliveries go into the same batch. */
static enum ipc_result
redirect(struct redirection *r, struct message *m, const struct ipc_address_targets *targets)
{
	struct spool *s = r->queue->spool;
	struct journal_large *large = NULL;
	struct journal_record record;
	const uint8_t *content;
	struct buf prepend;
	struct envelope e;
	int ret;

	if (spool_read(s, m, &e, &record, &content) != 0)
		return IPC_TEMP;
	buf_init(&prepend, e.prepend.n);
	buf_put(&prepend, e.prepend.p, e.prepend.n);
	ret = new_envelope(r, &e, targets) != 0 ? JOURNAL_LIMIT
						: copy_content(r, &record, content, &large);
	if (ret == 0)
		ret = spool_add(s, &r->envelope, m->arrival_ms,
		    str_from(buf_data(&prepend), buf_len(&prepend)),
		    str_from(buf_data(&r->content), buf_len(&r->content)), &large, r);
	journal_large_abort(&large);
	buf_free(&prepend);
	if (ret != 0)
		return ret == JOURNAL_LIMIT ? IPC_INVALID : IPC_TEMP;
	r->stored = true;
	spool_inside(s);
	end_waiting(r->queue, m);
	return IPC_OK;
}

static void
on_targets(void *arg, const struct ipc_address_targets *targets)
{
	struct redirection *r = arg;
	struct message *m = spool_find(r->queue->spool, r->number);
	enum ipc_result result = (enum ipc_result)targets->result;

	if (m == NULL || !has_waiting(m))
		result = IPC_INVALID;
	else if (result == IPC_OK || result == IPC_NOT_LOCAL)
		result = redirect(r, m, targets);
	else if (result != IPC_NO && result != IPC_INVALID)
		result = IPC_TEMP;
	if (result != IPC_OK)
		redirection_end(r, result, "");
}

void
queue_redirect(
    struct queue *q, uint64_t number, struct str address, queue_redirected_fn *fn, void *arg)
{
	struct redirection *r = xcalloc(1, sizeof(*r));

	r->cookie.stored = on_stored;
	r->fn = fn;
	r->arg = arg;
	r->queue = q;
	r->number = number;
	buf_init(&r->content, JOURNAL_INLINE_MAX);
	envelope_writer_init(&r->envelope);
	LIST_INSERT_HEAD(&q->redirections, r, link);
	if (address.n >= sizeof(r->address)) {
		redirection_end(r, IPC_INVALID, "");
		return;
	}
	memcpy(r->address, address.p, address.n);
	ask_targets(q->ask, str_of(r->address), on_targets, r);
}

void
queue_redirect_forget(struct queue *q, void *arg)
{
	struct redirection *r;

	LIST_FOREACH(r, &q->redirections, link)
		if (r->arg == arg)
			r->fn = NULL;
}

void
queue_redirections_end(struct queue *q)
{
	struct redirection *r;

	while ((r = LIST_FIRST(&q->redirections)) != NULL) {
		r->fn = NULL;
		ask_forget(q->ask, r);
		redirection_end(r, IPC_TEMP, "");
	}
}

/* --- what is known ----------------------------------------------------------------------------- */
void
queue_view(struct queue *q, const struct delivery *d, struct delivery_view *v)
{
	*v = (struct delivery_view){
		.sent = d->phase == PHASE_SENT,
		.held = (d->message->flags & MESSAGE_HELD) != 0,
	};
	if (d->target == TARGET_REMOTE)
		remote_view(q->remote, d, v);
}
