/* SPDX-License-Identifier: ISC */
/* A job of delivery: one transaction, with what is known of each of its recipients so far. */
#ifndef POSTERN_QUEUE_JOB_H
#define POSTERN_QUEUE_JOB_H

#include "queue/queue_priv.h"

enum destination_class { CLASS_REACHED, CLASS_NEW, CLASS_FAILED, CLASS__MAX };

enum { JOB_RECIPIENTS_MAX = 100 }; /* rfc5321:4.5.3.1.8: what every server takes */

/* An answer with its own strings; free() it. */
struct job_answer {
	struct answer answer;
	char bytes[];
};
struct job_answer *job_answer_new(const struct answer *a);

struct job_item {
	struct delivery *delivery; /* not valid once it is answered other than IPC_TEMP */
	struct job_answer *later;  /* IPC_TEMP */
	bool answered;
	uint8_t notify;
};

struct job {
	TAILQ_ENTRY(job) link; /* sending: it may send now and has something */
	uint64_t id;
	struct destination *to;
	enum destination_class class;
	uint64_t number;                        /* of the message */
	uint32_t count, answered, good, undone; /* undone: not settled on disk */
	bool null_path, cancelled, sending, ended;
	struct buf field; /* Delivered-To */
	uint64_t size, offset, credit;
	int fd; /* of large content, or -1 */
	uint32_t crc, want_crc;
	struct job_item item[];
};
TAILQ_HEAD(job_list, job);

/* What a job that begins with this delivery is about: the same message, domain, reverse-path and
 * Delivered-To. */
struct job *job_new(uint64_t id, struct destination *to, uint32_t count);
void job_free(struct job *j);
/* Sends job_begin and its recipients. 0, or a journal_result: nothing was sent. */
int job_begin(struct job *j, struct queue *q, struct ipc_channel *ch, const char *domain);
/* Sends one piece of content, at most what the credit allows: 0, or the job was cancelled because
 * the content cannot be read. */
int job_piece(struct job *j, struct queue *q, struct ipc_channel *ch);
bool job_can_send(const struct job *j);
void job_cancel(struct job *j, struct ipc_channel *ch);

#endif
