/* SPDX-License-Identifier: ISC */
/*
 * How every daemon but master begins and ends. master starts it with one socket (descriptor
 * DAEMON_MASTER_FD); over it come settings, its directory, listening sockets and the ends of the
 * channels to its peers. Then: preload() -> sandbox -> start() -> ready -> loop.
 *
 * A peer that was restarted is handed over again by on_peer while the daemon runs; the old
 * channel's on_close tells of the end of the old one.
 */
#ifndef POSTERN_DAEMON_DAEMON_H
#define POSTERN_DAEMON_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "io/io.h"
#include "ipc/ipc.h"
#include "settings/settings.h"

enum {
	DAEMON_MASTER_FD = 3,
	DAEMON_LOCK_FD =
	    4, /* held open only: its flock ends with the last process of the instance */
	DAEMON_FIRST_FD = 5,
};

struct daemon;

struct daemon_spec {
	const char *name; /* a row of proc/process_table.h */
	/* Before the sandbox, still with the rights of the caller: open what is opened lazily, read
	 * files. Settings and the own directory are there already. Optional. */
	void (*preload)(struct daemon *d);
	/* In the sandbox, before the first listener or peer. */
	void (*start)(struct daemon *d);
	/* One end of a channel to a peer; takes over fd. peer: the other program; instance: its
	 * number (for mailbox: the account). Optional if the table has no peers for it. */
	void (*on_peer)(struct daemon *d, enum ipc_channel_kind kind, enum ipc_side side,
	    const char *peer, uint32_t instance, int fd);
	/* A listening socket of the table; takes over fd. Several may come for one service. */
	void (*on_listener)(struct daemon *d, const char *service, int fd);
	/* New settings are in place. Optional. */
	void (*on_reload)(struct daemon *d);
	/* Orderly stop: finish what was promised, then call daemon_exit(). master waits 10 s.
	 * NULL: the daemon exits at once. Also called (bounded to 2 s) when master is gone. */
	void (*on_stop)(struct daemon *d);
	/* mailbox only: one more session, delivery or command channel (enum ipc_mailbox_purpose). */
	void (*on_attach)(struct daemon *d, uint8_t purpose, int fd);
	/* mailbox only: the account's own limits (ipc_table.h: mailbox_open). */
	void (*on_limits)(struct daemon *d, uint64_t bytes, uint64_t messages);
	/* accounts only: what a mailbox holds. */
	void (*on_holds)(struct daemon *d, uint32_t account, uint64_t bytes, uint64_t messages);
	/* control only: a row of the answer to status_query. */
	void (*on_status_row)(struct daemon *d, uint64_t id, const struct ipc_status_row *row);
	/* Answers to requests sent on daemon_master(): accounts, queue, control. fd is -1 when
	 * refused. done: mailbox_create, mailbox_remove, mailbox_kick, reload_request. */
	void (*on_mailbox_opened)(struct daemon *d, uint64_t id, enum ipc_result result, int fd);
	void (*on_done)(struct daemon *d, uint64_t id, enum ipc_result result);
};

/* The whole main(): returns the exit status. */
int daemon_main(int argc, char **argv, const struct daemon_spec *spec);

struct io_loop *daemon_loop(struct daemon *d);
/* For the daemon's own state. */
void daemon_set_data(struct daemon *d, void *data);
void *daemon_data(struct daemon *d);
/* Number of this process among its like; for mailbox: the account. */
uint32_t daemon_instance(const struct daemon *d);
/* Descriptor of its own directory; -1 when the table gives none. Owned by the daemon library. */
int daemon_dir(const struct daemon *d);
/* The settings this daemon was given (settings/settings.h); valid until the next reload. */
const struct settings *daemon_settings(const struct daemon *d);
/* Channel to master, for the requests of this daemon's rows (mailbox_open and the like). */
struct ipc_channel *daemon_master(struct daemon *d);
/* Ends the loop; daemon_main returns 0. */
void daemon_exit(struct daemon *d);
/* The same after so many milliseconds, in which last words to peers can leave. A second call moves it. */
void daemon_exit_after(struct daemon *d, uint64_t ms);

#endif
