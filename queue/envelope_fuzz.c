/* SPDX-License-Identifier: ISC */
/*
 * Envelopes from disk, whatever they hold. Oracle: what is read stays inside of the bytes, every
 * delivery has a recipient, and an id that is understood is printed the same way again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
inside(const uint8_t *data, size_t size, struct str s)
{
	if (s.n == 0)
		return;
	if ((const uint8_t *)s.p < data || (const uint8_t *)s.p + s.n > data + size)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope_recipient r, o;
	struct envelope_cursor c = { 0 };
	char id[QUEUE_ID_SIZE];
	struct envelope e;
	uint64_t number;
	uint32_t n = 0;

	if (queue_id_parse(str_from(data, size), &number)) {
		queue_id_print(id, number);
		if (!str_eq_nocase(str_of(id), str_from(data, size)))
			abort();
	}
	if (envelope_read(str_from(data, size), &e) != 0)
		return 0;
	inside(data, size, e.session);
	inside(data, size, e.client);
	inside(data, size, e.reverse_path);
	inside(data, size, e.envid);
	inside(data, size, e.prepend);
	while (envelope_recipient_at(&e, &c, n, &r)) {
		inside(data, size, r.address);
		inside(data, size, r.orcpt);
		inside(data, size, envelope_sender(&e, &r));
		envelope_original(&e, n, &o);
		inside(data, size, o.address);
		if (r.from > n)
			abort();
		n++;
	}
	if (n != e.recipients || c.rest.n != 0)
		abort();
	for (uint32_t i = 0; i < e.deliveries; i++) {
		inside(data, size, envelope_address(&e, i));
		if (envelope_recipient_of(&e, i) >= n)
			abort();
	}
	return 0;
}
