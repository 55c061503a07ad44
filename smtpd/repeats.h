/* SPDX-License-Identifier: ISC */
/*
 * How often a signed message came lately. Whoever has one message that a good domain has signed (DKIM) can send it
 * a million times to whomever he likes, and it stays well signed: only that it comes again and again tells.
 */
#ifndef POSTERN_SMTPD_REPEATS_H
#define POSTERN_SMTPD_REPEATS_H

#include <stdint.h>

#include "base/str.h"

enum {
	REPEATS_PLACES =
	    1024, /* 24 KiB; a message has one of four places and drives out the rarest */
	REPEATS_WINDOW_S = 3600, /* after this a message is counted from the beginning */
};

struct repeats;

struct repeats *repeats_new(void);
void repeats_free(struct repeats **r);
/* A message with this signature has come: how many of it within this window, with this one. now: seconds. */
uint32_t repeats_note(struct repeats *r, struct str domain, struct str signature, uint64_t now);

#endif
