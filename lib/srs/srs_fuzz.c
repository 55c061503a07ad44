/* SPDX-License-Identifier: ISC */
/* Any bytes as an address that comes back, and as one that is rewritten: what was rewritten is
 * found again. */
#include <assert.h>
#include <string.h>

#include "srs/srs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[SRS_KEY_SIZE] = "key";
static const struct str ours = STR("ours.example");

static void
lower(char *p)
{
	for (; *p != '\0'; p++)
		*p = (char)ascii_tolower((unsigned char)*p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char made[ADDRESS_TEXT_SIZE], back[ADDRESS_TEXT_SIZE], again[ADDRESS_TEXT_SIZE];
	struct str in = str_from(data, size);
	struct address a, b;
	int n = srs_parse(key, 20000, in, back);

	assert(n < 0 || (size_t)n == strlen(back));
	n = srs_make(key, 20000, in, ours, made);
	if (n <= 0)
		return 0;
	assert(address_parse_mailbox(str_of(made), ADDRESS_UTF8, &b) == 1);
	assert(srs_parse(key, 20021, str_of(made), back) > 0);
	assert(srs_parse(key, 20022, str_of(made), again) < 0);
	assert(address_parse_mailbox(in, ADDRESS_UTF8, &a) == 1);
	assert(address_parse_mailbox(str_of(back), ADDRESS_UTF8, &b) == 1);
	if (memcmp(made, "SRS0", 4) == 0)
		assert(address_equal(&a, &b));
	lower(made);
	assert(srs_parse(key, 20021, str_of(made), again) > 0);
	return 0;
}
