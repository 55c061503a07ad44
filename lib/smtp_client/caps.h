/* SPDX-License-Identifier: ISC */
/* What a server offers in its reply to EHLO (rfc5321:4.1.1.1). */
#ifndef POSTERN_SMTP_CLIENT_CAPS_H
#define POSTERN_SMTP_CLIENT_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct smtp_client_caps {
	bool esmtp; /* false: HELO; then nothing below is offered */
	bool size, eightbit, smtputf8, dsn, starttls, pipelining, enhanced;
	bool auth_plain, auth_login;
	uint64_t size_max; /* 0: no limit told (rfc1870:4) */
	uint64_t mail_max; /* LIMITS (rfc9422:4); 0: not told */
	uint64_t rcpt_max;
};

/* One line of the reply but the first, without code. Unknown and malformed ones are passed over:
 * what is not understood is not used. */
void smtp_client_caps_line(struct smtp_client_caps *caps, struct str line);

#endif
