/* SPDX-License-Identifier: ISC */
/*
 * smtpd: port 25, on lib/smtp_host. It asks accounts about recipients and resolver for the client's
 * name, and keeps nothing: what it has accepted, queue has.
 */
#ifndef POSTERN_SMTPD_SMTPD_H
#define POSTERN_SMTPD_SMTPD_H

#include <sys/queue.h>

#include "reputation_client/reputation_client.h"
#include "smtp_host/smtp_host.h"
#include "smtpd/blocklists.h"

enum {
	SMTPD_LAST_WORDS_MS = 50, /* for the last replies to leave before the process ends */
};

struct address_cache;
struct repeats;
struct tlds;

struct lookups;

struct smtpd {
	struct smtp_host host;
	struct smtp_link queue;
	struct ipc_channel *accounts, *resolver; /* NULL while the peer is away */
	struct reputation *reputation;           /* its process may be away */
	const struct settings *settings;
	struct address_cache *known; /* answers of accounts */
	struct repeats *repeats;     /* signed messages that came lately */
	struct blocklists blocklists;
	const struct tlds *tlds;     /* borrowed; NULL: those that are built in */
	struct map *lookups;         /* request to accounts -> session */
	struct map *questions;       /* question that resolver has -> struct lookup */
	TAILQ_HEAD(, lookups) turns; /* whose next question may go out; see lookups.c */
	uint64_t last_id;            /* of the two above: never used twice in a process */
	char seconds[12];            /* of the refusal that is being printed */
};

/* settings are borrowed until smtpd_reload gives others. instance: number of this worker. */
struct smtpd *smtpd_new(struct io_loop *loop, const struct settings *settings, unsigned instance);
void smtpd_free(struct smtpd **d);
void smtpd_reload(struct smtpd *d, const struct settings *settings);
/* Take over fd; a peer that came before is replaced. */
void smtpd_peer(struct smtpd *d, enum ipc_channel_kind kind, int fd);

#endif
