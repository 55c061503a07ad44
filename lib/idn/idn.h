/* SPDX-License-Identifier: ISC */
/* Domain names in the form DNS has them: U-labels become A-labels (rfc5890:2.3). Pure. */
#ifndef POSTERN_IDN_IDN_H
#define POSTERN_IDN_IDN_H

#include "base/str.h"

enum { IDN_SIZE = 256 }; /* a domain of 255 octets (rfc5321:4.5.3.1.2) and its NUL */

/*
 * The domain with U-labels turned to A-labels, NUL-terminated; the length, or -1: it is too long,
 * has a NUL, or what is not ASCII in it makes no A-label, or a sign that no name has ("/" of its wide form).
 * ASCII is copied as it is, its case too.
 */
int idn_to_ascii(struct str domain, char out[IDN_SIZE]);

#endif
