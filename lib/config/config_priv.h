/* SPDX-License-Identifier: ISC */
/* Between config_load.c and config_write.c. */
#ifndef POSTERN_CONFIG_CONFIG_PRIV_H
#define POSTERN_CONFIG_CONFIG_PRIV_H

#include <sys/stat.h>

#include "config/config.h"

/* text: NUL-terminated content; file: its name for error lines. */
int config_parse(const char *file, const char *text, struct settings **out, struct buf *errors);
/* *text is the caller's, NUL-terminated. */
int config_read_file(const char *path, char **text, struct stat *st, struct buf *errors);
/* A copy with spaces in the place of comments: libconfuse counts the lines of comments more than once. */
char *config_blank_comments(const char *text);
/* The line in which a section or comment begins that has no end, which libconfuse lets pass, and what to do about
 * it; 0: none. */
unsigned config_open_end(const char *text, const char **what);

#endif
