/* SPDX-License-Identifier: ISC */
/* Lines of the log in words. */
#ifndef POSTERN_CATALOGUE_EVENT_H
#define POSTERN_CATALOGUE_EVENT_H

#include "catalogue/catalogue.h"

/* A line of the log, taken apart; all borrowed from it. */
struct event_line {
	struct str time, program; /* without instance */
	struct str level, id, rest;
	struct str event;
};

enum {
	EVENT_TEXT_MAX = 4096, /* a sentence: the longest line of the log and our words */
};

/* "TIME PROGRAM[N] LEVEL ID event=..."; false: another line. */
bool event_parse(struct str line, struct event_line *out);
/* Is it a part of a message's story? */
bool event_is_told(const struct event_line *e);
/* The value of key in the line, without quotes; n == 0: none. */
struct str event_value(const struct event_line *e, struct str key);
/* Appends the sentence. 0 or BUF_LIMIT. */
int event_text(struct buf *out, const struct event_line *e, enum language lang);

#endif
