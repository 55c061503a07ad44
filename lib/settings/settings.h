/* SPDX-License-Identifier: ISC */
/*
 * The settings of an instance, as every program sees them: one value a row of settings_table.h.
 * This folder only knows values; the file postern.conf is lib/config's, which daemons do not link.
 * Master sends each daemon "section.key=value" lines of its own rows (settings_export), the daemon
 * reads them with settings_import; rows it was not sent keep their defaults.
 */
#ifndef POSTERN_SETTINGS_SETTINGS_H
#define POSTERN_SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/str.h"

enum setting {
#define SETTING(id, section, key, type, unit, def, min, max, who, when, help) SET_##id,
#include "settings/settings_table.h"
#undef SETTING
	SET__MAX
};

/* Programs, as a bit set: who is sent a row. */
enum settings_program {
	SP_MASTER = 1 << 0,
	SP_CONTROL = 1 << 1,
	SP_LOGGER = 1 << 2,
	SP_KEYS = 1 << 3,
	SP_RESOLVER = 1 << 4,
	SP_ACCOUNTS = 1 << 5,
	SP_AUTH = 1 << 6,
	SP_SMTPD = 1 << 7,
	SP_QUEUE = 1 << 8,
	SP_IMAPD = 1 << 9,
	SP_MAILBOX = 1 << 10,
	SP_SUBMISSION = 1 << 11,
	SP_DELIVERY = 1 << 12,
	SP_REPUTATION = 1 << 13,
	SP_ALL = (1 << 14) - 1
};

enum setting_type {
	ST_BOOL,
	ST_U64,
	ST_STRING,
	ST_SECRET,
	ST_DOMAIN,
	ST_PATH,
	ST_ADDRS,
	ST_SERVERS,
	ST_HOST,
	ST_CHOICE
};
enum setting_unit { SU_NONE, SU_COUNT, SU_BYTES, SU_SECONDS };
enum setting_when { SW_RELOAD, SW_RESTART };

enum {
	SETTINGS_VALUE_MAX = 1024,   /* bytes of one value: a path; 16 addresses need less */
	SETTINGS_EXPORT_MAX = 16384, /* the IPC message that carries them (ipc_table.h: setup) */
};

struct setting_row {
	const char *name; /* "smtpd.max-connections" */
	const char *section, *key;
	enum setting_type type;
	enum setting_unit unit;
	const char *def; /* as it would stand in the file */
	uint64_t min, max;
	unsigned who;
	enum setting_when when;
	const char *help;
};

/* The row of s (< SET__MAX); static. */
const struct setting_row *setting_row(enum setting s);
/* -1: there is no such name. */
int setting_by_name(const char *name);
/* What a value of this row must look like, in words: "a number of bytes from 1M to 1G". */
void setting_describe(enum setting s, struct buf *out);

struct settings;

/* All defaults. */
struct settings *settings_new(void);
struct settings *settings_dup(const struct settings *from);
void settings_free(struct settings **s);

/*
 * Checks value (see setting_describe) and takes it over in canonical form. 0, or -1 with a reason
 * ("is above 20000") in *why, static; nothing was changed then.
 */
int settings_set(struct settings *s, enum setting which, const char *value, const char **why);
/* Rules between settings (uid ranges must not meet). 0, or -1 with a static reason in *why. */
int settings_check(const struct settings *s, const char **why);

uint64_t settings_u64(const struct settings *s, enum setting which);
bool settings_bool(const struct settings *s, enum setting which);
/*
 * The value as canonical text, of any type; never NULL; borrowed until the setting changes. Numbers
 * have no suffix, lists are separated by one comma.
 */
const char *settings_text(const struct settings *s, enum setting which);
bool settings_is_default(const struct settings *s, enum setting which);
/* The same for whatever is printed: of a SECRET only whether it is set. */
#define SETTINGS_SHOWN_SECRET "(set, not shown)"
const char *settings_shown(const struct settings *s, enum setting which);
/* Walks a list: start with *it = 0; false at the end. */
bool settings_list_next(const struct settings *s, enum setting which, size_t *it, struct str *item);
/*
 * An item of ADDRS ("192.0.2.1", "2001:db8::1") or SERVERS ("192.0.2.1@5353", port 53 without @) as
 * a socket address; port is used where the item has none. 0 or -1.
 */
int settings_addr(struct str item, uint16_t port, struct sockaddr_storage *ss, socklen_t *len);

/*
 * A HOST: name is the domain name, or the bare address where it stood in brackets (*literal then);
 * port is what stands behind the last colon, else the one given. 0 or -1.
 */
int settings_host(struct str value, uint16_t port, struct str *name, bool *literal, uint16_t *out);

/* The bit of a program by its folder's name ("smtpd"); 0: unknown. */
unsigned settings_program(const char *name);
/* "section.key=value\n" for each row of that program. 0 or BUF_LIMIT. */
int settings_export(const struct settings *s, const char *program, struct buf *out);
/* 0, or -1 when a line is malformed, unknown or out of range (nothing was changed then). */
int settings_import(struct settings *s, struct str lines);
/* True when a row of who (bit set) differs between a and b and only a restart takes it over. */
bool settings_need_restart(const struct settings *a, const struct settings *b, unsigned who);

#endif
