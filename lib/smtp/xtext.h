/* SPDX-License-Identifier: ISC */
/* xtext of rfc3461:4: printable ASCII but '+' and '=', or "+HH" with capital hexadecimals. */
#ifndef POSTERN_SMTP_XTEXT_H
#define POSTERN_SMTP_XTEXT_H

#include <stdbool.h>

#include "base/str.h"

/*
 * Decodes into out (at most outsize bytes, no NUL is added): the length, or -1 when it is not
 * xtext, does not fit, or stands for a byte that is not printable ASCII (rfc3461:4.2, 4.4).
 * out may be NULL to check only.
 */
int smtp_xtext_decode(struct str in, char *out, size_t outsize);

#endif
