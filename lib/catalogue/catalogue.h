/* SPDX-License-Identifier: ISC */
/*
 * What Postern tells people, in English and German: the catalogue of refusals. Pure: the session
 * gives the facts, this folder the words.
 */
#ifndef POSTERN_CATALOGUE_CATALOGUE_H
#define POSTERN_CATALOGUE_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum language { LANG_EN, LANG_DE, LANG__COUNT };

/* "en" or "de"; -1: neither. */
int language_by_name(const char *name);

enum refusal_id {
#define REFUSAL(name, product, code, enhanced, party, english, german, advice, rat) REFUSAL_##name,
#include "catalogue/refusal_table.h"
	REFUSAL__COUNT
};

enum refusal_party {
#define PARTY(name, english, german) PARTY_##name,
#include "catalogue/refusal_table.h"
	PARTY__COUNT
};

struct refusal {
	const char *name;
	int product, code;
	const char *enhanced;
	enum refusal_party party;
	const char *text[LANG__COUNT];   /* of the reply, 7-bit; with {holes} */
	const char *advice[LANG__COUNT]; /* UTF-8 */
};

/*
 * What goes into the holes of a text: NULL where there is none. Of any bytes only those that the
 * hole's kind allows get through, at most as many as the table says.
 */
struct refusal_args {
#define REFUSAL_ARG(name, kind, most, what) const char *name;
#include "catalogue/refusal_table.h"
};

/* What stands in the last line of a reply. */
struct refusal_frame {
	const char *help_url; /* the number of the page is put behind it; NULL: none */
	const char *id;       /* of session or message, as in the log; NULL: none */
	int64_t now;          /* seconds since 1970 */
};

enum {
	/* rfc5321:4.5.3.1.5, CRLF included */
	REFUSAL_LINE_MAX = 512,
	/* A reply has an English, a German and a last line. */
	REFUSAL_PRINTED_MAX = 3 * REFUSAL_LINE_MAX,
	/* What a hole of any kind can become, with its NUL. */
	REFUSAL_ARG_SIZE = 121,
	/* Of the address of the help pages: leaves room for number, id and time in its line. */
	REFUSAL_URL_MAX = 300,
};

const struct refusal *refusal_get(enum refusal_id id);
/* By the name in the log ("TOO_BIG"); REFUSAL__COUNT: none. */
enum refusal_id refusal_by_name(struct str name);
const char *refusal_party_text(enum refusal_party party, enum language lang);

/*
 * Appends the reply with its line ends: English, German, then page, log id and time. 0 or BUF_LIMIT.
 * args may be NULL.
 */
int refusal_print(struct buf *out, enum refusal_id id, const struct refusal_frame *frame,
    const struct refusal_args *args);
/* Appends the text in one language, holes filled; without args as in the table. 0 or BUF_LIMIT. */
int refusal_text(
    struct buf *out, enum refusal_id id, enum language lang, const struct refusal_args *args);

/* The argument's name and its value as it goes into a reply; false behind the last. i from 0. */
bool refusal_arg(
    const struct refusal_args *args, unsigned i, const char **name, char value[REFUSAL_ARG_SIZE]);

#endif
