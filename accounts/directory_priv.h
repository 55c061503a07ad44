/* SPDX-License-Identifier: ISC */
/* Between directory.c (rows, names) and resolve.c (what an address stands for). */
#ifndef POSTERN_ACCOUNTS_DIRECTORY_PRIV_H
#define POSTERN_ACCOUNTS_DIRECTORY_PRIV_H

#include <sodium.h>

#include "accounts/directory.h"

enum name_kind { NAME_DOMAIN = 'd', NAME_ACCOUNT = 'u', NAME_ALIAS = 'l' };

/* A domain, an account's address or an alias, by its key; those of equal hash form a chain. */
struct name {
	struct name *next;
	uint32_t id;   /* of an account */
	char *targets; /* of an alias: the row's value */
	size_t targets_n;
	uint8_t kind;
	uint16_t n;
	char key[];
};

struct directory {
	struct map *names, *accounts;
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	char *home;
	size_t domains;
	const struct account *first; /* lowest number, active if there is one; for postmaster */
};

/* Domains and addresses cannot be mistaken for each other: only addresses have an '@'. */
struct name *name_find(const struct directory *d, bool domain, struct str key);
struct account *account_of(const struct directory *d, uint32_t id);

#endif
