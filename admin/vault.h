/* SPDX-License-Identifier: ISC */
/*
 * Where sealed backups lie: a folder (a mounted USB disk) or an address on an HTTPS server that takes PUT, GET
 * and DELETE. A backup is some pieces of bytes with names, and a head that says which; what is written is
 * on stable storage, as far as the target promises that, when the call comes back.
 */
#ifndef POSTERN_ADMIN_VAULT_H
#define POSTERN_ADMIN_VAULT_H

#include "admin/source.h"
#include "seal/seal.h"

enum {
	VAULT_PIECE = 4 << 20, /* memory for two is there on the smallest appliance */
	/* Backups whose pieces may still lie on a server: what is left of so many that broke off is found. */
	VAULT_IDS_MAX = 8,
	VAULT_NAME_MAX = 64, /* of the names below; they have 31 */
};

#define VAULT_HEAD "postern.backup"

enum vault_result { VAULT_OK = 0, VAULT_FAILED = -1, VAULT_NONE = -2 /* no such thing */ };

struct vault {
	const char *target;
	int folder; /* -1: a server */
	struct server server;
	uint8_t ids[VAULT_IDS_MAX][SEAL_ID_SIZE]; /* of a server: see vault_begin */
	size_t nids;
	struct seal_head old;
	char error[HTTP_ERROR_MAX + HTTP_URL_MAX];
};

/* make: a folder that is not there is made. 0, or -1 and v->error. Close it in any case. */
int vault_open(struct vault *v, const char *target, const struct command_line *line, bool make);
void vault_close(struct vault *v);

/* Whole or not at all, in place of an older one of this name, and read again from where it lies: 0 only
 * when it is the same. Else -1 and v->error. */
int vault_put(struct vault *v, const char *name, const uint8_t *p, size_t n);
/* At most max bytes into out. */
enum vault_result vault_get(struct vault *v, const char *name, size_t max, struct buf *out);
/* The first n pieces of a backup, when that can be; nobody hears of it when not. */
void vault_remove_pieces(struct vault *v, const uint8_t id[SEAL_ID_SIZE], uint32_t n);

/* "postern-0123456789abcdef-000001" */
void vault_piece_name(const uint8_t id[SEAL_ID_SIZE], uint32_t number, char out[VAULT_NAME_MAX]);
/*
 * Before the first piece of a new backup. A server cannot be asked what lies on it, so the ids of backups that
 * may have pieces there are noted in a file of it. old: of the backup that is to be replaced, or NULL. 0, or -1
 * and v->error.
 */
int vault_begin(struct vault *v, const uint8_t id[SEAL_ID_SIZE], const struct seal_head *old);
/* The head stands, and names so many pieces: those of other backups are removed. */
void vault_clean(struct vault *v, const uint8_t id[SEAL_ID_SIZE], uint32_t pieces);

#endif
