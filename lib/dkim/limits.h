/* SPDX-License-Identifier: ISC */
/* Limits of DKIM: what is looked at of one message. */
#ifndef POSTERN_DKIM_LIMITS_H
#define POSTERN_DKIM_LIMITS_H

enum {
	/* Signatures that are evaluated, the topmost first: mailing lists and forwarders seldom leave
	 * more than three. The others are counted as ignored. */
	DKIM_SIGNATURES_MAX = 8,
	/* Bytes and fields of a header: beyond them nothing is evaluated (DKIM_NONE). Ten times what
	 * long discussions on mailing lists collect. */
	DKIM_HEADER_MAX = 1 << 20,
	DKIM_FIELDS_MAX = 4096,
	DKIM_NAMES_MAX = 512,     /* field names in one h=: large senders have 30 */
	DKIM_TAGS_MAX = 40,       /* tags of one signature or key: about 15 are known */
	DKIM_RECORD_MAX = 4096,   /* bytes of a key record: 1,500 are the largest RSA key taken */
	DKIM_RSA_BITS_MIN = 1024, /* rfc8301:3.2 */
	DKIM_RSA_BITS_MAX = 8192, /* rfc8301:3.2 asks for 4096 */
	DKIM_CLOCK_SKEW = 600,    /* seconds that clocks may differ, for t= and x= */
	DKIM_IDENTITY_MAX = 320,  /* bytes of i=: a local part and a domain of the largest size */
	DKIM_DIGEST_SIZE = 32,
	DKIM_SHOWN_MAX = 8, /* leading characters of b= that tell signatures apart (rfc6008) */
};

#endif
