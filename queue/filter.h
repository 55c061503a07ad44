/* SPDX-License-Identifier: ISC */
/* Which messages a command of an administrator is about. Pure. */
#ifndef POSTERN_QUEUE_FILTER_H
#define POSTERN_QUEUE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "command/command.h"
#include "mail/address.h"
#include "queue/envelope.h"

/* What a message is doing, as people are told: FILTER_STATE(name) */
#define FILTER_STATES(FILTER_STATE) \
	FILTER_STATE(waiting) \
	FILTER_STATE(deferred) \
	FILTER_STATE(sending) \
	FILTER_STATE(held) \
	FILTER_STATE(failed)
enum filter_state {
#define FILTER_STATE(name) FILTER_##name,
	FILTER_STATES(FILTER_STATE)
#undef FILTER_STATE
	    FILTER_STATE__MAX
};
const char *filter_state_text(enum filter_state s);

enum { FILTER_TEXT_SIZE = ADDRESS_TEXT_SIZE + 1 };

struct filter {
	bool given; /* there was at least one option, or --all */
	bool by_sender, by_recipient;
	char sender[FILTER_TEXT_SIZE];     /* "": the null reverse-path */
	char recipient[FILTER_TEXT_SIZE];  /* or "@domain" */
	char domain[FILTER_TEXT_SIZE];     /* "@domain", or "" */
	uint64_t not_before_ms, before_ms; /* arrival */
	int state;                         /* enum filter_state; -1: any */
};

/* From the options of a command. 0, or -1 with the reason in error. */
int filter_parse(
    const struct command_line *line, uint64_t now_ms, struct filter *f, char error[160]);
/* Does it hold by what is in memory? Cheap; filter_needs_envelope says whether there is more. */
bool filter_fits(const struct filter *f, uint64_t arrival_ms, enum filter_state state);
bool filter_needs_envelope(const struct filter *f);
/* The rest; open(arg, i): the i-th delivery has not ended. */
bool filter_fits_envelope(const struct filter *f, const struct envelope *e,
    bool (*open)(void *arg, uint32_t delivery), void *arg);

#endif
