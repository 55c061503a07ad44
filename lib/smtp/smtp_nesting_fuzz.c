/* SPDX-License-Identifier: ISC */
/* The input is a message: what is said of it does not depend on how it was split. */
#include <stdint.h>
#include <stdlib.h>

#include "smtp/nesting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned
look(struct str msg, size_t piece)
{
	struct smtp_nesting *n = malloc(sizeof(*n));
	unsigned said;

	if (n == NULL)
		abort();
	smtp_nesting_init(n);
	while (msg.n > 0) {
		size_t m = msg.n < piece ? msg.n : piece;

		smtp_nesting_content(n, str_from(msg.p, m));
		msg = str_from(msg.p + m, msg.n - m);
	}
	said = n->depth + 1000 * n->too_deep;
	smtp_nesting_free(n);
	free(n);
	return said;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str msg = str_from(data, size);

	if (size > 0 && (look(msg, size) != look(msg, 1) || look(msg, size) != look(msg, 3)))
		abort();
	return 0;
}
