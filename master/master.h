/* SPDX-License-Identifier: ISC */
/*
 * The supervisor. It starts every other process, hands them their descriptors, connects them with
 * each other, opens mailboxes on request and starts again what ended. It reads the administrator's
 * configuration and fixed-form messages from its children, nothing from the network.
 */
#ifndef POSTERN_MASTER_MASTER_H
#define POSTERN_MASTER_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "io/io.h"
#include "ipc/ipc.h"
#include "settings/settings.h"

enum { PROC_UID_ROOT = -1, PROC_UID_MAILBOX = -2 };

enum proc_id {
#define PROCESS(name, uid, dir, stage, what) PROC_##name,
#include "proc/process_table.h"
	PROC__MAX
};

struct proc_row {
	const char *name;
	int uid;
	const char *dir;
	int stage;
};
extern const struct proc_row proc_rows[PROC__MAX];

enum child_state {
	CHILD_DOWN,     /* waits for its next start */
	CHILD_STARTING, /* forked, not yet ready */
	CHILD_UP,
	CHILD_STOPPING, /* was told to stop, or is being killed */
	CHILD_GONE,     /* ended for good */
	CHILD_STATE__MAX
};

enum child_event { EV_START, EV_READY, EV_EXIT, EV_STOP, EV_TIMEOUT, CHILD_EVENT__MAX };

enum {
	START_TIMEOUT_MS = 10000, /* then it counts as hung and is killed */
	STOP_TIMEOUT_MS = 10000,
	BACKOFF_FIRST_MS = 10,    /* doubled at each failure in a row ... */
	BACKOFF_MAX_MS = 1000,    /* ... up to this: every daemon is tried again within a second */
	BACKOFF_RESET_MS = 10000, /* up for so long: the next failure is a first one */
	PEERS_REMADE_MAX = 8,     /* channels a child gets made again within a second */
	OPENS_PENDING_MAX = 64,   /* requests for one mailbox while it restarts */
};

/* A request for a mailbox that cannot be answered before its process is running again. */
struct open_request {
	STAILQ_ENTRY(open_request) link;
	uint64_t asker; /* serial of the asking child */
	uint64_t id;
	struct ipc_mailbox_open what;
};

struct child {
	TAILQ_ENTRY(child) link;
	struct master *m;
	uint64_t serial; /* never used twice: names a child without keeping a pointer */
	enum proc_id proc;
	uint32_t instance; /* mailbox: the account */
	enum child_state state;
	pid_t pid;
	struct ipc_channel *ch;
	struct io_timer *timer;
	uint64_t started_ms, up_ms, backoff_ms;
	uint32_t restarts;
	uint64_t remade_ms; /* begin of the second in which `remade` channels were made again */
	unsigned remade;
	char sandbox[128];
	/* mailbox only */
	uint64_t attached;
	bool doomed;     /* killed by us on purpose */
	bool usage_said; /* what it holds, as it said */
	uint64_t usage_bytes, usage_messages;
	STAILQ_HEAD(, open_request) opens;
	unsigned opens_n;
};

struct listener {
	STAILQ_ENTRY(listener) link;
	const char *service;
	enum proc_id proc;
	int fd;
};

struct master {
	struct io_loop *loop;
	char *config_path, *libexec;
	struct settings *settings;
	int dir, lock; /* instance directory, its lock */
	bool root, announced, stopping;
	int stop_stage;
	uint64_t next_serial;
	TAILQ_HEAD(, child) children;
	STAILQ_HEAD(, listener) listeners;
};

/* --- instance.c: directory, lock, sockets; all end the process with a clear message ------------- */
void instance_open(struct master *m, const char *path);
void instance_listen(struct master *m);
/* The directory `name` below parent, made if missing and owned by uid (when root). What root put
 * there before (init, restore) is given to uid. Returns a descriptor or -errno. */
int instance_subdir(struct master *m, int parent, const char *name, uid_t uid);
uid_t instance_uid(const struct master *m, enum proc_id proc, uint32_t instance);

/* --- child.c --------------------------------------------------------------------------------------- */
struct child *child_new(struct master *m, enum proc_id proc, uint32_t instance);
struct child *child_find(struct master *m, enum proc_id proc, uint32_t instance);
struct child *child_by_serial(struct master *m, uint64_t serial);
/* The only way a child's state changes. */
void child_event(struct child *c, enum child_event ev);
/* Started and not told to stop: can be sent messages. */
bool child_alive(const struct child *c);
void child_reap(struct master *m);

/* --- spawn.c --------------------------------------------------------------------------------------- */
/* Forks, execs and hands over everything of the tables. 0 or -1 (logged). */
int child_spawn(struct child *c);
/* Settings of a program as text for setup and reload. */
void child_settings(struct master *m, enum proc_id proc, struct buf *out);
const char *child_state_name(enum child_state state);

/* --- peers.c --------------------------------------------------------------------------------------- */
/* Connects a child that has just been spawned with all its peers that are alive. */
void peers_connect(struct child *c);
/* The client end of a channel says that it ended though both processes live: makes a new one. */
void peers_remake(struct child *client, const struct ipc_peer_lost *lost);
/* Gives master itself a (new) log socket when the logger was started. */
void peers_connect_own_log(struct master *m);

/* --- mailboxes.c ----------------------------------------------------------------------------------- */
void mailbox_open(struct child *asker, uint64_t id, const struct ipc_mailbox_open *what);
void mailbox_create(struct child *asker, uint64_t id, uint32_t account);
void mailbox_remove(struct child *asker, uint64_t id, uint32_t account);
void mailbox_kick(struct child *asker, uint64_t id, uint32_t account);
void mailbox_idle(struct child *mailbox, uint64_t attached);
/* What it holds: accounts is told. */
void mailbox_usage(struct child *mailbox, uint64_t bytes, uint64_t messages);
/* accounts was started anew: it is told what all have said that run. */
void mailbox_usage_all(struct child *accounts);
/* What it may hold: its process is told, if it runs. */
void mailbox_limit(struct child *asker, const struct ipc_mailbox_limit *m);
/* Its process is running: attach those who waited. */
void mailbox_attach_waiting(struct child *mailbox);
/* Its process ended: true = start it again, somebody waits for it. */
bool mailbox_wanted(const struct child *mailbox);
void mailbox_refuse_waiting(struct child *mailbox, enum ipc_result result);

/* --- main.c ---------------------------------------------------------------------------------------- */
/* A child's state changed: say ready, or go on with the stop. */
void master_progress(struct master *m);
bool master_reload(struct master *m);
void notify_systemd(const char *text);

#endif
