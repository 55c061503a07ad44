/* SPDX-License-Identifier: ISC */
/* Content on its way out: CR LF line ends only, dots stuffed, the final dot (rfc5321:4.5.2). */
#ifndef POSTERN_SMTP_CLIENT_STUFF_H
#define POSTERN_SMTP_CLIENT_STUFF_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

struct smtp_client_stuff {
	bool inside;  /* a line has begun: the next byte is not its first */
	bool held_cr; /* a CR came last: its line end is still to be written */
};

/* Start with all zero. Appends the run; out needs room for 2 * run.n + 2 bytes. */
void smtp_client_stuff(struct smtp_client_stuff *s, struct str run, struct buf *out);
/* Ends the last line and appends the final dot; out needs room for 5 bytes. */
void smtp_client_stuff_end(struct smtp_client_stuff *s, struct buf *out);

#endif
