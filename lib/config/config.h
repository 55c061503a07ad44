/* SPDX-License-Identifier: ISC */
/*
 * The file DIR/postern.conf: reading it with every fault told at once, changing one setting in it
 * without losing its comments, writing a first one. Linked by master and the command line only.
 *
 *     smtpd {
 *         max-connections = 100
 *         xclient-from = { "127.0.0.1", "::1" }
 *     }
 *
 * Faults are written to `errors` (any limit; 16 KiB is plenty), one a line:
 *     postern.conf:12: smtpd.max-connections: "many" is not such a number; give a number from 1 to
 * 20000
 */
#ifndef POSTERN_CONFIG_CONFIG_H
#define POSTERN_CONFIG_CONFIG_H

#include "base/buf.h"
#include "settings/settings.h"

enum config_result {
	CONFIG_OK = 0,
	CONFIG_INVALID = -1, /* the file or the value: see errors */
	CONFIG_IO = -2,      /* reading or writing failed: see errors */
};

enum {
	CONFIG_FILE_MAX = 262144, /* a complete commented file is about 12 KiB */
	CONFIG_ERRORS_MAX = 50,   /* faults told at once */
};

/* On success *out is the caller's; otherwise it is NULL. */
int config_load(const char *path, struct settings **out, struct buf *errors);
/*
 * Sets name to value (a list: items separated by commas) or, with value NULL, back to its default,
 * and replaces the file atomically and durably. Lines of other settings, their order and all
 * comments stay as they are; the mode and owner of the file too.
 */
int config_set(const char *path, const char *name, const char *value, struct buf *errors);
/* Writes a commented file with all settings; those with their default as comment lines. mode 0640.
 */
int config_create(const char *path, const struct settings *s, struct buf *errors);

#endif
