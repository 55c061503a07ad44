/* SPDX-License-Identifier: ISC */
/* Between host.c, session.c and deliver.c. */
#ifndef POSTERN_MAILBOX_HOST_PRIV_H
#define POSTERN_MAILBOX_HOST_PRIV_H

#include <sys/queue.h>

#include "mailbox/backend.h"
#include "mailbox/host.h"
#include "mailbox/search_index.h"

struct session;
struct deliver;
TAILQ_HEAD(session_list, session);
struct command_run;
TAILQ_HEAD(deliver_list, deliver);
TAILQ_HEAD(command_list, command_run);

struct host {
	struct host_config config;
	struct store *store;
	struct backend *backend;
	struct search_index *index;
	struct session_list sessions;
	struct session_list runnable;
	struct deliver_list delivers;
	struct command_list commands;
	struct {
		bool said, full;
		uint64_t bytes, messages;
	} usage; /* as it was told last */
	unsigned nsessions;
	uint64_t attached;
	bool stopping;
	uint64_t busy_at;     /* io_now_ms of the last thing that happened */
	uint64_t index_since; /* the index has been waiting since then; 0: it is not */
	struct io_timer *sync_timer, *tidy_timer, *rest_timer, *idle_timer, *again_timer,
	    *stop_timer;
};

uint64_t host_now_ms(void *arg);
/* Something happened: housekeeping and the idle exit wait. */
void host_busy(struct host *h);

/* session.c */
void session_attach(struct host *h, int fd);
/* Runs those that have something to do; true: there were any. */
bool sessions_run(struct host *h);
/* Hands finished output to the streams: only when the store is safe. True: there was some. */
bool sessions_send(struct host *h);
/* Those that have more to do go on in the next turn, when others had theirs. */
void sessions_again(struct host *h);
/* "* BYE" to all; session_free for what is left. */
void sessions_stop(struct host *h);
void sessions_free(struct host *h);

/* command.c */
void command_attach(struct host *h, int fd);
void commands_free(struct host *h);

/* deliver.c */
void deliver_attach(struct host *h, int fd);
void delivers_free(struct host *h);
/* Writes what has arrived whole. */
void delivers_commit(struct host *h);
/* Messages are on their way in. */
bool delivers_busy(const struct host *h);

#endif
