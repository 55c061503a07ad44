/* SPDX-License-Identifier: ISC */
/* What the tests of the engine for SMTP sessions share; all static. */
#ifndef POSTERN_SMTP_TEST_SESSION_H
#define POSTERN_SMTP_TEST_SESSION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/session_harness.h"

enum { MAX_SIZE = 2000 };

static const struct smtp_policy port25 = {
	.hostname = "mx.example.test", .max_size = MAX_SIZE, .max_recipients = SMTP_RCPT_MIN
};
static const struct smtp_policy full = { .hostname = "mx.example.test",
	.max_size = MAX_SIZE,
	.max_recipients = SMTP_RCPT_MIN,
	.pipelining = true,
	.chunking = true };

#define ENVELOPE "EHLO c.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u@here.test>\r\n"

static inline int
code_of(struct harness *h, const char *line)
{
	harness_code(h);
	harness_say(h, line);
	return harness_code(h);
}

#define S60 "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
#define S480 S60 S60 S60 S60 S60 S60 S60 S60

#endif
