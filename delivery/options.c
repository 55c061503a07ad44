/* SPDX-License-Identifier: ISC */
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>

#include "delivery/delivery.h"

static void
copy(char *out, size_t size, struct str s)
{
	snprintf(out, size, "%.*s", STRF(s));
}

static void
read_smarthost(struct delivery_smarthost *h, const struct settings *s)
{
	struct str name;
	bool literal;

	memset(h, 0, sizeof(*h));
	if (settings_host(str_of(settings_text(s, SET_delivery_smarthost)), DELIVERY_SMARTHOST_PORT,
		&name, &literal, &h->port) != 0)
		return; /* not set */
	copy(h->host, sizeof(h->host), name);
	if (literal)
		snprintf(h->route, sizeof(h->route), "[%s%s]",
		    strchr(h->host, ':') != NULL ? "IPv6:" : "", h->host);
	else
		copy(h->route, sizeof(h->route), name);
	h->tls_first = h->port == DELIVERY_TLS_PORT;
	copy(h->user, sizeof(h->user), str_of(settings_text(s, SET_delivery_smarthost_user)));
	copy(h->password, sizeof(h->password),
	    str_of(settings_text(s, SET_delivery_smarthost_password)));
}

void
delivery_options_read(struct delivery_options *o, const struct settings *s)
{
	copy(o->hostname, sizeof(o->hostname), str_of(settings_text(s, SET_general_hostname)));
	o->port = (uint16_t)settings_u64(s, SET_delivery_port);
	o->allow_private = settings_bool(s, SET_delivery_allow_private);
	o->connect_ms = settings_u64(s, SET_delivery_connect_timeout) * 1000;
	o->command_ms = settings_u64(s, SET_delivery_command_timeout) * 1000;
	o->idle_ms = settings_u64(s, SET_delivery_idle_time) * 1000;
	o->max_messages = settings_u64(s, SET_delivery_max_messages);
	read_smarthost(&o->smarthost, s);
}

static void
add_own(struct delivery_options *o, const struct sockaddr *sa)
{
	struct route_address a = { 0 };

	if (sa == NULL || o->nown == DELIVERY_OWN_MAX)
		return;
	if (sa->sa_family == AF_INET) {
		a.n = 4;
		memcpy(a.bytes, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		a.n = 16;
		memcpy(a.bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	} else {
		return;
	}
	o->own[o->nown++] = a;
}

void
delivery_options_own(struct delivery_options *o, const struct settings *s)
{
	struct ifaddrs *list = NULL;
	struct sockaddr_storage ss;
	struct str item;
	socklen_t len;
	size_t it = 0;

	o->nown = 0;
	while (settings_list_next(s, SET_general_listen, &it, &item))
		if (settings_addr(item, 25, &ss, &len) == 0)
			add_own(o, (const struct sockaddr *)&ss);
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next)
		add_own(o, i->ifa_addr);
	freeifaddrs(list);
}
