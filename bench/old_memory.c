/* SPDX-License-Identifier: ISC */
/*
 * old_memory DIR DAYS: makes an empty store of reputation in DIR, of an instance that does not run, as if
 * it had been made so many days ago: what needs a memory of some age can be seen at once.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "reputation/store.h"

enum { DAY_S = 86400, SENT_MOST = 1000 };

int
main(int argc, char **argv)
{
	struct store *store;
	struct buf why;
	long days = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

	if (days <= 0 || sodium_init() < 0 || chdir(argv[1]) != 0) {
		fprintf(stderr, "usage: old_memory DIR DAYS\n");
		return 1;
	}
	buf_init(&why, 1024);
	store = store_open((uint32_t)(time(NULL) - days * DAY_S), SENT_MOST, &why);
	if (store == NULL) {
		fprintf(
		    stderr, "old_memory: %.*s\n", (int)buf_len(&why), (const char *)buf_data(&why));
		return 1;
	}
	store_close(&store);
	buf_free(&why);
	return 0;
}
