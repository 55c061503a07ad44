/* SPDX-License-Identifier: ISC */
/* A header that is whole is whole at its last byte and not before, whatever stands behind it. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proxy/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header whole, part;
	size_t used, n;
	int r = proxy_parse(str_from(data, size), &whole, &used);

	if (r == 0)
		assert(size < PROXY_V2_MAX);
	if (r != 1)
		return 0;
	assert(used > 0 && used <= size && used <= PROXY_V2_MAX);
	for (size_t i = used > 200 ? used - 200 : 0; i < used; i++)
		assert(proxy_parse(str_from(data, i), &part, &n) == 0);
	assert(proxy_parse(str_from(data, used), &part, &n) == 1 && n == used);
	assert(memcmp(&whole, &part, sizeof(whole)) == 0);
	return 0;
}
