/* SPDX-License-Identifier: ISC */
/* Any bytes as a trailer, and as a file of keys. */
#include <assert.h>

#include "slot/trailer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t raw[SLOT_TRAILER_SIZE] = { 0 };
	struct slot_trailer t;
	struct slot_keys keys;
	const char *why;

	memcpy(raw, data, size < sizeof(raw) ? size : sizeof(raw));
	if (slot_trailer_parse(raw, &t, &why) == 0) {
		assert(strlen(t.version) > 0 && strlen(t.version) <= SLOT_VERSION_MAX);
		assert(t.size <= SLOT_SIZE_MAX && t.data < t.size && t.size % SLOT_BLOCK == 0);
		assert(strchr(t.version, '/') == NULL);
		assert(*why == '\0');
	} else {
		assert(*why != '\0');
	}
	if (slot_keys_parse(str_from(data, size), &keys) == 0)
		assert(keys.n > 0 && keys.n <= SLOT_KEYS_MAX);
	return 0;
}
