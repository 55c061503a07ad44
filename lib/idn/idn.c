/* SPDX-License-Identifier: ISC */
#include "idn/idn.h"

#include <idn2.h>

/* Wide and small forms become plain ones (UTS #46): of these only what a name may have. */
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

int
idn_to_ascii(struct str domain, char out[IDN_SIZE])
{
	char *ascii = NULL;
	size_t n = domain.n;
	int rc = -1;

	if (n >= IDN_SIZE || str_chr(domain, '\0') >= 0)
		return -1;
	if (n > 0)
		memcpy(out, domain.p, n);
	out[n] = '\0';
	if (!str_has_8bit(domain))
		return (int)n;
	if (idn2_to_ascii_8z(out, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
	    (n = strlen(ascii)) < IDN_SIZE && strspn(ascii, NAME_BYTES) == n) {
		memcpy(out, ascii, n + 1);
		rc = (int)n;
	}
	idn2_free(ascii);
	return rc;
}
