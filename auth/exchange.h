/* SPDX-License-Identifier: ISC */
/*
 * A SASL exchange as a function of what the client has sent so far and of what is known about the
 * login: libsasl2 is given all of it again at each step. So no half-finished library state waits
 * for clients or for accounts, and a step that lacks the verifier says EXCHANGE_NEED, is asked
 * again when it is there, and in between nothing blocks. Mechanisms: PLAIN (rfc4616) and LOGIN.
 */
#ifndef POSTERN_AUTH_EXCHANGE_H
#define POSTERN_AUTH_EXCHANGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"
#include "ipc/ipc.h"

enum {
	EXCHANGE_LOGIN_MAX = 320,  /* 64 + '@' + 255, rfc5321:4.5.3.1 */
	EXCHANGE_INPUTS_MAX = 3,   /* initial response, user name, password */
	EXCHANGE_INPUT_MAX = 8192, /* ipc_table.h: auth_start, auth_continue */
	EXCHANGE_OUTPUT_MAX = 8192,
};

enum exchange_result {
	EXCHANGE_NEED,      /* the verifier of out->login */
	EXCHANGE_CHALLENGE, /* out->challenge goes to the client */
	EXCHANGE_PROVEN,    /* the client is out->login */
	EXCHANGE_FAILED,
	EXCHANGE_TEMP,
};

struct exchange_input {
	const char *service, *hostname, *mechanism;
	bool has_initial; /* input[0] is an initial response */
	unsigned n;
	struct str input[EXCHANGE_INPUTS_MAX];
	/* The login whose verifier is at hand, or NULL. */
	const char *known;
	/* Called at most once, only for `known`: is that its password? IPC_OK, _NO or _TEMP. */
	enum ipc_result (*check)(void *arg, struct str login, struct str password);
	void *arg;
};

struct exchange_output {
	char login[EXCHANGE_LOGIN_MAX + 1]; /* "" while the client has not said it */
	struct buf challenge;               /* initialised by the caller */
};

/*
 * Loads the two plug-ins; once, before the sandbox. No environment variable and no configuration
 * file has a say in it. 0, or -1 with a sentence in *why.
 */
int exchange_init(struct buf *why);
void exchange_end(void);

enum exchange_result exchange_run(const struct exchange_input *in, struct exchange_output *out);

#endif
