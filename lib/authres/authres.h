/* SPDX-License-Identifier: ISC */
/*
 * Authentication-Results (rfc8601): writes the one field that tells what was checked here, and finds
 * those that came in and claim to be ours. Pure: no descriptors, no clock.
 */
#ifndef POSTERN_AUTHRES_AUTHRES_H
#define POSTERN_AUTHRES_AUTHRES_H

#include "base/buf.h"
#include "base/str.h"

/* --- writing ---------------------------------------------------------------------------------- */

enum {
	AUTHRES_PROPERTIES_MAX = 4, /* of one result */
	/* Results of one field: ten signatures of DKIM, SPF twice, and the others. */
	AUTHRES_RESULTS_MAX = 20,
	AUTHRES_VALUE_MAX = 256, /* bytes of a value that are written: as many as a path has */
	AUTHRES_TEXT_MAX = 120,  /* of a comment or a reason */
	/* Room for the largest field: a buf with this limit is always enough. */
	AUTHRES_FIELD_MAX = 65536,
	AUTHRES_FOLD = 78, /* lines are folded before they pass this, as far as words allow */
};

/* One list of what may be said: method, and the results that rfc8601:2.7 (and rfc8617:10.2 for arc,
 * rfc9989 for dmarc) know for it. */
#define AUTHRES_METHODS(X) \
	X(AUTHRES_AUTH, "auth", "none pass fail temperror permerror") \
	X(AUTHRES_IPREV, "iprev", "pass fail temperror permerror") \
	X(AUTHRES_SPF, "spf", "none neutral pass fail softfail policy temperror permerror") \
	X(AUTHRES_DKIM, "dkim", "none pass fail policy neutral temperror permerror") \
	X(AUTHRES_DMARC, "dmarc", "none pass fail temperror permerror") \
	X(AUTHRES_ARC, "arc", "none pass fail")
#define X(id, name, results) id,
enum authres_method { AUTHRES_METHODS(X) };
#undef X

/* name: a constant of ours such as "smtp.mailfrom", "smtp.helo", "header.d", "header.s", "header.a",
 * "header.b", "header.from", "policy.iprev", "smtp.auth", "smtp.remote-ip", "arc.chain". value: any
 * bytes; it is quoted where needed, and control characters become question marks. */
struct authres_property {
	const char *name;
	struct str value;
};

struct authres_result {
	enum authres_method method;
	const char *result; /* one of the method's words */
	struct str comment; /* any bytes; written in parentheses behind the result; n == 0: none */
	struct str reason;  /* any bytes; reason="..."; n == 0: none */
	struct authres_property properties[AUTHRES_PROPERTIES_MAX]; /* to the first without name */
};

/*
 * Appends "Authentication-Results: ID; ..." with its CR LF; without results it says "none". The
 * results stand in the order given. utf8: the message is internationalised (rfc6532), UTF-8 in
 * values may stay; otherwise bytes outside of ASCII become question marks. 0 or BUF_LIMIT.
 */
int authres_print(struct buf *out, struct str authserv_id, const struct authres_result *results,
    size_t n, bool utf8);

/* --- those of others -------------------------------------------------------------------------- */

/* Bytes [begin, end) of the header, a whole field with its line end, or several in a row. */
struct authres_cut {
	size_t begin, end;
};

enum {
	/* Separate places in one header. Who forges more of them is to be refused, not repaired. */
	AUTHRES_CUTS_MAX = 64,
	AUTHRES_ERR_MANY = -1,
};

/* Our mark of bounces and receipts that speak of no message of ours. */
#define AUTHRES_REPORT_FIELD "X-Postern-Report"

/*
 * Which fields of this header (a body may follow) must go because a reader could take them for ours
 * (rfc8601:5): Authentication-Results with our authserv-id in any case, quoted, among comments,
 * folded, with or without version, as U-labels. ARC-Authentication-Results stay: they are sealed. 
 * AUTHRES_REPORT_FIELD goes whatever it says.
 * The number of cuts, ascending and apart from each other, or AUTHRES_ERR_MANY.
 */
int authres_foreign(
    struct str header, struct str authserv_id, struct authres_cut cuts[AUTHRES_CUTS_MAX]);

#endif
