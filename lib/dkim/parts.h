/* SPDX-License-Identifier: ISC */
/* What DKIM and ARC are made of: tag lists, signature fields, keys, canonicalised hashes. For lib/dkim
 * and lib/arc only. */
#ifndef POSTERN_DKIM_PARTS_H
#define POSTERN_DKIM_PARTS_H

#include <openssl/evp.h>

#include "dkim/dkim.h"
#include "mail/header.h"

/* --- tag lists (tags.c; rfc6376:3.2) ---------------------------------------------------------- */

struct dkim_tag {
	struct str name;
	struct str value; /* without white space around, folding inside */
	struct str span;  /* all between '=' and the next ';' */
};

struct dkim_tags {
	size_t n;
	struct dkim_tag tag[DKIM_TAGS_MAX];
};

/* False: a syntax error, a name that stands twice, too many, or a byte that may not be there (bytes
 * above 127 may: rfc8616). */
bool dkim_tags_parse(struct str list, struct dkim_tags *out);
const struct dkim_tag *dkim_tag_find(const struct dkim_tags *tags, const char *name);
/* Copies the value without white space and a NUL behind; the length, or -1: too long. */
ptrdiff_t dkim_squeeze(struct str value, char *out, size_t size);
/* base64 with folding; the bytes, or -1: not base64, empty, or more than size. */
ptrdiff_t dkim_base64(struct str value, uint8_t *out, size_t size);
/* An element of a list with colons, trimmed, without case. */
bool dkim_list_has(struct str list, struct str word);
/* The next element; false: no more. Start with *rest = the list. */
bool dkim_list_next(struct str *rest, struct str *word);
/* A name for DNS with at least so many labels, in lower case and A-labels; false: none. */
bool dkim_domain(struct str value, unsigned labels, char out[IDN_SIZE]);

/* --- signature fields (parse.c) --------------------------------------------------------------- */

enum dkim_kind { DKIM_KIND_DKIM, DKIM_KIND_ARC_MESSAGE, DKIM_KIND_ARC_SEAL };

enum { DKIM_SIGNATURE_MAX = DKIM_RSA_BITS_MAX / 8 };

struct dkim_parsed {
	enum dkim_kind kind;
	size_t field; /* its number in the message */
	struct str raw;
	struct str hole;             /* the value of b=, white space and all: not hashed */
	unsigned instance;           /* of ARC */
	struct str chain;            /* cv= of a seal */
	uint64_t length;             /* l= */
	struct dkim_signature shown; /* what is told of it; code and reason when decided already */
	bool decided;
	bool exact; /* i= has another domain than d=: not with a key of t=s */
	uint8_t body_hash[DKIM_DIGEST_SIZE];
	size_t signature_n;
	uint8_t signature[DKIM_SIGNATURE_MAX];
};

/* Always fills *out; what is wrong is in out->shown. */
void dkim_signature_parse(enum dkim_kind kind, const struct mail_field *f, struct dkim_parsed *out);
void dkim_decide(struct dkim_parsed *p, enum dkim_code code, const char *reason);
/* Decides by t= and x=. */
void dkim_times_check(struct dkim_parsed *p, int64_t now);

/* --- keys (key.c) ----------------------------------------------------------------------------- */

/* Decides when its names are too long for a question. */
void dkim_key_name_check(struct dkim_parsed *p);
/* What is known of its key; NULL: it is decided, or the question stands in list (dns_facts_ask). */
const struct dns_fact *dkim_key_ask(const struct dkim_parsed *p, const struct dns_facts *facts,
    struct dns_question *list, size_t *n, size_t most);
/* Checks the signature of a digest with what DNS says, and decides. */
void dkim_key_check(
    struct dkim_parsed *p, const struct dns_fact *fact, const uint8_t digest[DKIM_DIGEST_SIZE]);

/* --- hashes (canon.c, body.c) ----------------------------------------------------------------- */

enum {
	DKIM_STAGE = 4096, /* short pieces are gathered: each call of OpenSSL has its price */
	/* Both full ones, and one for each l= of the signatures. */
	DKIM_BODIES_MAX = 2 + DKIM_SIGNATURES_MAX,
};

struct dkim_hash {
	EVP_MD_CTX *md;
	size_t n;
	uint8_t stage[DKIM_STAGE];
};

void dkim_hash_open(struct dkim_hash *h);
void dkim_hash_put(struct dkim_hash *h, const void *p, size_t n);
void dkim_hash_close(struct dkim_hash *h, uint8_t digest[DKIM_DIGEST_SIZE]);
/* Ends it without a digest. */
void dkim_hash_drop(struct dkim_hash *h);
/* A second hash that goes on from where the first one is. */
void dkim_hash_fork(struct dkim_hash *h, struct dkim_hash *from);
/* Hashes a field (rfc6376:3.4.1, 3.4.2); hole: a part of raw that is left out, n == 0 and p == NULL:
 * none. end: with the CR LF behind. */
void dkim_hash_field(struct dkim_hash *h, enum dkim_canon canon, struct str raw, struct str name,
    struct str hole, bool end);

/* The canonical form of one body, cut off behind its limit. */
struct dkim_body_hash {
	enum dkim_canon canon;
	bool limited;
	uint64_t limit;
	uint64_t left;
	EVP_MD_CTX *md;
	uint8_t digest[DKIM_DIGEST_SIZE];
};

struct dkim_body {
	enum dkim_canon canon;
	uint64_t lines; /* line ends held back: they count when something follows */
	bool cr, space; /* the same */
	bool any;
	uint64_t total; /* bytes of the canonical form */
	size_t stage_n;
	uint8_t stage[DKIM_STAGE];
	size_t hashes_n;
	struct dkim_body_hash *hashes[DKIM_BODIES_MAX];
};

void dkim_body_write(struct dkim_body *b, const uint8_t *p, size_t n);
void dkim_body_end(struct dkim_body *b);

/* --- the message (message.c) ------------------------------------------------------------------ */

struct dkim_field {
	uint32_t hash; /* of the name in lower case */
	struct str name, raw;
};

struct dkim_message {
	unsigned flags;
	bool header_over, too_large, ended;
	size_t line; /* start of the unfinished line of the header */
	size_t seen; /* up to here no further line end */
	struct buf header;
	size_t fields_n;
	struct dkim_field *fields;
	size_t signatures_n, ignored;
	struct dkim_parsed *signatures; /* DKIM_SIGNATURES_MAX */
	struct dkim_body bodies[2];     /* by enum dkim_canon */
	size_t hashes_n;
	struct dkim_body_hash hashes[DKIM_BODIES_MAX];
};

uint32_t dkim_name_hash(struct str name);
/* The body's digest for this signature; *partial: l= left something out. NULL: l= is more than
 * there is. After dkim_message_end. */
const uint8_t *dkim_message_body(
    const struct dkim_message *m, const struct dkim_parsed *p, bool *partial);
/* Hashes the fields that h= names, from the bottom up (rfc6376:5.4.2), without the field number
 * `self`; the signature's own field is hashed by the caller. */
void dkim_message_fields(const struct dkim_message *m, struct dkim_hash *h, enum dkim_canon canon,
    struct str names, size_t self);
/* What names would cover. */
void dkim_message_covered(
    const struct dkim_message *m, struct str names, uint32_t *covered, uint32_t *oversigned);
/* The digest of h= and of the field itself. */
void dkim_message_digest(
    const struct dkim_message *m, const struct dkim_parsed *p, uint8_t digest[DKIM_DIGEST_SIZE]);
/* The body against bh=, then the key: decides. fact: NULL when no key is needed any more. */
void dkim_verify(const struct dkim_message *m, struct dkim_parsed *p, const struct dns_fact *fact);

#endif
