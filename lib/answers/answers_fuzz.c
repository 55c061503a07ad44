/* SPDX-License-Identifier: ISC */
/* Any bytes as a file of answers: one that is taken is the same when it is printed and read again. */
#include <assert.h>

#include "answers/answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answers a, again;
	struct buf faults, text;

	buf_init(&faults, 1 << 16);
	buf_init(&text, ANSWERS_FILE_MAX);
	if (answers_parse(str_from(data, size), &a, &faults) == 0) {
		answers_print(&a, &text);
		assert(
		    answers_parse(str_from(buf_data(&text), buf_len(&text)), &again, &faults) == 0);
		for (int i = 0; i < ANSWER__MAX; i++)
			assert(strcmp(a.value[i], again.value[i]) == 0);
	} else {
		assert(buf_len(&faults) > 0);
	}
	buf_free(&faults);
	buf_free(&text);
	return 0;
}
