/* SPDX-License-Identifier: ISC */
#include "dsn/dsn.h"

static const struct {
	const char *pattern, *english, *german;
} rows[] = {
#define DSN_EXPLANATION(pattern, english, german) { pattern, english, german },
#include "dsn/explanations.h"
#undef DSN_EXPLANATION
};

bool
dsn_status_is_valid(struct str status)
{
	unsigned part = 0, digits = 0;

	if (status.n < 5 || status.p[1] != '.' ||
	    (status.p[0] != '2' && status.p[0] != '4' && status.p[0] != '5'))
		return false;
	for (size_t i = 0; i < status.n; i++) {
		if (status.p[i] == '.' && digits > 0 && part < 2) {
			part++;
			digits = 0;
		} else if (status.p[i] < '0' || status.p[i] > '9' || ++digits > 3) {
			return false;
		}
	}
	return part == 2 && digits > 0;
}

static bool
matches(const char *pattern, struct str status)
{
	size_t i = 0;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '*') {
			while (i < status.n && status.p[i] != '.')
				i++;
		} else if (i >= status.n || status.p[i++] != *pattern) {
			return false;
		}
	}
	return i == status.n;
}

void
dsn_explain(struct str status, const char **english, const char **german)
{
	size_t i = 0, last = sizeof(rows) / sizeof(rows[0]) - 1;

	while (i < last && !matches(rows[i].pattern, status))
		i++;
	*english = rows[i].english;
	*german = rows[i].german;
}
