/* SPDX-License-Identifier: ISC */
/*
 * submission: ports 465 and 587, on lib/smtp_host. Who has logged in gets a door: the client end of
 * a queue_accept channel that queue has bound to that account. It is the only way from here to
 * queue, so without a login nothing can be sent, and with one only as that account: queue itself
 * checks who sends, and answers whether an address may stand in a header.
 */
#ifndef POSTERN_SUBMISSION_SUBMISSION_H
#define POSTERN_SUBMISSION_SUBMISSION_H

#include "auth_client/auth_client.h"
#include "reputation_client/reputation_client.h"
#include "smtp_host/smtp_host.h"

enum {
	/* A refused login is answered after so long, more each time: a person does not notice, a
	 * guesser gets through few words a minute. */
	SUBMISSION_DELAY_MS = 500,
	SUBMISSION_DELAY_MAX_MS = 5000,
	SUBMISSION_LAST_WORDS_MS = 50, /* for the last replies to leave before the process ends */
	/* The span over which an account's messages and recipients are counted. */
	SUBMISSION_BUDGET_MS = 3600 * 1000,
	/* Accounts that are remembered: more never send within an hour on a machine of this size.
	 * When it is full, those that have their whole budget again are forgotten. */
	SUBMISSION_BUDGETS_MAX = 10000,
};

struct budgets;

struct submission {
	struct smtp_host host;
	struct auth_pool *auth;
	struct reputation *reputation; /* learns the Message-IDs of what was sent */
	struct budgets *budgets;
	const struct settings *settings;
	uint64_t login_ms;
	unsigned max_login_failures;
};

/* settings are borrowed until submission_reload gives others. instance: number of this worker. */
struct submission *submission_new(
    struct io_loop *loop, const struct settings *settings, unsigned instance);
void submission_free(struct submission **d);
void submission_reload(struct submission *d, const struct settings *settings);
/* A channel to keys or auth; takes over fd. */
void submission_peer(struct submission *d, enum ipc_channel_kind kind, uint32_t instance, int fd);

#endif
