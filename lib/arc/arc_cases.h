/* SPDX-License-Identifier: ISC */
/* Rows of arc_test.c. */
#define SEAL(title_, hops_, at_, text_, code_, reason_, failed_) \
	{ \
		.title = title_, .hops = hops_, .at = at_, .part = 'S', .text = text_, \
		.code = code_, .reason = reason_, .failed = failed_ \
	}
#define MESSAGE(title_, hops_, at_, text_, code_, reason_, failed_) \
	{ \
		.title = title_, .hops = hops_, .at = at_, .part = 'M', .text = text_, \
		.code = code_, .reason = reason_, .failed = failed_ \
	}
#define RESULTS(title_, hops_, at_, text_, code_, reason_, failed_) \
	{ \
		.title = title_, .hops = hops_, .at = at_, .part = 'A', .text = text_, \
		.code = code_, .reason = reason_, .failed = failed_ \
	}
#define CHANGE(title_, hops_, find_, by_, code_, reason_, failed_) \
	{ \
		.title = title_, .hops = hops_, .find = find_, .by = by_, .code = code_, \
		.reason = reason_, .failed = failed_ \
	}
#define KEY(title_, hops_, at_, part_, text_, key_, code_, reason_, failed_, oldest_) \
	{ \
		.title = title_, .hops = hops_, .at = at_, .part = part_, .text = text_, \
		.key = key_, .code = code_, .reason = reason_, .failed = failed_, \
		.oldest = oldest_ \
	}
#define AMS_T AMS "a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=t; " AMS_END
#define AS_T "d=example.com; s=t; b=" TEST_B "\r\n"
/* --- whole chains --- */
{ .title = "not sealed", .hops = 0, .code = ARC_NONE, .reason = "not sealed" },
    CHANGE("a field that only sounds like it", 0, "From:", "ARC-Other: i=1\r\nFrom:", ARC_NONE,
	"not sealed", 0),
    { .title = "one hop", .hops = 1, .code = ARC_PASS, .reason = "" },
    { .title = "two hops", .hops = 2, .code = ARC_PASS, .reason = "" },
    { .title = "five hops", .hops = 5, .code = ARC_PASS, .reason = "" },
    { .title = "fifty hops", .hops = 50, .code = ARC_PASS, .reason = "" },
    { .title = "fifty-one hops",
	    .hops = 51,
	    .code = ARC_FAIL,
	    .reason = "more than 50",
	    .failed = 51 },
    { .title = "sets in another order", .hops = 3, .flags = BELOW, .code = ARC_PASS, .reason = "" },
    CHANGE("an unsigned field added", 2, "From:", "Received: x\r\nFrom:", ARC_PASS, "", 0),
    CHANGE("white space of a field changed", 2, "spf=pass", " spf=pass \r\n ", ARC_PASS, "", 0),
    CHANGE("names in another case", 2, "ARC-Authentication-Results", "arc-AUTHENTICATION-results",
	ARC_PASS, "", 0),
    SEAL("cv= in another case", 2, 2, AS "cv=PASS; " AS_END, ARC_PASS, "", 0),
    MESSAGE("simple", 2, 2, AMS "a=rsa-sha256; c=simple/simple; d=example.com; s=s; " AMS_END,
	ARC_PASS, "", 0),
    MESSAGE("no c=", 2, 1, AMS "a=rsa-sha256; d=example.com; s=s; " AMS_END, ARC_PASS, "", 0),
    MESSAGE("l= of the whole", 1, 1, AMS AMS_ON "l=16; " AMS_END, ARC_PASS, "", 0),
    { .title = "a list appended before the second hop",
	    .hops = 3,
	    .append = 2,
	    .code = ARC_PASS,
	    .reason = "",
	    .oldest = 2 },
    { .title = "a list appended before the last hop",
	    .hops = 4,
	    .append = 4,
	    .code = ARC_PASS,
	    .reason = "",
	    .oldest = 4 },
    KEY("an Ed25519 seal", 2, 2, 'S', "ARC-Seal: i=%u; a=ed25519-sha256; cv=pass; " AS_T,
	"k=ed25519; p=%E", ARC_PASS, "", 0, 0),
    { .title = "an old message signature expired",
	    .hops = 2,
	    .at = 1,
	    .part = 'M',
	    .text = AMS AMS_ON "x=1700000000; " AMS_END,
	    .code = ARC_PASS,
	    .reason = "",
	    .oldest = 2 },
    /* --- changed --- */
    CHANGE("body changed", 2, "\r\ntwo", "\r\nsix", ARC_FAIL, "body was changed", 2),
    CHANGE("From changed", 2, "From: A", "From: B", ARC_FAIL, "does not match", 2),
    CHANGE("results of the top changed", 2, "spf=pass", "spf=fail", ARC_FAIL, "does not match", 2),
    CHANGE("results of the first changed", 3, "i=1; mx.test", "i=1; mx.evil", ARC_FAIL,
	"does not match", 3),
    CHANGE("a seal's tag added", 1, "cv=none;", "cv=none; z=1;", ARC_FAIL, "does not match", 1),
    CHANGE("an old message signature changed", 3, "Signature: i=1; a=rsa-sha256;",
	"Signature: i=1; a=rsa-sha256; z=1;", ARC_FAIL, "does not match", 3),
    /* --- structure --- */
    RESULTS("no results", 3, 2, "", ARC_FAIL, "not complete", 2),
    MESSAGE("no message signature", 3, 2, "", ARC_FAIL, "not complete", 2),
    SEAL("no seal", 3, 2, "", ARC_FAIL, "not complete", 2),
    { .title = "a gap",
	    .hops = 3,
	    .skip = 2,
	    .code = ARC_FAIL,
	    .reason = "not complete",
	    .failed = 2 },
    { .title = "no first",
	    .hops = 2,
	    .skip = 1,
	    .code = ARC_FAIL,
	    .reason = "not complete",
	    .failed = 1 },
    CHANGE("only results", 0,
	"From:", "ARC-Authentication-Results: i=1; mx; spf=pass\r\nFrom:", ARC_FAIL, "not complete",
	1),
    CHANGE("results twice", 1,
	"From:", "ARC-Authentication-Results: i=1; mx; spf=pass\r\nFrom:", ARC_FAIL, "stands twice",
	1),
    CHANGE("a message signature twice", 1,
	"From:", "ARC-Message-Signature: i=1; b=QUJD\r\nFrom:", ARC_FAIL, "stands twice", 1),
    CHANGE(
	"a seal twice", 1, "From:", "ARC-Seal: i=1; b=QUJD\r\nFrom:", ARC_FAIL, "stands twice", 1),
    RESULTS("results without an instance", 1, 1,
	"ARC-Authentication-Results: mx.test; spf=pass\r\n", ARC_FAIL, "without an instance", 0),
    RESULTS("results of instance 0", 1, 1, "ARC-Authentication-Results: i=0; mx.test; spf=pass\r\n",
	ARC_FAIL, "without an instance", 0),
    RESULTS("results without more", 1, 1, "ARC-Authentication-Results: i=1\r\n", ARC_FAIL,
	"without an instance", 0),
    MESSAGE("i= no number", 1, 1, "ARC-Message-Signature: i=x; " AMS_ON AMS_END, ARC_FAIL,
	"without an instance", 0),
    SEAL("a seal without i=", 1, 1, "ARC-Seal: a=rsa-sha256; cv=none; " AS_END, ARC_FAIL,
	"without an instance", 0),
    SEAL("instance 51", 1, 1, "ARC-Seal: i=51; a=rsa-sha256; cv=none; " AS_END, ARC_FAIL,
	"more than 50", 51),
    /* --- cv= --- */
    SEAL("found broken before", 2, 2, AS "cv=fail; " AS_END, ARC_FAIL, "found broken", 2),
    SEAL("the first says fail", 1, 1, AS "cv=fail; " AS_END, ARC_FAIL, "found broken", 1),
    SEAL("the first says pass", 1, 1, AS "cv=pass; " AS_END, ARC_FAIL, "cv=", 1),
    SEAL("the second says none", 2, 2, AS "cv=none; " AS_END, ARC_FAIL, "cv=", 2),
    SEAL("fail in the middle", 3, 2, AS "cv=fail; " AS_END, ARC_FAIL, "cv=", 2),
    SEAL("no cv=", 2, 2, AS AS_END, ARC_FAIL, "cv=", 2),
    SEAL("cv= unknown", 2, 2, AS "cv=maybe; " AS_END, ARC_FAIL, "cv=", 2),
    /* --- seals --- */
    SEAL("h= in a seal", 1, 1, AS "cv=none; h=from; " AS_END, ARC_FAIL, "h= or bh=", 1),
    SEAL("bh= in a seal", 1, 1, AS "cv=none; bh=QUJD; " AS_END, ARC_FAIL, "h= or bh=", 1),
    SEAL("a seal without d=", 1, 1, AS "cv=none; s=s; b=" TEST_B "\r\n", ARC_FAIL,
	"d= is no domain", 1),
    SEAL("a seal without s=", 1, 1, AS "cv=none; d=example.com; b=" TEST_B "\r\n", ARC_FAIL,
	"s= is no selector", 1),
    SEAL("a seal without b=", 1, 1, AS "cv=none; d=example.com; s=s\r\n", ARC_FAIL, "no b=", 1),
    SEAL("a seal without a=", 1, 1, "ARC-Seal: i=1; cv=none; " AS_END, ARC_FAIL, "no a=", 1),
    SEAL("a seal of rsa-sha1", 1, 1, "ARC-Seal: i=1; a=rsa-sha1; cv=none; " AS_END, ARC_FAIL,
	"rsa-sha1", 1),
    SEAL("a seal of an unknown algorithm", 1, 1, "ARC-Seal: i=1; a=x; cv=none; " AS_END, ARC_FAIL,
	"algorithm", 1),
    SEAL("a seal of the future", 1, 1, AS "cv=none; t=1900000000; " AS_END, ARC_FAIL, "future", 1),
    SEAL("an old seal is wrong", 3, 1, AS "cv=none; d=example.com; s=s; b=QUJE\r\n", ARC_FAIL,
	"does not match", 1),
    /* --- message signatures --- */
    MESSAGE("h= names ARC-Seal", 1, 1,
	AMS AMS_ON "h=from:arc-seal; bh=" TEST_BH "; b=" TEST_B "\r\n", ARC_FAIL, "ARC-Seal", 1),
    MESSAGE("From is not signed", 1, 1, AMS AMS_ON "h=to; bh=" TEST_BH "; b=" TEST_B "\r\n",
	ARC_FAIL, "From is not", 1),
    MESSAGE("v= in it", 1, 1, AMS "v=1; " AMS_ON AMS_END, ARC_FAIL, "v= in", 1),
    MESSAGE("l= leaves something", 1, 1, AMS AMS_ON "l=3; " AMS_END, ARC_FAIL, "l= leaves", 1),
    MESSAGE("expired", 1, 1, AMS AMS_ON "x=1700000000; " AMS_END, ARC_FAIL, "expired", 1),
    /* --- keys --- */
    KEY("no key of the top", 2, 2, 'M', AMS_T, "NXDOMAIN", ARC_FAIL, "there is no key", 2, 0),
    KEY("the top's key withdrawn", 2, 2, 'S', AS "cv=pass; " AS_T, "v=DKIM1; p=", ARC_FAIL,
	"withdrawn", 2, 0),
    KEY("a short key", 2, 1, 'S', AS "cv=none; " AS_T, "v=DKIM1; p=%S", ARC_FAIL, "less than 1024",
	1, 0),
    KEY("DNS in trouble for the top", 2, 2, 'M', AMS_T, "TEMP", ARC_TEMPERROR, "DNS", 2, 0),
    KEY("DNS in trouble for an old seal", 3, 1, 'S', AS "cv=none; " AS_T, "TEMP", ARC_TEMPERROR,
	"DNS", 1, 0),
    KEY("DNSSEC says forged", 3, 2, 'S', AS "cv=pass; " AS_T, "BOGUS", ARC_TEMPERROR, "DNS", 2, 0),
    KEY("DNS in trouble for an old message signature", 3, 2, 'M', AMS_T, "TEMP", ARC_PASS, "", 0,
	3),
    KEY("no key of an old message signature", 3, 1, 'M', AMS_T, "NXDOMAIN", ARC_PASS, "", 0, 2),
    { .title = "broken, and DNS in trouble",
	    .hops = 1,
	    .at = 1,
	    .part = 'S',
	    .text = AS "cv=none; " AS_T,
	    .key = "TEMP",
	    .find = "\r\none",
	    .by = "\r\nsix",
	    .code = ARC_FAIL,
	    .reason = "body was changed",
	    .failed = 1 },
    { .title = "too many keys",
	    .hops = ARC_KEYS_MAX + 1,
	    .flags = MANY_KEYS,
	    .code = ARC_FAIL,
	    .reason = "too many" },
