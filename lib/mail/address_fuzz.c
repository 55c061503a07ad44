/* SPDX-License-Identifier: ISC */
/* First byte: flags; the rest a path. What parses prints to a text that parses to the same. */
#include <stdint.h>
#include <stdlib.h>

#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[ADDRESS_TEXT_SIZE], second[ADDRESS_TEXT_SIZE];
	struct address a, b;
	size_t used = 0;
	unsigned flags;
	int n;

	if (size == 0)
		return 0;
	flags = data[0] & (ADDRESS_UTF8 | ADDRESS_NULL | ADDRESS_POSTMASTER);
	if (address_parse_path(str_from(data + 1, size - 1), flags, &a, &used) < 0)
		return 0;
	if (used > size - 1 || (n = address_print(&a, text, sizeof(text))) < 0)
		abort();
	if (address_parse_mailbox(str_from(text, (size_t)n), flags, &b) != 1 ||
	    !address_equal(&a, &b) || a.utf8 != b.utf8 || a.literal != b.literal)
		abort();
	if (address_print(&b, second, sizeof(second)) != n || memcmp(text, second, (size_t)n) != 0)
		abort();
	return 0;
}
