/* SPDX-License-Identifier: ISC */
/* Any bytes as an environment block: what is set is read again, all else stays. */
#include <assert.h>
#include <string.h>

#include "slot/grubenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t block[GRUBENV_SIZE], old[GRUBENV_SIZE];
	char was[GRUBENV_SIZE], is[GRUBENV_SIZE];
	struct slot_boot b, again;
	bool had;

	memset(block, '#', sizeof(block));
	memcpy(block, data, size < sizeof(block) ? size : sizeof(block));
	memcpy(old, block, sizeof(old));
	had = grubenv_get(block, "other", was, sizeof(was));
	if (slot_boot_read(block, &b) == 0) {
		assert(grubenv_valid(block));
		slot_boot_installed(&b, SLOT_B);
		if (slot_boot_write(block, &b) < 0) {
			assert(memcmp(block, old, sizeof(old)) == 0);
		} else {
			assert(slot_boot_read(block, &again) == 0);
			assert(memcmp(&b, &again, sizeof(b)) == 0);
		}
	}
	if (grubenv_set(block, "mine", "1") == 0) {
		assert(grubenv_valid(block));
		assert(grubenv_get(block, "mine", is, sizeof(is)) && strcmp(is, "1") == 0);
	}
	assert(grubenv_get(block, "other", is, sizeof(is)) == had);
	assert(!had || strcmp(is, was) == 0);
	return 0;
}
