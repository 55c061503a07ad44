/* SPDX-License-Identifier: ISC */
/* Inside of the commands backup and restore: what their parts share. */
#ifndef POSTERN_ADMIN_BACKUP_H
#define POSTERN_ADMIN_BACKUP_H

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "admin/admin.h"
#include "admin/vault.h"
#include "seal/archive.h"

enum {
	/* How often a folder is read again because files came or went meanwhile. */
	BACKUP_PASSES_MAX = 20,
	BACKUP_ERROR_MAX = 3072, /* bytes of a text with an address */
};

/* What has been copied, and the first error. */
struct copy {
	uint64_t files, bytes;
	char error[BACKUP_ERROR_MAX];
};

/* -1, with errno's text after the name. */
int copy_error(struct copy *c, const char *name);
/* -1 with a text. */
int copy_fail(struct copy *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* For scandirat. */
int backup_compare_names(const struct dirent **a, const struct dirent **b);
/* What a running instance makes again by itself. */
bool backup_leaves_out(const char *name);
/* The accounts as the running instance exports them. 0 or -1. */
int backup_export_accounts(struct admin *a, FILE *f, struct copy *c);
/* A restored instance, before anybody may start it: its mailboxes know all deliveries again, its queue
 * takes other numbers. */
int backup_mark_restored(int to, struct copy *c);
/* An empty directory; -1 with the reason in c. */
int backup_open_empty(const char *path, struct copy *c);
/* Removes all below path again, of what was empty before and could not be filled. */
void backup_empty(const char *path);
/* The last word of the command. r: 0 or -1; the exit status. */
int backup_finish(struct admin *a, const struct copy *c, int r, const char *what);

/* --- sealed.c --------------------------------------------------------------------------------------- */
/* A sealed backup is wanted, or the arguments can mean nothing else. */
bool sealed_wanted(const struct command_line *line);
int sealed_backup(struct admin *a, const struct command_line *line);
int sealed_restore(struct admin *a, const struct command_line *line);

/* --- snapshot.c ------------------------------------------------------------------------------------- */
/* Where an archive goes: 0, or -1 and c's error. At most SEAL_BLOCK bytes at a time. */
struct sink {
	int (*write)(void *arg, const void *p, size_t n, struct copy *c);
	void *arg;
};
/* All of the running instance, as an archive (seal/archive.h) without its end. Each 0, or -1 and c's error. */
int snapshot_of_instance(struct admin *a, const struct sink *to, struct copy *c);
/* The same of a copy of one in a directory that nobody changes. */
int snapshot_of_copy(const char *path, const struct sink *to, struct copy *c);
int snapshot_end(const struct sink *to, struct copy *c);

/* --- unpack.c --------------------------------------------------------------------------------------- */
struct unpack;
/* Into an empty directory, which is no instance before unpack_end. to is the caller's. */
struct unpack *unpack_new(int to);
/* The next bytes of the archive. 0, or -1 and c's error. */
int unpack_feed(struct unpack *u, const uint8_t *p, size_t n, struct copy *c);
/* All bytes have come, and were authentic. restored: it becomes an instance, and is marked as restored. 0, or
 * -1 and c's error. */
int unpack_end(struct unpack *u, bool restored, struct copy *c);
void unpack_free(struct unpack **u);

#endif
