/* SPDX-License-Identifier: ISC */
/*
 * What every SMTP service of ours does alike: it moves bytes between streams and sessions of the
 * engine in lib/smtp, keeps the limits, starts TLS, and hands content to queue while it arrives.
 * What differs (who is asked about senders and recipients, logins, the trace header) the service
 * brings as struct smtp_host_ops. Nothing is kept here: what was accepted, queue has.
 */
#ifndef POSTERN_SMTP_HOST_SMTP_HOST_H
#define POSTERN_SMTP_HOST_SMTP_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/map.h"
#include "io/io.h"
#include "ipc/ipc.h"
#include "net/address.h"
#include "settings/settings.h"
#include "smtp/session.h"
#include "tls/tls.h"

enum {
	SMTP_HOST_IN_MAX = 32 << 10, /* input waiting in a session: half a TLS record of content */
	SMTP_HOST_OUT_MAX = 128 << 10, /* replies a client may leave unread: twice the engine's */
	SMTP_HOST_STALL_MS = 120000,   /* a client that takes no byte of our replies for so long */
	/* Another process of ours owes an answer: rfc5321:4.5.3.2.6 gives us 600 s. */
	SMTP_HOST_ANSWER_MS = 120000,
	SMTP_HOST_TURNED_AWAY_LINES = 10, /* in the log a second; all others are only counted */
	SMTP_HOST_PROXY_MS = 10000,       /* a proxy sends its header with its first packet */
	/* Clients whose sessions of this minute are counted: 4 MiB. Further ones are not counted. */
	SMTP_HOST_MINUTE_MAX = 65536,
	/* With three quarters of all sessions taken, waiting is shortened to this. */
	SMTP_HOST_STRESS_MS = 30000,
	SMTP_HOST_STOP_MS = 8000, /* commits in flight at a stop; master waits 10 s */
	/* A message may take its time, but after the setting data-grace it has to come at the least
	 * rate (octets a second): that is 50 MiB in 29 hours; the session's own limit ends it long before. */
	SMTP_HOST_SLOW_RATE = 500,
	SMTP_HOST_LISTENERS_MAX = 32, /* 16 addresses (general.listen) of two services */
	SMTP_HOST_ID_MAX = 24,        /* as in ipc_table.h */
	/* Envelope of one transaction: 1,000 recipients with the longest fields the engine and
	 * accounts let through. */
	SMTP_HOST_ENVELOPE_MAX = 2 << 20,
	/* What stands before the received bytes: the trace header, and what a service adds; eight
	 * signatures with the longest names are half of it. As in ipc_table.h. */
	SMTP_HOST_PREPEND_MAX = 16384,
};

struct smtp_host;
struct smtp_conn;

/* The client end of a queue_accept channel, with the transactions that use it. */
struct smtp_link {
	struct smtp_host *host;
	struct ipc_channel *ch;  /* NULL: away */
	uint8_t room;            /* enum ipc_result: what queue would say to a new message */
	struct map *messages;    /* transaction -> struct smtp_conn */
	uint64_t last_id;        /* never used twice on a channel; door_ask takes from it, too */
	struct smtp_conn *owner; /* of a link that one session has for itself, else NULL */
	/* Optional: queue answers a door_ask. */
	void (*on_answer)(struct smtp_link *l, uint64_t id, enum ipc_result result);
	/* With an owner, who may be freed by it: the channel is gone. The transaction has failed,
	 * but the session was not pumped. */
	void (*on_lost)(struct smtp_link *l);
};

/* An accepted recipient, kept until the envelope goes to queue. */
struct smtp_recipient {
	STAILQ_ENTRY(smtp_recipient) entry;
	struct str address, accounts, orcpt;
	bool elsewhere; /* some of it goes to other servers */
	unsigned notify;
};

/* One client. A service's own struct begins with it. */
struct smtp_conn {
	LIST_ENTRY(smtp_conn) entry;
	struct smtp_host *host;
	struct io_stream *stream;
	struct smtp_session *engine;
	struct smtp_link *link; /* where messages go; NULL: nowhere yet */
	struct net_address
	    peer; /* who is connected: what limits count; a proxy's client for itself */
	struct net_address address; /* who it is: also by XCLIENT */
	char client[64];            /* that as text */
	char id[SMTP_HOST_ID_MAX + 1];
	uint64_t started_ms;
	uint64_t session_ms; /* how long it may be altogether; 0: as the host says */

	uint64_t message; /* transaction at queue; 0: none */
	bool began;       /* queue knows of the transaction */
	bool committed;   /* msg_commit is out */
	bool holds;       /* the service holds the commit back for now */
	bool junk;        /* the service wants it in the folder Junk */
	uint8_t trouble;  /* enum ipc_result: queue refused or was lost meanwhile */
	uint64_t size;    /* of the content */
	unsigned transactions, recipients;
	struct arena *arena;
	STAILQ_HEAD(, smtp_recipient) envelope;
	char sender[512];
	const char *message_id;               /* the service's, for the log; NULL: not known */
	uint64_t data_started_ms, data_bytes; /* for the least rate; without our own pauses */
	uint64_t throttled_ms;                /* since when */

	bool counted;                 /* in the limits of its address */
	bool opened;                  /* the service knows of it */
	bool proxied;                 /* its PROXY header has not come yet */
	bool implicit_tls;            /* TLS comes before the greeting */
	struct io_timer *greet_timer; /* while its greeting is delayed */
	bool greeted;
	bool eof;            /* the client sends no more */
	bool throttled;      /* queue's channel is full */
	bool starttls;       /* 220 was queued: TLS begins when the pump is done */
	bool broken;         /* nothing can be sent any more */
	bool over;           /* to be ended when the pump is done */
	const char *leaving; /* why it ends with `bye` as soon as no answer is owed; NULL */
	enum smtp_reply_id bye;
	const char *ended; /* why, for the log */
	int ended_by;      /* enum smtp_close, when the engine ended it; else -1 */
};

/* What a service does its own way. Optional ones may be NULL. */
struct smtp_host_ops {
	size_t conn_size; /* of its own struct, which begins with struct smtp_conn */
	enum tls_service tls;
	/* Optional: this peer is a proxy, and begins with a PROXY header. */
	bool (*is_proxy)(struct smtp_host *h, const char *peer);
	/* Optional: SMTP_OK, or the 421 that this client gets instead of a session. */
	enum smtp_reply_id (*admit)(
	    struct smtp_host *h, const struct net_address *client, struct refusal_args *args);
	/* Optional: how long it waits for its greeting. */
	uint64_t (*greet_ms)(struct smtp_conn *c);
	void (*opened)(struct smtp_conn *c); /* optional: before the greeting */
	void (*closed)(struct smtp_conn *c); /* optional: about to be freed */
	void (*on_tls)(struct smtp_conn *c); /* optional: TLS stands */
	/* Questions of the engine. Answered at once, or later, then with smtp_conn_pump. */
	void (*mail)(struct smtp_conn *c, const struct smtp_mail *mail);
	void (*rcpt)(struct smtp_conn *c, const struct smtp_rcpt *rcpt);
	void (*xclient)(struct smtp_conn *c, const struct smtp_xclient *x); /* optional */
	void (*auth)(struct smtp_conn *c, const struct smtp_auth *auth);    /* optional */
	void (*auth_cancel)(struct smtp_conn *c);                           /* optional */
	/* Content of the transaction (link is there). smtp_conn_content passes it on. */
	void (*content)(struct smtp_conn *c, struct str run);
	/* All of it has come: smtp_conn_commit or smtp_conn_refuse, now or later (holds). */
	void (*end)(struct smtp_conn *c);
	void (*reset)(struct smtp_conn *c); /* optional: the transaction is forgotten */
	/* Optional: queue has it; before the reply. */
	void (*stored)(struct smtp_conn *c);
	/* Appends what stands before the received bytes. */
	void (*prepend)(struct smtp_conn *c, struct buf *out);
	const char *(*name)(const struct smtp_conn *c); /* optional: the client's name, for logs */
};

struct smtp_host {
	struct io_loop *loop;
	const struct smtp_host_ops *ops;
	void *arg; /* the service's */
	struct tls_server *tls;
	struct smtp_policy policy; /* shared by all sessions; changed in place by a reload */
	char hostname[256], help_url[REFUSAL_URL_MAX + 1];
	uint64_t command_ms, data_ms, grace_ms, session_ms;
	unsigned max_connections, max_per_address;
	unsigned max_per_network; /* 0: no limit */
	unsigned max_per_minute;  /* sessions that one client begins; 0: no limit */

	/* private */
	struct io_listener *listeners[SMTP_HOST_LISTENERS_MAX];
	unsigned nlisteners;
	LIST_HEAD(, smtp_conn) conns;
	unsigned count;
	struct map *per_address,
	    *per_network;        /* key of lib/net -> number of sessions as a pointer */
	struct map *this_minute; /* the same: sessions begun in it */
	uint64_t minute;
	uint64_t last_session;
	char id_prefix[SMTP_HOST_ID_MAX];
	bool stopping;
	struct io_timer *stop_timer;
	void (*stopped)(void *arg);
	void *stopped_arg;
	uint64_t refused_at;    /* when the second began in which clients turned away are logged */
	unsigned refused_lines; /* in that second */
	unsigned refused_unlogged; /* clients turned away since the last line */
};

/* --- host.c --- */
/* letter: first of the ids of its sessions; instance: number of this worker. The service sets the
 * limits and the rest of the policy. */
void smtp_host_init(struct smtp_host *h, struct io_loop *loop, const struct smtp_host_ops *ops,
    void *arg, const char *hostname, char letter, unsigned instance);
/* What all services take over from the settings in the same way; at the start and at each reload. */
void smtp_host_reload(struct smtp_host *h, const struct settings *settings);
/* Ends all sessions. */
void smtp_host_free(struct smtp_host *h);
/* Takes over fd. implicit_tls: TLS comes before the greeting. */
void smtp_host_listen(struct smtp_host *h, int fd, bool implicit_tls);
/* No new clients; commits in flight are finished, all others get 421. Then stopped(arg) once. */
void smtp_host_stop(struct smtp_host *h, void (*stopped)(void *arg), void *arg);

/* --- conn.c --- */
/* A new client; takes over fd. */
void smtp_conn_new(struct smtp_host *h, int fd, const struct sockaddr *sa, bool implicit_tls);
/* Queue takes content again. */
void smtp_conn_unthrottle(struct smtp_conn *c);
/* Works on the waiting input and sends what came of it; may free c. */
void smtp_conn_pump(struct smtp_conn *c);
/* Ends it with this reply; frees c. */
void smtp_conn_shutdown(struct smtp_conn *c, enum smtp_reply_id reply, const char *why);
/* The same as soon as no answer is outstanding; may free c. */
void smtp_conn_shutdown_soon(struct smtp_conn *c, enum smtp_reply_id reply, const char *why);
/* Refuses the question outstanding, with a line in the log; what: "from", "rcpt" or "message". */
void smtp_conn_refuse(
    struct smtp_conn *c, enum smtp_reply_id reply, const char *what, struct str about);
/* The same for a refusal whose text has holes. The arguments are logged under their names. */
void smtp_conn_refuse_with(struct smtp_conn *c, enum smtp_reply_id reply,
    const struct refusal_args *args, const char *what, struct str about);

/* --- link.c --- */
void smtp_link_init(struct smtp_link *l, struct smtp_host *h);
/* Takes over fd in place of an older channel, whose transactions fail. */
void smtp_link_open(struct smtp_link *l, int fd);
/* Its transactions fail. */
void smtp_link_close(struct smtp_link *l);
/* Frees what it has; no session uses it any more. */
void smtp_link_free(struct smtp_link *l);
/* NULL: no memory is left for the envelope. */
struct smtp_recipient *smtp_recipient_new(
    struct smtp_conn *c, const struct smtp_rcpt *rcpt, const char *address);
/* Accepts it: answers the engine's question. */
void smtp_recipient_accept(struct smtp_conn *c, struct smtp_recipient *r);
/* Content on its way to queue, which learns of the transaction with its first bytes. */
void smtp_conn_content(struct smtp_conn *c, struct str run);
void smtp_conn_commit(struct smtp_conn *c);
/* Forgets the transaction; tells queue when it knows of it and no commit is out. */
void smtp_conn_reset(struct smtp_conn *c);

/* --- client.c: addresses and the limits on them --- */
/* Of a socket that is none of IP (a test's): loopback. */
void smtp_client_address(const struct sockaddr *sa, struct net_address *out);
bool smtp_client_in_list(const struct settings *settings, enum setting which, const char *address);
bool smtp_client_is_loopback(const char *address);
/* Counts one more; false, and nothing is counted, when client, network or minute have their most. */
bool smtp_client_count(struct smtp_host *h, const struct net_address *client);
void smtp_client_uncount(struct smtp_host *h, const struct net_address *client);

#endif
