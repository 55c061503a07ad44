/* SPDX-License-Identifier: ISC */
/* Between admin.c (users, passwords) and admin_names.c (domains, aliases, forwards, rights, lists). */
#ifndef POSTERN_ACCOUNTS_ADMIN_PRIV_H
#define POSTERN_ACCOUNTS_ADMIN_PRIV_H

#include "accounts/service_priv.h"

struct request {
	struct peer *peer;
	uint64_t id;
	const char *const *args;
	int nargs;
	struct str secret;
	struct buf say; /* the sentence for the administrator */
};

void admin_answer(struct request *q, enum ipc_result r);
void admin_row(struct request *q, size_t n, const char *const cells[]);
/* fn for all rows of the store with this first letter (0: all), then the answer. */
void admin_list(struct request *q, int letter, int (*fn)(void *, struct str, struct str));
/* Whose row it is, by the number in its key; NULL: nobody's. */
const struct account *admin_account_of(struct request *q, struct str key);

/* The first argument, if there is one, is a user; false: it is not, and that has been answered. */
bool admin_known_user(struct request *q);

/* Commands of admin_names.c. */
void admin_user_list(struct request *q);
void admin_user_quota(struct request *q);
void admin_user_hide(struct request *q);
void admin_domain_list(struct request *q);
void admin_alias_list(struct request *q);
void admin_accounts_export(struct request *q);
void admin_domain_add(struct request *q);
void admin_domain_remove(struct request *q);
void admin_alias_add(struct request *q);
void admin_alias_remove(struct request *q);
void admin_forward_add(struct request *q);
void admin_forward_keep(struct request *q);
void admin_forward_remove(struct request *q);
void admin_forward_list(struct request *q);
void admin_user_allow(struct request *q);
void admin_user_allowed(struct request *q);
void admin_user_disallow(struct request *q);
void admin_send_as_add(struct request *q);
void admin_send_as_remove(struct request *q);
void admin_send_as_list(struct request *q);

#endif
