/* SPDX-License-Identifier: ISC */
/* A store of accounts in a directory of its own, for tests; all static. */
#ifndef POSTERN_ACCOUNTS_TEST_STORE_H
#define POSTERN_ACCOUNTS_TEST_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "accounts/import.h"
#include "accounts/store.h"
#include "db/db.h"

static char dir[64];
static struct store *store;
static struct buf say;

static inline int
setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/postern-accounts-XXXXXX");
	buf_init(&say, 4096);
	if (sodium_init() < 0 || mkdtemp(dir) == NULL || chdir(dir) != 0)
		return -1;
	return store_open(STR("example.test"), 1000, &store, &say);
}

static inline int
teardown(void **state)
{
	char cmd[128];

	(void)state;
	store_close(&store);
	buf_free(&say);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return chdir("/") != 0 || system(cmd) != 0 ? -1 : 0;
}

static inline void
reopen(void)
{
	store_close(&store);
	buf_clear(&say);
	if (store_open(STR("example.test"), 1000, &store, &say) != 0)
		fail_msg("%.*s", (int)buf_len(&say), (const char *)buf_data(&say));
}

static inline uint32_t
add_user(const char *address)
{
	uint32_t id = 0;

	assert_int_equal(store_user_check(store, str_of(address), &say), IPC_OK);
	assert_int_equal(store_user_number(store, &id, &say), IPC_OK);
	assert_int_equal(store_user_add(store, id, str_of(address),
			     &(struct store_password){ .verifier = STR("$fake") }, &say),
	    IPC_OK);
	return id;
}

/* "1,3 a@x.test" of accounts and others, or the result's number with '!' before it. */
static inline const char *
resolve(const char *address)
{
	static char out[1024];
	struct resolved r;
	enum ipc_result result = directory_resolve(store_directory(store), str_of(address), &r);
	size_t n = 0;

	if (result != IPC_OK) {
		(void)snprintf(out, sizeof(out), "!%d", result);
		return out;
	}
	for (unsigned i = 0; i < r.n; i++)
		n +=
		    (size_t)snprintf(out + n, sizeof(out) - n, "%s%u", i ? "," : "", r.accounts[i]);
	for (unsigned i = 0; i < r.remotes; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, " %.*s", STRF(r.remote[i]));
	return out;
}

#define NO "!1"
#define NOT_LOCAL "!2"
#define SUSPENDED "!3"
#define TEMP "!4"
#define INVALID "!7"

static inline enum ipc_result
alias(const char *address, const char *t1, const char *t2)
{
	char targets[600];
	size_t n = strlen(t1) + 1;

	strcpy(targets, t1);
	if (t2) {
		strcpy(targets + n, t2);
		n += strlen(t2) + 1;
	}
	return store_alias_add(store, str_of(address), str_from(targets, n), &say);
}

static inline enum ipc_result
forward(const char *address, const char *target)
{
	return store_forward_add(
	    store, str_of(address), str_from(target, strlen(target) + 1), &say);
}

static inline enum ipc_result
may(uint32_t account, const char *address)
{
	const struct directory *d = store_directory(store);

	return directory_may_send(d, directory_by_id(d, account), str_of(address));
}

#endif
