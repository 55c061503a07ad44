/* SPDX-License-Identifier: ISC */
/*
 * smtpd: port 25. A thin host of the engine in lib/smtp: it moves bytes between streams and
 * sessions, asks accounts about recipients, resolver for the client's name, keys for TLS, and
 * hands content to queue while it arrives. It keeps nothing: what it has accepted, queue has.
 */
#ifndef POSTERN_SMTPD_SMTPD_H
#define POSTERN_SMTPD_SMTPD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

#include "base/map.h"
#include "io/io.h"
#include "ipc/ipc.h"
#include "settings/settings.h"
#include "smtp/session.h"
#include "tls/tls.h"

enum {
	SMTPD_IN_MAX = 32 << 10,  /* input waiting in a session: half a TLS record of content */
	SMTPD_OUT_MAX = 32 << 10, /* replies a client may leave unread: twice the engine's most */
	SMTPD_STALL_MS = 120000,  /* a client that takes no byte of our replies for so long */
	SMTPD_ANSWER_MS =
	    120000, /* accounts or queue owe an answer: rfc5321:4.5.3.2.6 gives us 600 s */
	SMTPD_RDNS_MS = 5000,     /* the client's name may delay a message so long, counted from its
				   * connection: names that take longer help nobody */
	SMTPD_STOP_MS = 8000,     /* commits in flight at a stop; master waits 10 s */
	SMTPD_LAST_WORDS_MS = 50, /* for the last replies to leave before the process ends */
	/* A message may take its time, but from here on it has to come at the least rate: that is
	 * 50 MiB in 29 hours; the session's own limit ends it long before. */
	SMTPD_SLOW_GRACE_MS = 60000,
	SMTPD_SLOW_RATE = 500, /* octets a second */
	SMTPD_LISTENERS_MAX = 16,
	SMTPD_ID_MAX = 24, /* as in ipc_table.h */
};

struct session;
struct address_cache;

struct smtpd {
	struct io_loop *loop;
	struct tls_server *tls;
	struct ipc_channel *accounts, *resolver, *queue; /* NULL while the peer is away */
	uint8_t queue_room; /* enum ipc_result: what queue would say to a new message */
	struct io_listener *listeners[SMTPD_LISTENERS_MAX];
	unsigned nlisteners;

	struct smtp_policy policy; /* shared by all sessions; changed in place by a reload */
	char hostname[256];
	const struct settings *settings;
	uint64_t command_ms, data_ms, session_ms;
	unsigned max_connections, max_per_address;

	LIST_HEAD(, session) sessions;
	unsigned count;
	struct map *per_address;     /* key of an address -> number of sessions as a pointer */
	struct address_cache *known; /* answers of accounts */
	struct map *lookups;         /* request to accounts -> session */
	struct map *messages;        /* transaction at queue -> session */
	struct map *questions;       /* question to resolver -> session */
	uint64_t last_id;            /* of the three above: never used twice in a process */
	uint64_t last_session;
	char id_prefix[SMTPD_ID_MAX];

	bool stopping;
	struct io_timer *stop_timer;
	void (*stopped)(void *arg); /* the last session has ended after smtpd_stop() */
	void *stopped_arg;
	uint64_t refused_at;       /* when the last refused connection was logged */
	unsigned refused_unlogged; /* since then */
};

/* settings are borrowed until smtpd_reload gives others. instance: number of this worker. */
struct smtpd *smtpd_new(struct io_loop *loop, const struct settings *settings, unsigned instance);
void smtpd_free(struct smtpd **d);
void smtpd_reload(struct smtpd *d, const struct settings *settings);
/* Take over fd; a peer that came before is replaced. */
void smtpd_listen(struct smtpd *d, int fd);
void smtpd_peer(struct smtpd *d, enum ipc_channel_kind kind, int fd);
/* A new client; takes over fd. */
void smtpd_client(struct smtpd *d, int fd, const struct sockaddr *sa, socklen_t salen);
/* No new clients; commits in flight are finished, all others get 421. Then stopped(arg) once. */
void smtpd_stop(struct smtpd *d, void (*stopped)(void *arg), void *arg);

#endif
