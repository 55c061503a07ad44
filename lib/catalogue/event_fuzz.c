/* SPDX-License-Identifier: ISC */
/* The input is a line of the log: whatever it is, its sentence is UTF-8 of ours with printable ASCII in it. */
#include <stdint.h>
#include <stdlib.h>

#include "catalogue/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct event_line e;
	struct buf out;

	if (!event_parse(str_from(data, size), &e))
		return 0;
	for (unsigned lang = 0; lang < LANG__COUNT; lang++) {
		buf_init(&out, EVENT_TEXT_MAX);
		(void)event_text(&out, &e, (enum language)lang);
		for (size_t i = 0; i < buf_len(&out); i++)
			if (buf_data(&out)[i] < ' ' || buf_data(&out)[i] == 0x7f ||
			    (lang == LANG_EN && buf_data(&out)[i] > 0x7f))
				abort();
		buf_free(&out);
	}
	return 0;
}
