/* SPDX-License-Identifier: ISC */
/*
 * Rewritten reverse-paths of forwarded mail. What is sent on for bob@example.org goes out with a
 * reverse-path of example.org, so that the next server finds us allowed to send it; a notification
 * that comes back to that address is sent on to the first sender. The forms are those other
 * forwarders know:
 *
 *	SRS0=TAG=DAY=DOMAIN=LOCAL@ours     for LOCAL@DOMAIN
 *	SRS1=TAG=DOMAIN=REST@ours          for SRS0REST@DOMAIN, rewritten by an earlier forwarder:
 *	                                   answers go straight to the first one
 *
 * DAY is the day modulo 1024 in base 32. TAG is 40 bits of a keyed hash (BLAKE2b) of kind, whole
 * day, DOMAIN and the rest in lower case, in base 32: nobody can make an address that we would send
 * on to, and one that was seen serves for SRS_AGE_DAYS. SRS1 has no place for the day: the days that
 * are allowed are tried. Case is of no importance, for local parts are lower-cased on the way; what
 * comes back has the case it comes with. Pure: no descriptors, no clock.
 */
#ifndef POSTERN_SRS_SRS_H
#define POSTERN_SRS_SRS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "mail/address.h"

enum {
	SRS_KEY_SIZE = 32,
	/* Servers give up after five days; a second queue, holidays of one who returns by hand. */
	SRS_AGE_DAYS = 21,
	/* A clock that was set back may see a stamp of tomorrow. */
	SRS_AHEAD_DAYS = 1,
	SRS_TAG_SIZE = 8, /* 40 bits: 35 years of guessing at 1,000 a second for one address */
};

enum srs_result {
	SRS_OK = 0,
	SRS_NONE = -1,   /* parse: an ordinary address */
	SRS_FORGED = -2, /* parse: of that form, but we did not make it (or an SRS1 is too old) */
	SRS_OLD = -3,    /* parse: we made it more than SRS_AGE_DAYS ago */
	/* make: no mailbox, or the local part would pass the 64 octets of rfc5321:4.5.3.1.1. The mail
	 * then goes out with the address it is forwarded for as its reverse-path: its owner, who
	 * asked for the forward, hears of failures. */
	SRS_UNFIT = -4,
};

/* The day of a time in ms since 1970. */
static inline uint32_t
srs_day(uint64_t ms)
{
	return (uint32_t)(ms / 86400000);
}

/*
 * The reverse-path to send on with, NUL-terminated, and its length or SRS_UNFIT. The null
 * reverse-path stays null (""): nobody wants an answer. Whether a reverse-path needs it (one of our
 * own domains does not) is the caller's business.
 */
int srs_make(const uint8_t key[SRS_KEY_SIZE], uint32_t day, struct str reverse_path,
    struct str our_domain, char out[ADDRESS_TEXT_SIZE]);

/*
 * The address that mail to this address of a domain of ours is meant for, NUL-terminated, and its
 * length; or an srs_result. What comes out may be any address, also one of ours.
 */
int srs_parse(
    const uint8_t key[SRS_KEY_SIZE], uint32_t day, struct str address, char out[ADDRESS_TEXT_SIZE]);

#endif
