/* SPDX-License-Identifier: ISC */
/* One client of port 25: inside of smtpd/ only. */
#ifndef POSTERN_SMTPD_SESSION_H
#define POSTERN_SMTPD_SESSION_H

#include "arc/arc.h"
#include "authres/authres.h"
#include "bounce/bounce.h"
#include "dkim/dkim.h"
#include "dmarc/dmarc.h"
#include "smtp/format.h"
#include "smtp/nesting.h"
#include "reception/iprev.h"
#include "reception/origin.h"
#include "smtpd/blocklists.h"
#include "smtpd/lookups.h"
#include "smtpd/smtpd.h"
#include "spf/spf.h"

enum {
	/* Of a message's header, which is held until it is complete, so that fields that claim to be our
	 * results can be taken out. Its form is refused (SMTP_HEADER_MAX) before this is full. */
	SESSION_HEADER_MAX = SMTP_HEADER_MAX + SMTP_LINE_HARD_MAX,
};

/* What SPF said of one name (lib/spf), without its questions. */
struct spf_verdict {
	bool known;
	enum spf_code code;
	char domain[IDN_SIZE];
	char mechanism[SPF_MECHANISM_MAX + 1];
	char explanation[SPF_EXPLANATION_MAX + 1];
	const char *reason; /* why an error or none */
};

/* Of the client: once a session, anew after XCLIENT. */
struct client_checks {
	struct reception_client address;
	bool checked; /* an address from outside: the checks apply */
	bool iprev_known;
	enum iprev_code iprev;
	char name[IPREV_NAME_SIZE];    /* confirmed; "" when there is none (yet) */
	char claimed[IPREV_NAME_SIZE]; /* the first name it has, whether it leads back or not */
	struct blocklist_verdict lists;
};

/* Of the sender of one message. */
struct sender_checks {
	bool origin_known;
	enum origin_code origin;
	struct spf_verdict spf_helo, spf_mail;
};

/* Places of the words in settings/choice_table.h. */
enum { SMTPD_TALKERS_OFF, SMTPD_TALKERS_MARK, SMTPD_TALKERS_REFUSE };
enum { SMTPD_REPORTS_OFF, SMTPD_REPORTS_MARK, SMTPD_REPORTS_REFUSE };
enum { SMTPD_GREYLIST_OFF, SMTPD_GREYLIST_SUSPICIOUS, SMTPD_GREYLIST_ALL };

/* Of a bounce, delivery report or read receipt. */
struct report_check {
	struct bounce seen;
	struct reputation_question *question;
	bool foreign; /* speaks of no message that we sent */
};

/* Of one message, while it comes: what it is signed with, and whom it is from. */
struct signatures {
	struct dkim_message *message;
	int64_t now;
	bool header_over; /* author is known, and the questions are out */
	bool dkim_known, arc_known, dmarc_known;
	struct dkim_result dkim;
	enum arc_code arc;
	unsigned arc_sets, arc_oldest;
	char sealer[IDN_SIZE];
	const char *arc_reason;
	struct dmarc_author author;
	enum dmarc_code dmarc;
	enum dmarc_policy disposition, published;
	const char *policy_tag, *dmarc_reason;
	char policy_domain[IDN_SIZE];
	int aligned; /* the signature that counted for DMARC; -1: none */
};

/* What is done with a message, the worse behind the better. */
enum zone { ZONE_INBOX, ZONE_JUNK, ZONE_REFUSE };

struct verdict {
	enum zone zone;
	const char *by; /* who said so, for the log */
	enum smtp_reply_id reply;
	struct refusal_args args;
};

/* Which policy for content a recipient has. One message has one: a recipient of another class gets 452, so that
 * the message comes again for him. */
enum policy_class {
	CLASS_ORDINARY,
	CLASS_SPARED, /* postmaster and abuse: nothing is refused for its content */
};

/* Which answer to the client needs facts from DNS. */
enum session_waits { WAITS_NOT, WAITS_RCPT, WAITS_END };

struct session {
	struct smtp_conn conn;
	struct smtpd *d;
	uint64_t lookup;              /* question to accounts that is out; 0: none */
	struct smtp_format format;    /* of the message that is coming */
	struct smtp_nesting *nesting; /* the same; NULL: nothing is coming */
	bool looking;                 /* format is in use */
	struct smtp_recipient *asked; /* the one that is decided about */
	/* Its mailbox is full (SMTP_OK: it is not); said only if nothing else is against the mail for good. */
	enum smtp_reply_id full;

	struct lookups lookups;
	struct client_checks client;
	struct sender_checks sender;
	struct signatures *signatures; /* NULL: nothing is looked at */
	enum policy_class class;       /* of all recipients so far */
	struct report_check report;
	struct reputation_question *grey; /* about asked */
	uint32_t
	    grey_wait; /* seconds that asked must wait, unless he has allowed the sender; 0: none */
	unsigned unknown, relay, content, accepted; /* what it did, told at its end */
	bool has_sender;                            /* inside of a transaction */
	enum session_waits waits; /* which answer to the client needs facts from DNS */
	struct buf header;        /* of the message, while it is incomplete */
	bool header_over, header_too_long;
	uint64_t cut; /* bytes that were taken out of it */
};

/* --- session.c --- */
extern const struct smtp_host_ops smtpd_host_ops;
/* All questions to DNS have answers; may free s. */
void session_facts_came(struct session *s);

/* --- recipients.c --- */
void recipients_ask(struct smtp_conn *c, const struct smtp_rcpt *rcpt);
/* What the recipient's decision waited for is there. */
void recipients_go_on(struct session *s);
/* The greylist has the recipient in `asked` wait for seconds (not 0): an allowed sender does not wait. True: the
 * engine has its answer. */
bool recipients_wait(struct session *s, uint32_t seconds);
/* Answers of accounts; the session may be gone. */
extern const struct ipc_ops smtpd_accounts_ops;

/* --- behaviour.c: what is remembered of clients --- */
bool behaviour_is_proxy(struct smtp_host *h, const char *peer);
enum smtp_reply_id behaviour_admit(
    struct smtp_host *h, const struct net_address *client, struct refusal_args *args);
uint64_t behaviour_greet_ms(struct smtp_conn *c);
/* XCLIENT: another client speaks from here on. False: it may not, and was refused. */
bool behaviour_changed(struct session *s);
/* A message was stored. */
void behaviour_stored(struct session *s);
/* Tells reputation what the client did. */
void behaviour_tell(struct session *s);
/* Accepts the recipient in `asked`, which the checks let through, or has it come again. True: the engine
 * has its answer. */
bool behaviour_greylist(struct session *s);
/* The recipient is forgotten. */
void behaviour_forget(struct session *s);

/* --- reports.c: bounces and the like --- */
/* The header is complete; then comes the body. */
void reports_header(struct session *s, struct str header);
void reports_body(struct session *s, struct str run);
/* All of it has come. True: it is stored or refused when reputation has answered. */
bool reports_ask(struct session *s);
void reports_forget(struct session *s);
/* Appends the mark of one that speaks of no message of ours. */
void reports_print(const struct session *s, struct buf *out);

/* --- helo.c --- */
/* True: the client's name is none, and the recipient was refused for it. */
bool helo_refused(struct session *s, const struct smtp_rcpt *rcpt, const char *address);

/* --- format.c --- */
void format_content(struct smtp_conn *c, struct str run);
/* The message is over or forgotten. */
void format_forget(struct session *s);
/* True: the message, all of which has come, was refused for its form. */
bool format_refused(struct session *s);

/* --- checks.c: client and sender against the DNS --- */
/* The client is there, or another one (XCLIENT): its name is looked for. named: it is given. */
void checks_client(struct session *s, bool named);
/* MAIL: questions about the sender go out. */
void checks_mail(struct session *s);
/* Everything about client and sender is known; false: answers are outstanding. */
bool checks_known(struct session *s);
/* The recipient's policy is another one than that of those before him. */
bool checks_other_class(struct session *s, const struct smtp_recipient *r);
/* What they lead to for this recipient: SMTP_OK or a refusal, with what goes into its text. */
enum smtp_reply_id checks_verdict(
    const struct session *s, const struct smtp_recipient *r, struct refusal_args *args);
/* Blocklists name the client: refused, unless the recipient has allowed the sender. */
bool checks_listed(const struct session *s, const struct smtp_recipient *r);
enum smtp_reply_id checks_listed_reply(const struct session *s, struct refusal_args *args);
/* postmaster and abuse, who take mail that others do not. */
bool checks_spares(const struct smtp_recipient *r);
/* Line in the log and Authentication-Results, before a message is committed. */
void checks_log(const struct session *s);
void checks_print(const struct session *s, struct buf *out);

/* --- signatures.c: DKIM, ARC, DMARC --- */
void signatures_begin(struct session *s);
void signatures_content(struct session *s, struct str run);
/* All of it has come. */
void signatures_end(struct session *s);
/* The next round of questions. True: there is nothing left to ask or wait for. */
bool signatures_known(struct session *s);
void signatures_judge(const struct session *s, struct verdict *v);
/* One signed message that comes again and again; each call counts it. */
void signatures_judge_repeated(const struct session *s, struct verdict *v);
/* A good signature is by this domain or by one above it. */
bool signatures_vouch(const struct session *s, struct str domain);
void signatures_log(const struct session *s);
/* For Authentication-Results: at most AUTHRES_RESULTS_MAX with those of checks.c; their number. They borrow from
 * the session. */
size_t signatures_results(const struct session *s, struct authres_result *r);
void signatures_forget(struct session *s);

/* --- verdict.c: refuse, Junk, INBOX --- */
/* For judges: the first who says the worst is named. */
void verdict_refuse(struct verdict *v, const char *by, enum smtp_reply_id reply);
void verdict_junk(struct verdict *v, const char *by);
/* The verdict on the message, all checks of which are known. Borrows from the session. */
void verdict_find(const struct session *s, struct verdict *v);
enum policy_class verdict_class(const struct smtp_recipient *r);

/* --- header.c: the header of a message on its way to queue --- */
void header_start(struct session *s);
void header_content(struct session *s, struct str run);
/* The message is complete: what is left goes out. SMTP_OK or a refusal. */
enum smtp_reply_id header_end(struct session *s);

#endif
