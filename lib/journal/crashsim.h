/* SPDX-License-Identifier: ISC */
/*
 * For tests: a file system in memory behind struct journal_io that remembers the order of all
 * writes, syncs, creations, renames and removals, and can say what a disk may look like after the
 * power failed at any point of it:
 *
 * - a write is certain once its file was synced after it; before that each 512-byte sector of it
 *   may be there or not, independently of all others;
 * - a change of the directory is certain once the directory was synced after it; before that it may
 *   be there or not (a rename as a whole, only if what it renames exists);
 * - a sync that failed makes nothing certain, and the writes before it never become so by a later
 *   sync that succeeds: the kernel may have dropped them. (Directories go through the file system's
 *   own journal: there a later sync counts.)
 *
 * It also fails the n-th call with a chosen error, writes short, and runs out of space.
 */
#ifndef POSTERN_JOURNAL_CRASHSIM_H
#define POSTERN_JOURNAL_CRASHSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal_io.h"

struct crashsim;

enum { CRASHSIM_SECTOR = 512 };
/* crashsim_fail: the n-th write is short instead of failing. */
enum { CRASHSIM_SHORT_WRITE = -1 };

struct crashsim *crashsim_new(void);
void crashsim_free(struct crashsim **s);
/* The functions; valid as long as s. */
const struct journal_io *crashsim_io(struct crashsim *s);

/* Operations recorded so far: the points at which the power can fail are 0..count. */
size_t crashsim_ops(const struct crashsim *s);
/* Of the operations before point at, how many choices (sectors and directory changes) are open? */
size_t crashsim_choices(const struct crashsim *s, size_t at);
/*
 * The disk after a power failure at this point; choose(arg, i) decides the i-th open choice. The
 * result starts with an empty record, everything on it is certain.
 */
struct crashsim *crashsim_crash(
    const struct crashsim *s, size_t at, bool (*choose)(void *arg, size_t i), void *arg);
/* As it is, without loss: the process was killed. */
struct crashsim *crashsim_copy(const struct crashsim *s);

/* From the n-th call from now (1: the next) so many calls that can fail do fail with err. n 0: none
 * any more. */
void crashsim_fail(struct crashsim *s, size_t n, size_t times, int err);
/* Calls made so far that can fail. */
size_t crashsim_calls(const struct crashsim *s);
/* Bytes of one file, without a gap from its beginning, that were to be written out before a sync. */
size_t crashsim_written_out(const struct crashsim *s);
/* Did the injected failure happen? */
bool crashsim_failed(const struct crashsim *s);
/* Bytes that fit in all files together; 0: no limit. */
void crashsim_set_capacity(struct crashsim *s, size_t bytes);

/* Puts a file there as it is, or changes one; everything certain. */
void crashsim_put_file(struct crashsim *s, const char *name, const void *p, size_t n);
/* Borrowed until the next change; NULL: no such file. */
uint8_t *crashsim_file(struct crashsim *s, const char *name, size_t *n);
/* The i-th file's name, or NULL. */
const char *crashsim_name(const struct crashsim *s, size_t i);

#endif
