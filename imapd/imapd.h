/* SPDX-License-Identifier: ISC */
/*
 * IMAP before the login, TLS, and after the login a relay of plain bytes between the client and
 * the user's mailbox process, whose descriptor came as the answer to a good password. A connection
 * goes through these states:
 *
 *   prelogin (client.c)  the engine of imap/prelogin.h; stranger's limits
 *   relay (relay.c)      bytes both ways with back-pressure; the mailbox process knows the rest
 */
#ifndef POSTERN_IMAPD_IMAPD_H
#define POSTERN_IMAPD_IMAPD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "auth_client/auth_client.h"
#include "base/map.h"
#include "imap/prelogin.h"
#include "io/io.h"
#include "ipc/ipc.h"
#include "settings/settings.h"
#include "tls/tls.h"

enum {
	IMAPD_ID_MAX = 24,         /* the hand-over field */
	IMAPD_ADDRESS_MAX = 64,    /* the same */
	IMAPD_STRANGER_IN = 16384, /* one SASL line of 8 KiB and what came with it */
	IMAPD_TO_MAILBOX = 65536,  /* per connection, towards the mailbox process; twice at most */
	IMAPD_TO_CLIENT = 262144,  /* towards the client: what a FETCH gives in one go */
	IMAPD_STALL_MS = 300000,   /* a client that takes nothing for 5 min will not come back */
	IMAPD_PEER_STALL_MS = 60000,  /* the mailbox process: it is on this machine */
	IMAPD_HALF_CLOSED_MS = 60000, /* after the client's end: time for the last answers */
	IMAPD_STOP_MS = 1000,         /* orderly stop: time for farewells */
	/* A dead client is noticed even if it is silent and nothing is sent to it (IDLE). */
	IMAPD_KEEPALIVE_S = 300,
};

struct auth_pool;
struct auth_exchange;

struct client {
	TAILQ_ENTRY(client) entry;
	struct imapd *d;
	struct io_stream *stream;                  /* to the client */
	struct io_stream *mailbox;                 /* after the login */
	struct imap_prelogin *prelogin;            /* before the login */
	struct auth_exchange *exchange;            /* under way */
	uint64_t started_ms, address_key, in, out; /* bytes relayed */
	unsigned failures;
	bool implicit_tls, greeted, mailbox_shut, said_bye;
	char id[IMAPD_ID_MAX], address[IMAPD_ADDRESS_MAX], mechanism[32];
};

struct imapd {
	struct io_loop *loop;
	const struct settings *settings;
	struct tls_server *tls;
	struct auth_pool *auth;
	struct map *per_address;
	TAILQ_HEAD(, client) clients;
	size_t n;
	uint64_t serial;
	uint32_t instance;
	struct io_timer *stop;
	void (*stopped)(void *arg);
	void *stopped_arg;
};

/* settings is borrowed and may be replaced by imapd_set_settings. */
struct imapd *imapd_new(struct io_loop *loop, const struct settings *settings, uint32_t instance);
void imapd_free(struct imapd **d);
void imapd_set_settings(struct imapd *d, const struct settings *settings);
/* An accepted connection, taken over; implicit_tls: port 993. */
void imapd_accept(
    struct imapd *d, bool implicit_tls, int fd, const struct sockaddr *sa, socklen_t salen);
/* Farewells to all; stopped(arg) when they are gone, after IMAPD_STOP_MS at the latest. */
void imapd_stop(struct imapd *d, void (*stopped)(void *arg), void *arg);

/* --- client.c -----------------------------------------------------------------------------------
 */
void client_new(struct imapd *d, bool implicit_tls, int fd, const struct sockaddr *sa);
/* Logs the disconnect and forgets the client; streams still there are closed at once. */
void client_free(struct client *c, const char *why);
/* The same, but what is pending is still sent. */
void client_finish(struct client *c, const char *why);
void client_stop(struct client *c);

/* --- relay.c ------------------------------------------------------------------------------------
 */
/* The login is proven: hands over to the mailbox process at the other end of fd (taken over). tag
 * is borrowed. */
void relay_start(struct client *c, int fd, const struct auth_login *login, struct str tag);
/* The client stream's events after the login. */
void relay_client_data(struct client *c, struct buf *in);
void relay_client_drained(struct client *c);
void relay_client_end(struct client *c, enum io_end why);
void relay_stop(struct client *c);

#endif
