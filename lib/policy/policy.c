/* SPDX-License-Identifier: ISC */
#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

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

bool
policy_active(const struct policy_check *c, const struct settings *s)
{
	int which = setting_by_name(c->setting);

	return which < 0 || strcmp(settings_text(s, (enum setting)which), c->off) != 0;
}

int
policy_text(
    struct buf *out, const struct policy_check *c, const struct settings *s, enum language lang)
{
	const char *text = c->text[lang];
	int error = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, "{"), hole;
		char name[64];
		int which;

		error |= buf_put(out, text, n);
		text += n;
		if (*text == '\0')
			break;
		hole = strcspn(text, "}");
		snprintf(name, sizeof(name), "%.*s", (int)hole - 1, text + 1);
		which = setting_by_name(name);
		error |= buf_puts(out, which < 0 ? "?" : settings_shown(s, (enum setting)which));
		text += hole + (text[hole] == '}');
	}
	return error != 0 ? BUF_LIMIT : 0;
}
