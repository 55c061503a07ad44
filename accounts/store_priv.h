/* SPDX-License-Identifier: ISC */
/* Between store.c and import.c. */
#ifndef POSTERN_ACCOUNTS_STORE_PRIV_H
#define POSTERN_ACCOUNTS_STORE_PRIV_H

#include "accounts/store.h"
#include "base/log.h"
#include "db/db.h"

struct store {
	struct db *db;
	struct directory *directory;
	char *home;
	uint32_t most;
	uint64_t changes;              /* commits since the start */
	char bad_row[LOG_ESCAPED_MAX]; /* key of a row that could not be read, escaped */
};

#endif
