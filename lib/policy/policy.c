/* SPDX-License-Identifier: ISC */
#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

#include "smtp/limits.h"

enum { HOLE_MAX = 64 }; /* of a setting or limit */

static const struct policy_check checks[] = {
#define CHECK(n, v, s, o, english, german) \
	{ .name = #n, .service = #v, .setting = s, .off = o, .text = { english, german } },
#include "policy/check_table.h"
};

const struct policy_check *
policy_check(unsigned i)
{
	return i < sizeof(checks) / sizeof(checks[0]) ? &checks[i] : NULL;
}

static const struct {
	const char *name;
	uint64_t value;
} limits[] = {
#define LIMIT(name) \
	{ \
#name, name \
	}
	LIMIT(SMTP_HOPS_MAX),
	LIMIT(SMTP_FIELDS_MAX),
	LIMIT(SMTP_HEADER_MAX),
	LIMIT(SMTP_NESTING_MAX),
#undef LIMIT
};

bool
policy_active(const struct policy_check *c, const struct settings *s)
{
	const char *at = c->setting;

	while (*at != '\0') {
		size_t n = strcspn(at, " ");
		char name[HOLE_MAX];
		int which;

		snprintf(name, sizeof(name), "%.*s", (int)n, at);
		which = setting_by_name(name);
		if (which >= 0 && strcmp(settings_text(s, (enum setting)which), c->off) == 0)
			return false;
		at += n + (at[n] == ' ');
	}
	return true;
}

/* The value of a setting or limit. */
static int
put_value(struct buf *out, const struct settings *s, const char *name)
{
	int which = setting_by_name(name);

	if (which >= 0)
		return buf_puts(out, settings_shown(s, (enum setting)which));
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strcmp(limits[i].name, name) == 0)
			return buf_printf(out, "%llu", (unsigned long long)limits[i].value);
	return buf_putc(out, '?');
}

int
policy_text(
    struct buf *out, const struct policy_check *c, const struct settings *s, enum language lang)
{
	const char *text = c->text[lang];
	int error = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, "{"), hole;
		char name[HOLE_MAX];

		error |= buf_put(out, text, n);
		text += n;
		if (*text == '\0')
			break;
		hole = strcspn(text, "}");
		snprintf(name, sizeof(name), "%.*s", (int)hole - 1, text + 1);
		error |= put_value(out, s, name);
		text += hole + (text[hole] == '}');
	}
	return error != 0 ? BUF_LIMIT : 0;
}
