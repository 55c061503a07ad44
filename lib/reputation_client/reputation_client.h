/* SPDX-License-Identifier: ISC */
/*
 * The reputation process, as its clients see it. Everything here fails open: while it is away, or does
 * not answer within REPUTATION_ANSWER_MS, nobody is refused or delayed for it.
 *
 * Who is refused at the moment reputation tells by itself, so that a new connection need not wait for
 * an answer.
 */
#ifndef POSTERN_REPUTATION_CLIENT_REPUTATION_CLIENT_H
#define POSTERN_REPUTATION_CLIENT_REPUTATION_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "io/io.h"
#include "ipc/ipc.h"
#include "net/address.h"

enum offence {
#define OFFENCE(name, points, what) OFFENCE_##name,
#include "reputation_client/offence_table.h"
#undef OFFENCE
	OFFENCE__MAX
};

enum {
	REPUTATION_ANSWER_MS = 2000,   /* an answer from its memory takes microseconds */
	REPUTATION_LOG_MS = 60000,     /* between two lines in the log that it does not answer */
	REPUTATION_STATES_MAX = 81920, /* clients and networks: as many as reputation keeps */
	REPUTATION_IDS_MAX = 16384,    /* bytes of Message-IDs in one question (ipc_table.h) */
	REPUTATION_ID_MAX = 998,       /* of one: a line (rfc5322:2.1.1) */
	REPUTATION_NOTES_MAX = 1000,   /* Message-IDs that wait for reputation to come back */
};

struct reputation;
struct reputation_question;

struct reputation *reputation_new(struct io_loop *loop);
/* Questions under way are forgotten without an answer. */
void reputation_free(struct reputation **r);
/* Takes over the client end of a "reputation" channel. */
void reputation_open(struct reputation *r, int fd);

/* --- clients --- */
/* For how many seconds the client is refused yet; 0: it is welcome. */
uint32_t reputation_refused(struct reputation *r, const struct net_address *client);
/* It has misbehaved lately. */
bool reputation_watched(struct reputation *r, const struct net_address *client);
void reputation_note(
    struct reputation *r, const struct net_address *client, enum offence what, uint32_t count);

/* --- answers: exactly one call unless the question is forgotten first; never inside the asking call */
struct reputation_grey {
	const char *client;   /* address */
	struct str sender;    /* reverse-path, "" for none */
	struct str recipient; /* normal form */
	struct str domain;    /* that SPF vouches for, or "" */
};
/* wait: 0, or the seconds after which it will be let in. */
typedef void reputation_grey_fn(void *arg, uint32_t wait);
struct reputation_question *reputation_ask_grey(
    struct reputation *r, const struct reputation_grey *grey, reputation_grey_fn *fn, void *arg);

/* known: REPUTATION_UNKNOWN: nobody could tell. since: since when the memory has everything. */
enum reputation_known { REPUTATION_YES, REPUTATION_NO, REPUTATION_UNKNOWN };
typedef void reputation_sent_fn(void *arg, enum reputation_known known, uint64_t since);
/* ids: Message-IDs without brackets, each ended by NUL; at most REPUTATION_IDS_MAX bytes. */
struct reputation_question *reputation_ask_sent(
    struct reputation *r, struct str ids, reputation_sent_fn *fn, void *arg);
/* No answer is wanted any more. */
void reputation_forget(struct reputation_question **q);

/* --- notes --- */
/* A message of this client was accepted, for whose sender's domain SPF or DKIM vouches. spf: SPF does. */
void reputation_good(struct reputation *r, const char *client, struct str domain, bool spf);
/* A message of ours with this Message-ID (without brackets) was accepted. While reputation is away up
 * to REPUTATION_NOTES_MAX of them wait; when more were lost, it learns that there is a gap. */
void reputation_sent(struct reputation *r, struct str id);

#endif
