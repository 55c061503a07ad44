/* SPDX-License-Identifier: ISC */
/* First byte: the refusal; the rest goes into each of its holes. Whatever it is, three whole lines of
 * printable ASCII come out. */
#include <stdint.h>
#include <stdlib.h>

#include "catalogue/catalogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char value[300] = "";
	struct refusal_frame frame = { .help_url = value, .id = "S1", .now = (int64_t)size };
	struct refusal_args args;
	struct buf out;
	unsigned lines = 0, column = 0;

	if (size == 0)
		return 0;
	memcpy(value, data + 1, size - 1 < sizeof(value) - 1 ? size - 1 : sizeof(value) - 1);
	args = (struct refusal_args){
#define REFUSAL_ARG(name, kind, most, what) .name = value,
#include "catalogue/refusal_table.h"
	};
	buf_init(&out, REFUSAL_PRINTED_MAX);
	if (refusal_print(&out, (enum refusal_id)(data[0] % REFUSAL__COUNT), &frame, &args) != 0)
		abort();
	for (size_t i = 0; i < buf_len(&out); i++) {
		unsigned char c = buf_data(&out)[i];

		column++;
		if (c == '\n' &&
		    (column < 10 || column > REFUSAL_LINE_MAX || buf_data(&out)[i - 1] != '\r'))
			abort();
		if (c != '\r' && c != '\n' && (c < ' ' || c > '~'))
			abort();
		lines += c == '\n';
		column = c == '\n' ? 0 : column;
	}
	if (lines != 3 || column != 0)
		abort();
	buf_free(&out);
	return 0;
}
