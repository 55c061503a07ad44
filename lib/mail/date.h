/* SPDX-License-Identifier: ISC */
/* Dates of mail by arithmetic only: no libc time zone, no locale, years 1 to 9999. */
#ifndef POSTERN_MAIL_DATE_H
#define POSTERN_MAIL_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* A moment: seconds since 1970 UTC, and the zone it was or will be written in. */
struct mail_time {
	int64_t seconds;
	int16_t zone; /* minutes east of UTC */
};

struct mail_date {
	int year, month, day; /* month 1 to 12 */
};

/* Days since 1970-01-01 in the Gregorian calendar. */
int64_t mail_days(struct mail_date d);
struct mail_date mail_date_of_days(int64_t days);
bool mail_date_is_valid(struct mail_date d);
/* The calendar day of a moment in its own zone, as days since 1970. */
int64_t mail_time_day(struct mail_time t);

/* The Date field (rfc5322:3.3 with the obsolete forms, comments, two-digit years). False: none. */
bool mail_date_parse(struct str value, struct mail_time *t);

enum { MAIL_IMAP_TIME_SIZE = 27, MAIL_RFC5322_TIME_SIZE = 32 };
/* "17-Jul-1996 02:44:25 -0700", always 26 bytes and a NUL; a day below 10 with a space before. */
void mail_time_format_imap(struct mail_time t, char out[static MAIL_IMAP_TIME_SIZE]);
/* The same, without quotes; the whole of s. */
bool mail_time_parse_imap(struct str s, struct mail_time *t);
/* "1-Feb-1994" (rfc3501 date), the whole of s without quotes. */
bool mail_date_parse_imap(struct str s, struct mail_date *d);
/* "Wed, 17 Jul 1996 02:44:25 -0700"; returns the length. */
size_t mail_time_format_rfc5322(struct mail_time t, char out[static MAIL_RFC5322_TIME_SIZE]);

#endif
