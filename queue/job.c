/* SPDX-License-Identifier: ISC */
#include "queue/job.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "queue/trace.h"

enum { CHUNK = 65536 }; /* of job_content, ipc_table.h */

struct job_answer *
job_answer_new(const struct answer *a)
{
	struct job_answer *j = xmalloc(sizeof(*j) + a->enhanced.n + a->text.n + a->remote.n);
	char *at = j->bytes;

	j->answer = *a;
	j->answer.enhanced = str_keep(&at, a->enhanced);
	j->answer.text = str_keep(&at, a->text);
	j->answer.remote = str_keep(&at, a->remote);
	return j;
}

struct job *
job_new(uint64_t id, struct destination *to, uint32_t count)
{
	struct job *j = xcalloc(1, sizeof(*j) + count * sizeof(j->item[0]));

	j->id = id;
	j->to = to;
	j->count = count;
	j->fd = -1;
	buf_init(&j->field, TRACE_FIELD_MAX);
	return j;
}

void
job_free(struct job *j)
{
	for (uint32_t i = 0; i < j->count; i++)
		free(j->item[i].later);
	if (j->fd >= 0)
		close(j->fd);
	buf_free(&j->field);
	free(j);
}

static void
send_recipients(struct job *j, struct ipc_channel *ch, const struct envelope *e)
{
	struct envelope_cursor c = { 0 };

	for (uint32_t i = 0; i < j->count; i++) {
		const struct delivery *d = j->item[i].delivery;
		uint32_t index = (uint32_t)(d - d->message->delivery);
		struct envelope_recipient r = { 0 };

		(void)envelope_recipient_at(e, &c, envelope_recipient_of(e, index), &r);
		j->item[i].notify = r.notify;
		ipc_send_job_recipient(ch, j->id,
		    &(struct ipc_job_recipient){
			.address = r.address, .orcpt = r.orcpt, .notify = r.notify });
	}
}

int
job_begin(struct job *j, struct queue *q, struct ipc_channel *ch, const char *domain)
{
	const struct delivery *d = j->item[0].delivery;
	uint32_t index = (uint32_t)(d - d->message->delivery);
	struct envelope_cursor c = { 0 };
	struct envelope_recipient r = { 0 };
	struct journal_record record;
	char id[QUEUE_ID_SIZE];
	struct envelope e;
	int ret = spool_read(q->spool, d->message, &e, &record, NULL);

	if (ret == 0 && record.large_id)
		ret = spool_large_open(q->spool, &record, &j->fd);
	if (ret != 0)
		return ret;
	(void)envelope_recipient_at(&e, &c, envelope_recipient_of(&e, index), &r);
	trace_field(&e, index, &j->field);
	j->number = e.number;
	j->null_path = e.reverse_path.n == 0;
	j->size = buf_len(&j->field) + e.prepend.n + record.content_len;
	j->want_crc = record.content_crc;
	ipc_send_job_begin(ch, j->id,
	    &(struct ipc_job_begin){
		.domain = str_of(domain),
		.queue_id = str_of(queue_id_print(id, e.number)),
		.reverse_path = envelope_sender(&e, &r),
		.envid = e.envid,
		.dsn_ret = e.ret,
		.body_8bit = (e.flags & ENVELOPE_8BIT) != 0,
		.smtputf8 = (e.flags & ENVELOPE_UTF8) != 0,
		.size = j->size,
		.recipients = j->count,
	    });
	send_recipients(j, ch, &e);
	return 0;
}

/* --- content ----------------------------------------------------------------------------------- */
bool
job_can_send(const struct job *j)
{
	return !j->cancelled && j->answered < j->count && j->credit > 0 && j->offset < j->size;
}

void
job_cancel(struct job *j, struct ipc_channel *ch)
{
	if (!j->cancelled)
		ipc_send_job_cancel(ch, j->id, &(struct ipc_job_cancel){ 0 });
	j->cancelled = true;
}

/* Bytes of the large content at offset; what could not be read is no piece. */
static bool
read_large(struct job *j, uint64_t offset, size_t n, bool last, uint8_t *out)
{
	if (pread(j->fd, out, n, (off_t)offset) != (ssize_t)n)
		return false;
	j->crc = journal_crc(j->crc, out, n);
	return !last || j->crc == j->want_crc;
}

/* The part of s that begins at *offset of the whole, or moves *offset behind it. */
static bool
part_of(struct str s, uint64_t *offset, struct str *out)
{
	if (*offset >= s.n) {
		*offset -= s.n;
		return false;
	}
	*out = str_from(s.p + *offset, s.n - (size_t)*offset);
	return true;
}

/* A piece of at most n bytes at the job's offset. */
static int
find_piece(struct job *j, struct queue *q, const struct message *m, size_t n, struct str *piece)
{
	static uint8_t bytes[CHUNK];
	uint64_t offset = j->offset;
	struct journal_record r;
	const uint8_t *content = NULL;
	struct envelope e;
	int ret = spool_read(q->spool, m, &e, &r, j->fd < 0 ? &content : NULL);

	if (ret != 0)
		return ret;
	if (part_of(str_from(buf_data(&j->field), buf_len(&j->field)), &offset, piece) ||
	    part_of(e.prepend, &offset, piece)) {
		piece->n = piece->n < n ? piece->n : n;
		return 0;
	}
	if (n > r.content_len - offset)
		n = (size_t)(r.content_len - offset);
	if (j->fd < 0) {
		*piece = str_from(content + offset, n);
		return 0;
	}
	*piece = str_from(bytes, n);
	return read_large(j, offset, n, offset + n == r.content_len, bytes) ? 0 : JOURNAL_DAMAGED;
}

int
job_piece(struct job *j, struct queue *q, struct ipc_channel *ch)
{
	const struct message *m = spool_find(q->spool, j->number);
	size_t n = j->credit < CHUNK ? (size_t)j->credit : CHUNK;
	struct str piece;
	int r = m ? find_piece(j, q, m, n, &piece) : JOURNAL_GONE;

	if (r != 0) {
		job_cancel(j, ch);
		return r;
	}
	ipc_send_job_content(ch, j->id, &(struct ipc_job_content){ .bytes = piece });
	j->offset += piece.n;
	j->credit -= piece.n;
	return 0;
}
