/* SPDX-License-Identifier: ISC */
/*
 * DomainKeys Identified Mail: who signed this message, and is it unchanged since (rfc6376, rfc8301,
 * rfc8463, rfc8616)? Pure: the message comes in pieces of any size, the time is an argument, the keys
 * are DNS facts. The body is hashed as it streams by, once for each distinct way of the signatures
 * to look at it; nothing of it is kept.
 *
 *	m = dkim_message_new(0);
 *	dkim_message_write(m, p, n);    as often as pieces come
 *	dkim_check(m, ...) == DKIM_NEED  may be asked as soon as the header is over: for the questions
 *	dkim_message_end(m);
 *	dkim_check(m, ...) == DKIM_DONE
 *
 * lib/arc looks at the same struct dkim_message, so that a message is read once for both.
 */
#ifndef POSTERN_DKIM_DKIM_H
#define POSTERN_DKIM_DKIM_H

#include "base/buf.h"
#include "dkim/limits.h"
#include "dns/facts.h"
#include "idn/idn.h"

enum { DKIM_DONE = 0, DKIM_NEED = 1 };

/* The words are those of rfc8601:2.7.1. */
#define DKIM_CODES(X) \
	X(DKIM_NONE, "none")           /* not signed, or the header is too large to look */ \
	X(DKIM_PASS, "pass")           /* valid, and it covers the whole body */ \
	X(DKIM_FAIL, "fail")           /* changed, forged, or expired */ \
	X(DKIM_POLICY, "policy")       /* valid, but l= leaves a part open; or a weak key */ \
	X(DKIM_NEUTRAL, "neutral")     /* an algorithm we do not know: cannot be said */ \
	X(DKIM_TEMPERROR, "temperror") /* DNS has no answer at the moment */ \
	X(DKIM_PERMERROR, "permerror") /* signature or key not as it has to be, or no key */
#define X(id, word) id,
enum dkim_code { DKIM_CODES(X) };
#undef X

#define DKIM_ALGORITHMS(X) \
	X(DKIM_RSA_SHA256, "rsa-sha256") \
	X(DKIM_ED25519_SHA256, "ed25519-sha256") \
	X(DKIM_RSA_SHA1, "rsa-sha1") /* never verified (rfc8301:3.1) */ \
	X(DKIM_UNKNOWN, "unknown")
#define X(id, word) id,
enum dkim_algorithm { DKIM_ALGORITHMS(X) };
#undef X

enum dkim_canon { DKIM_SIMPLE, DKIM_RELAXED };

/* Fields that people see or that decide how a message is shown. 1 << id is the bit in
 * dkim_signature.covered and .oversigned. */
#define DKIM_WATCHED(X) \
	X(DKIM_W_FROM, "from") \
	X(DKIM_W_SENDER, "sender") \
	X(DKIM_W_REPLY_TO, "reply-to") \
	X(DKIM_W_TO, "to") \
	X(DKIM_W_CC, "cc") \
	X(DKIM_W_SUBJECT, "subject") \
	X(DKIM_W_DATE, "date") \
	X(DKIM_W_MESSAGE_ID, "message-id") \
	X(DKIM_W_IN_REPLY_TO, "in-reply-to") \
	X(DKIM_W_REFERENCES, "references") \
	X(DKIM_W_MIME_VERSION, "mime-version") \
	X(DKIM_W_CONTENT_TYPE, "content-type") \
	X(DKIM_W_CONTENT_TRANSFER_ENCODING, "content-transfer-encoding") \
	X(DKIM_W_LIST_ID, "list-id") \
	X(DKIM_W_LIST_UNSUBSCRIBE, "list-unsubscribe") \
	X(DKIM_W_LIST_UNSUBSCRIBE_POST, "list-unsubscribe-post")
#define X(id, name) id,
enum dkim_watched { DKIM_WATCHED(X) DKIM_W_MAX };
#undef X

/* --- the message ------------------------------------------------------------------------------ */

struct dkim_message;

/* Bits for dkim_message_new. */
enum dkim_sign_flag {
	DKIM_SIGN_SIMPLE = 1,  /* the body's hash is needed for signing, too */
	DKIM_SIGN_RELAXED = 2, /* the same */
};

struct dkim_message *dkim_message_new(unsigned flags);
void dkim_message_free(struct dkim_message **m);
/* The next bytes, header and body, with CR LF at the ends of lines. A lone CR or LF in the body is
 * an ordinary byte; the header is split as lib/mail/header.h says. */
void dkim_message_write(struct dkim_message *m, const void *p, size_t n);
/* No more will come. */
void dkim_message_end(struct dkim_message *m);
/* The header is complete (the empty line came, or the end). */
bool dkim_message_header_over(const struct dkim_message *m);
/* The header so far, with the empty line; borrowed. n == 0 when it is over the limit. */
struct str dkim_message_header(const struct dkim_message *m);

/* --- verifying -------------------------------------------------------------------------------- */

struct dkim_signature {
	enum dkim_code code;
	const char *reason;    /* constant, one line of English; "" for a pass */
	char domain[IDN_SIZE]; /* d= as A-labels in lower case; "" when it is no domain name */
	char selector[IDN_SIZE];
	/* i= without folding, as it stands; "@" and d= when there is none. Bytes of a stranger. */
	char identity[DKIM_IDENTITY_MAX + 1];
	char shown[DKIM_SHOWN_MAX + 1]; /* the first characters of b= */
	enum dkim_algorithm algorithm;
	enum dkim_canon header_canon, body_canon;
	unsigned bits;        /* of the key; 0: not known */
	bool testing;         /* the key says t=y: the signer is only trying */
	bool partial;         /* l= leaves a part of the body open: never DKIM_PASS */
	bool has_length;      /* there is an l= */
	int64_t time, expiry; /* t= and x=; -1: none */
	/* h= as it stands, folding and all; borrowed from the message. */
	struct str fields;
	/* Bits 1 << DKIM_W_*: every field of this name in the message is signed (those that are not
	 * there count, too, when h= names them); one more of them would break the signature. */
	uint32_t covered, oversigned;
};

struct dkim_result {
	enum dkim_code code; /* DKIM_NONE without any signature, else the best of them */
	const char *reason;  /* for DKIM_NONE: why */
	size_t count;        /* in the order of the message, from the top */
	struct dkim_signature signatures[DKIM_SIGNATURES_MAX];
	size_t ignored; /* more signatures than DKIM_SIGNATURES_MAX */
	struct dns_question questions[DKIM_SIGNATURES_MAX];
	size_t question_count; /* none of them has a fact */
};

/*
 * DKIM_DONE or DKIM_NEED; *out is filled anew by each call and borrows from *m. Before the header is
 * over there are no questions; from then on all are named at once, and when they have their facts
 * DKIM_NEED means only that dkim_message_end was not called yet. now: seconds since 1970.
 */
int dkim_check(
    struct dkim_message *m, int64_t now, const struct dns_facts *facts, struct dkim_result *out);

const char *dkim_code_word(enum dkim_code code);
const char *dkim_algorithm_word(enum dkim_algorithm algorithm);

/* --- signing ---------------------------------------------------------------------------------- */

/* The whole body is signed always: l= is never written. */
struct dkim_sign {
	struct str domain, selector; /* as they shall stand there */
	enum dkim_algorithm algorithm;
	enum dkim_canon header_canon, body_canon; /* the message was made for this body_canon */
	int64_t time;                             /* t= */
	int64_t expiry;                           /* x=; 0: none */
};

enum {
	/* What dkim_sign_begin and dkim_sign_finish append at most. */
	DKIM_FIELD_MAX = 4096,
	DKIM_ERR_INPUT = -2, /* no From field, a bad domain or selector, an unfinished message */
};

/*
 * Appends the DKIM-Signature field up to its "b=" and computes what is to be signed: a SHA-256
 * digest, which RSA signs by PKCS#1 v1.5 and Ed25519 as the message (rfc8463:3). All watched fields
 * are signed once more than they are there, so that none can be added. 0, BUF_LIMIT or
 * DKIM_ERR_INPUT; *field begins empty.
 */
int dkim_sign_begin(struct dkim_message *m, const struct dkim_sign *s, struct buf *field,
    uint8_t digest[DKIM_DIGEST_SIZE]);
/* Appends the signature and the line end: the field goes on top of the message. */
int dkim_sign_finish(struct buf *field, const void *signature, size_t n);

#endif
