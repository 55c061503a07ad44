/* SPDX-License-Identifier: ISC */
/* Limits of ARC. */
#ifndef POSTERN_ARC_LIMITS_H
#define POSTERN_ARC_LIMITS_H

enum {
	ARC_SETS_MAX = 50, /* rfc8617:4.2.1 */
	/* Different keys of one chain: real chains have under six sealers, each with one key. A chain
	 * with more fails. */
	ARC_KEYS_MAX = 20,
};

#endif
