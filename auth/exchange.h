/* SPDX-License-Identifier: ISC */
/*
 * A SASL exchange as a function of what the client has sent so far and of what is known about the
 * login: libsasl2 is given all of it again at each step. So no half-finished library state waits
 * for clients or for accounts, and a step that lacks the verifier says EXCHANGE_NEED, is asked
 * again when it is there, and in between nothing blocks. The server's nonce comes from a seed, so it
 * is the same each time. Mechanisms: PLAIN (rfc4616), LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS
 * (rfc5802, rfc7677).
 *
 * A login can have several passwords with keys for SCRAM. They share salt and number of rounds, so
 * there is one challenge for all of them, and the client's proof tells which it is.
 */
#ifndef POSTERN_AUTH_EXCHANGE_H
#define POSTERN_AUTH_EXCHANGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "ipc/ipc.h"
#include "scram/scram.h"

enum {
	EXCHANGE_LOGIN_MAX = 320,  /* 64 + '@' + 255, rfc5321:4.5.3.1 */
	EXCHANGE_INPUTS_MAX = 3,   /* initial response, user name, password; or SCRAM's first, final
				      and the empty one behind the server's proof */
	EXCHANGE_INPUT_MAX = 8192, /* ipc_table.h: auth_start, auth_continue */
	EXCHANGE_OUTPUT_MAX = 8192, /* ipc_table.h: auth_challenge */
	EXCHANGE_SEED = 32,
	EXCHANGE_KEYS_MAX = 21, /* 20 app passwords and the main one; ipc_table.h: verifier_is */
};

enum exchange_result {
	EXCHANGE_NEED,      /* the verifier of out->login */
	EXCHANGE_CHALLENGE, /* out->challenge goes to the client */
	EXCHANGE_PROVEN,    /* the client is out->login */
	EXCHANGE_FAILED,
	EXCHANGE_TEMP,
};

/* Channel bindings of the client's TLS session; empty ones there are not. When there is one,
 * SCRAM-SHA-256-PLUS counts as announced. */
struct exchange_bindings {
	struct str exporter, unique, end_point;
};

struct exchange_input {
	const char *service, *hostname, *mechanism;
	struct exchange_bindings bindings;
	uint8_t seed[EXCHANGE_SEED]; /* random, the same for all runs of an exchange */
	bool has_initial;            /* input[0] is an initial response */
	unsigned n;
	struct str input[EXCHANGE_INPUTS_MAX];
	/* The login whose verifier is at hand, or NULL. */
	const char *known;
	/* Called at most once, only for `known`: is that its password? IPC_OK, _NO or _TEMP. */
	enum ipc_result (*check)(void *arg, struct str login, struct str password);
	void *arg;
	/* For SCRAM, with `known`: nkeys 0 when there are none or the login is not to succeed. */
	uint8_t salt[SCRAM_SALT];
	const struct scram_keys *keys;
	unsigned nkeys;
};

struct exchange_output {
	char login[EXCHANGE_LOGIN_MAX + 1]; /* "" while the client has not said it */
	struct buf challenge;               /* initialised by the caller */
};

/*
 * Loads the library and works through an exchange of each kind, so that nothing is opened later;
 * once, before the sandbox. 0, or -1 with a sentence in *why.
 */
int exchange_init(struct buf *why);
void exchange_end(void);

enum exchange_result exchange_run(const struct exchange_input *in, struct exchange_output *out);

#endif
