/* SPDX-License-Identifier: ISC */
/* Every decoder on any bytes; what decodes must encode to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "ipc/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str payload = str_from(data, size);

	for (enum ipc_type t = IPC_none; t <= IPC__MAX; t++) {
		union ipc_any m;
		struct buf back;

		memset(&m, 0, sizeof(m));
		if (ipc_decode(t, payload, &m) < 0)
			continue;
		buf_init(&back, IPC_HEADER + (256 << 10));
		if (ipc_encode(&back, t, 1, &m) < 0 || buf_len(&back) != IPC_HEADER + size ||
		    (size > 0 && memcmp(buf_data(&back) + IPC_HEADER, data, size) != 0))
			abort();
		buf_free(&back);
	}
	return 0;
}
