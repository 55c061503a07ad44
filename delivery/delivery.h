/* SPDX-License-Identifier: ISC */
/*
 * delivery: brings messages to other servers. A thin host of the engines in lib/route (where to) and
 * lib/smtp_client (the dialogue). queue gives a job for each transaction and hears the result for
 * each recipient; nothing is kept here. Whatever a server does ends that job alone, in bounded time
 * and memory.
 */
#ifndef POSTERN_DELIVERY_DELIVERY_H
#define POSTERN_DELIVERY_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "io/io.h"
#include "ipc/ipc.h"
#include "route/route.h"
#include "settings/settings.h"
#include "tls/tls_client.h"

enum {
	/* Jobs at one time; queue has lower limits of its own, further jobs fail for now. */
	DELIVERY_JOBS_MAX = 1000,
	/* Content of one job that was asked for and has not gone out, whatever the message's size:
	 * twice what a socket takes at once, so that reading and sending overlap. */
	DELIVERY_WINDOW = 128 * 1024,
	/* Content asked for that is on its way from queue, all jobs together: half of what a channel
	 * may have waiting before its peer counts as dead. */
	DELIVERY_IN_FLIGHT_MAX = 8 * 1024 * 1024,
	/* Questions to resolver at one time: it takes 512 of one client. */
	DELIVERY_QUESTIONS_MAX = 200,
	/* Of an answer so much is looked at: 800 mail servers are no honest domain's. */
	DELIVERY_ANSWER_MAX = 16 * 1024,
	/* Connections kept for the next message, all destinations together: as many as jobs at one
	 * time, so that with many destinations none is closed just before it is wanted again. */
	DELIVERY_IDLE_MAX = 1000,
	/* The same of one destination: as many as are sent to it at one time, or nearly. */
	DELIVERY_IDLE_PER_DESTINATION = 20,
	/* A connection gets no further message after this: servers end older ones by themselves. */
	DELIVERY_CONNECTION_MS = 300000,
	/* From the start of a job no further address is tried after this: twice a greeting's time. */
	DELIVERY_TRY_MS = 600000,
	/* queue owes content that was asked for; a server waits 3 minutes (rfc5321:4.5.3.2.5). */
	DELIVERY_CONTENT_MS = 120000,
	/* A server whose TLS handshake failed is spoken to in clear text for so long. */
	DELIVERY_NO_TLS_MS = 900000,
	/* Such servers that are remembered; then the oldest is forgotten. */
	DELIVERY_NO_TLS_MAX = 256,
	/* At a stop: for replies to final dots; master waits 10 s. */
	DELIVERY_STOP_MS = 8000,
	/* Own addresses that are known; a host has a handful. */
	DELIVERY_OWN_MAX = 256,
	DELIVERY_SMARTHOST_PORT = 587, /* where the setting has no port (rfc6409:3.1) */
	DELIVERY_TLS_PORT = 465,       /* TLS from the start (rfc8314:7.3) */
};

struct delivery_smarthost {
	char host[256];  /* a name, or an address without brackets; "": none */
	char route[272]; /* the same as lib/route takes it */
	bool tls_first;
	uint16_t port;
	char user[256], password[256];
};

/* What settings say; times in milliseconds. */
struct delivery_options {
	char hostname[256];
	uint16_t port;
	bool allow_private;
	uint64_t connect_ms, command_ms, idle_ms;
	uint64_t max_messages;
	struct delivery_smarthost smarthost;
	struct route_address own[DELIVERY_OWN_MAX];
	size_t nown;
	struct tls_client *tls; /* borrowed */
};

/* Fills o from settings, but for tls and own. */
void delivery_options_read(struct delivery_options *o, const struct settings *settings);
/* Before the sandbox: the addresses of this host's interfaces and those in general.listen. */
void delivery_options_own(struct delivery_options *o, const struct settings *settings);

struct delivery;

/* Takes over what o has (its strings are copied); o->tls must outlive it. */
struct delivery *delivery_new(struct io_loop *loop, const struct delivery_options *o);
void delivery_free(struct delivery **d);
/* New times and limits; destinations stay as they are. */
void delivery_reload(struct delivery *d, const struct settings *settings);
/* Take over fd; an end that came before is replaced, with queue's its jobs are dropped. */
void delivery_resolver(struct delivery *d, int fd);
void delivery_queue(struct delivery *d, int fd);
/* Jobs whose final dot is out are waited for, all others are dropped without a result: queue hears
 * the end of the channel. Then stopped(arg), once. */
void delivery_stop(struct delivery *d, void (*stopped)(void *arg), void *arg);

#endif
