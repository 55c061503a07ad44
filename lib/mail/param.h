/* SPDX-License-Identifier: ISC */
/* Content-Type, Content-Disposition and their parameters (rfc2045:5.1, rfc2183, rfc2231), lenient.
 */
#ifndef POSTERN_MAIL_PARAM_H
#define POSTERN_MAIL_PARAM_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "mail/lex.h"

enum {
	/* Parameters of one field that are used: the rest is left unread (real mail has under ten).
	 */
	MAIL_PARAMS_MAX = 128,
};

struct mail_param {
	struct str name, value; /* value: unquoted, otherwise as it stands */
};

/* "type/subtype"; false when it is not: no default is put in. The parameters follow in *params. */
bool mail_ctype_parse(
    struct str value, struct str *type, struct str *subtype, struct mail_lex *params);
/* One token ("attachment"); false: none. */
bool mail_token_parse(struct str value, struct str *token, struct mail_lex *params);
/* The next parameter; false: no more, or the arena is full. The caller counts MAIL_PARAMS_MAX. */
bool mail_param_next(struct mail_lex *params, struct arena *a, struct mail_param *p);

/* The parameter as it stands, without rfc2231; the first one wins. */
bool mail_param_find(struct mail_lex params, struct arena *a, struct str name, struct str *value);
/* The parameter joined and decoded to UTF-8 (rfc2231; a plain one with encoded words in it as
 * well); appended to out. False: none, or no room. */
bool mail_param_get(struct mail_lex params, struct arena *a, struct str name, struct buf *out);

#endif
