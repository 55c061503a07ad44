/* SPDX-License-Identifier: ISC */
#include <idn2.h>
#include <stdio.h>

#include "delivery/impl.h"

bool
domain_for_dns(const char *domain, char out[256])
{
	char *ascii = NULL;
	size_t n = strlen(domain), i = 0;
	bool ok;

	while (i < n && (unsigned char)domain[i] < 0x80)
		i++;
	if (i == n) {
		snprintf(out, 256, "%s", domain);
		return true;
	}
	ok = idn2_to_ascii_8z(domain, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
	     strlen(ascii) < 256;
	if (ok)
		snprintf(out, 256, "%s", ascii);
	idn2_free(ascii);
	return ok;
}
