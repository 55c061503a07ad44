/* SPDX-License-Identifier: ISC */
/*
 * The client's name: its PTR names, each confirmed by an address record that leads back. Runs
 * beside the dialogue; whoever needs the name holds its commit back.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "dns/answer.h"
#include "dns/name.h"
#include "mail/address.h"
#include "smtpd/session.h"

static void
ask(struct session *s, uint32_t type, const char *name)
{
	struct smtpd *d = s->d;

	s->rdns.question = ++d->last_id;
	map_put(d->questions, s->rdns.question, s);
	ipc_send_dns_query(d->resolver, s->rdns.question,
	    &(struct ipc_dns_query){ .type = type, .name = str_of(name) });
}

void
rdns_stop(struct session *s)
{
	if (s->rdns.question != 0)
		map_del(s->d->questions, s->rdns.question);
	s->rdns.question = 0;
}

static void
done(struct session *s)
{
	rdns_stop(s);
	if (s->conn.holds)
		session_go_on(s);
}

static void
next_name(struct session *s)
{
	struct rdns *r = &s->rdns;

	if (r->next == r->count) {
		done(s);
		return;
	}
	ask(s, strchr(s->conn.client, ':') != NULL ? DNS_AAAA : DNS_A, r->names[r->next++]);
}

/* rfc1035:3.5, rfc3596:2.5 */
static void
reverse_name(const char *address, char *out, size_t size)
{
	unsigned char b[16];
	size_t n = 0;

	if (inet_pton(AF_INET, address, b) == 1) {
		snprintf(out, size, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
		return;
	}
	if (inet_pton(AF_INET6, address, b) != 1)
		memset(b, 0, sizeof(b));
	for (int i = 15; i >= 0; i--)
		n += (size_t)snprintf(out + n, size - n, "%x.%x.", b[i] & 15, b[i] >> 4);
	snprintf(out + n, size - n, "ip6.arpa");
}

void
rdns_start(struct session *s)
{
	char name[80];

	rdns_stop(s);
	s->rdns.count = s->rdns.next = 0;
	s->rdns.name[0] = '\0';
	if (s->d->resolver == NULL || smtp_client_is_loopback(s->conn.client))
		return;
	reverse_name(s->conn.client, name, sizeof(name));
	ask(s, DNS_PTR, name);
}

/* The next record of an answer. */
static bool
next_record(struct str *rdata, struct str *record)
{
	size_t n;

	if (rdata->n < 2)
		return false;
	n = (size_t)((unsigned char)rdata->p[0] << 8 | (unsigned char)rdata->p[1]);
	if (n > rdata->n - 2)
		return false;
	*record = str_from(rdata->p + 2, n);
	*rdata = str_from(rdata->p + 2 + n, rdata->n - 2 - n);
	return true;
}

/* Only names that may stand in a header are taken. */
static void
take_ptr(struct session *s, struct str rdata)
{
	struct rdns *r = &s->rdns;
	struct str record;

	while (r->count < SESSION_RDNS_NAMES && next_record(&rdata, &record)) {
		char text[DNS_TEXT_MAX], normal[ADDRESS_DOMAIN_MAX];
		struct dns_name name;
		size_t at = 0;
		int n;

		if (!dns_name_read((const uint8_t *)record.p, record.n, &at, &name))
			continue;
		n = address_parse_domain(str_of(dns_name_text(&name, text)), 0, normal);
		if (n > 0)
			snprintf(r->names[r->count++], sizeof(r->names[0]), "%.*s", n, normal);
	}
}

static bool
leads_back(const struct session *s, struct str rdata)
{
	bool six = strchr(s->conn.client, ':') != NULL;
	struct str record;
	unsigned char b[16];

	if (inet_pton(six ? AF_INET6 : AF_INET, s->conn.client, b) != 1)
		return false;
	while (next_record(&rdata, &record))
		if (record.n == (six ? 16 : 4) && memcmp(record.p, b, record.n) == 0)
			return true;
	return false;
}

static void
on_dns_answer(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_dns_answer *m, int fd)
{
	struct smtpd *d = arg;
	struct session *s = map_del(d->questions, id);

	(void)ch;
	(void)fd;
	if (s == NULL)
		return;
	s->rdns.question = 0;
	if (m->result == IPC_OK && s->rdns.next == 0) {
		take_ptr(s, m->rdata);
	} else if (m->result == IPC_OK && leads_back(s, m->rdata)) {
		snprintf(s->rdns.name, sizeof(s->rdns.name), "%s", s->rdns.names[s->rdns.next - 1]);
		done(s);
		return;
	}
	next_name(s);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct smtpd *d = arg;
	struct session *s;
	size_t it;

	(void)ch;
	ipc_channel_free(&d->resolver);
	while (it = 0, (s = map_next(d->questions, &it, NULL)) != NULL)
		done(s);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(dns_answer, on_dns_answer),
};
const struct ipc_ops smtpd_resolver_ops = { .handlers = handlers, .on_close = on_close };
