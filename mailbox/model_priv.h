/* SPDX-License-Identifier: ISC */
/* Between model.c, model_folder.c and model_message.c. */
#ifndef POSTERN_MAILBOX_MODEL_PRIV_H
#define POSTERN_MAILBOX_MODEL_PRIV_H

#include "mailbox/model.h"

/* model_folder.c */
void folder_free(struct folder *f);
/* The folder a record speaks of; while recovering it is made when there is none. NULL: unknown. */
struct folder *folder_for(struct model *m, uint32_t id);
/* A UID (0: none) and a MODSEQ have been used in this folder. */
void folder_saw(struct model *m, struct folder *f, uint32_t uid, uint64_t modseq);
void folders_apply(struct model *m, struct rec_folders *r);
void folders_settle(struct model *m);
void subscriptions_apply(struct model *m, struct rec_names *r);
void keywords_apply(struct folder *f, struct rec_names *r);

/* model_message.c */
void folder_reserve(struct folder *f, uint32_t more);
/* Takes all messages out of a folder. */
void folder_empty(struct model *m, struct folder *f);
void message_set(struct model *m, struct folder *f, uint32_t content, const struct rec_message *r);
/* Only if modseq is newer than what the message has. */
void message_flags_set(struct folder *f, struct message *g, uint64_t modseq, uint64_t flags);
void messages_remove(struct model *m, struct folder *f, struct rec_runs *r);
void messages_exactly(struct model *m, struct folder *f, struct rec_chunk *r);
/* Index of the content with this email id; made when there is none. */
uint32_t content_for(struct model *m, uint64_t email);
uint32_t content_set(struct model *m, const struct rec_arrival *a, struct journal_ref ref,
    uint32_t size, uint64_t large_id);
void contents_settle(struct model *m);

#endif
