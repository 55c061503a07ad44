/* SPDX-License-Identifier: ISC */
/* Between admin.c (requests, what is done with messages) and admin_show.c (what is told of them). */
#ifndef POSTERN_QUEUE_ADMIN_PRIV_H
#define POSTERN_QUEUE_ADMIN_PRIV_H

#include "queue/filter.h"
#include "queue/queue_priv.h"

enum filter_state admin_state(struct queue *q, const struct message *m);
/* A row of `queue list`. */
void admin_list_row(struct queue *q, struct ipc_channel *ch, uint64_t id, const struct message *m);
/* The whole answer of `queue show`. */
void admin_show(struct queue *q, struct ipc_channel *ch, uint64_t id, const struct message *m);

#endif
