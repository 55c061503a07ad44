/* SPDX-License-Identifier: ISC */
/*
 * The answers from which a machine is set up: asked on its console, or in a file of lines
 *
 *     domain=example.org
 *
 * with # comments, spaces around = at will. Pure functions.
 */
#ifndef POSTERN_ANSWERS_ANSWERS_H
#define POSTERN_ANSWERS_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum {
	ANSWER_MAX = 253,         /* bytes of an answer: a domain name */
	ANSWERS_FILE_MAX = 16384, /* all answers, with comments */
	ANSWER_PASSWORD_MIN = 8,  /* as for every account */
	ANSWERS_FAULTS_MAX = 50,  /* faults told at once */
};

enum answer_id {
#define ANSWER(id, needed, def, kind, en, de) ANSWER_##id,
#include "answers/answer_table.h"
#undef ANSWER
	ANSWER__MAX
};

enum answer_text {
#define SAY(id, en, de) SAY_##id,
#include "answers/text_table.h"
#undef SAY
	SAY__MAX
};

struct answers {
	char value[ANSWER__MAX][ANSWER_MAX + 1]; /* "" where there is none */
	bool given[ANSWER__MAX];
};

struct answer_row {
	const char *name;
	bool needed;
	const char *def;
	const char *question[2]; /* English, German */
};

const struct answer_row *answer_row(enum answer_id id);
/* A row of text_table.h in a language: 0 English, 1 German. */
const char *answer_text(enum answer_text id, int language);
/* NULL: a good answer; else what is wrong with it, in a sentence in that language. */
const char *answer_check(enum answer_id id, struct str value, int language);
/* Is the question to be asked after those before it? A gateway only with a fixed address. */
bool answer_wanted(const struct answers *a, enum answer_id id);
/* Sets a checked answer. */
void answer_set(struct answers *a, enum answer_id id, struct str value);

/*
 * Reads a whole file, defaults filled in. 0, or -1 with every fault in faults, a line each ("line 3:
 * ..."), in the language the file asks for.
 */
int answers_parse(struct str text, struct answers *a, struct buf *faults);
/* The same as a file. */
void answers_print(const struct answers *a, struct buf *out);

#endif
