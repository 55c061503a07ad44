/* SPDX-License-Identifier: ISC */
/* Any bytes as the head of a backup, and as a key file. */
#include <assert.h>

#include "seal/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[SEAL_HEAD_SIZE];
	struct seal_key key = { 0 };
	struct seal_head h;
	const char *why;

	if (seal_head_read(data, size, &h, &why) == 0) {
		assert(h.memory <= SEAL_MEMORY_MAX && h.piece_size <= SEAL_PIECE_MAX);
		seal_head_write(&h, &key, again);
		assert(memcmp(again, data, 104) == 0);
		assert(seal_head_authentic(again, &key));
	} else {
		assert(why[0] != '\0');
	}
	(void)seal_key_file(&key, &h, str_from(data, size));
	return 0;
}
