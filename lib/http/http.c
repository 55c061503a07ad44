/* SPDX-License-Identifier: ISC */
#include "http/http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "tls/tls_client.h"

enum { STATUS_PART = 206, STATUS_BUSY = 429, STATUS_FULL = 507 };

struct http_client {
	struct event_base *base;
	struct tls_client *tls;
	struct http_limits limits;
};

/* One request on one connection. */
struct talk {
	struct http_client *c;
	const struct http_ask *ask;
	const struct http_url *url;
	const char *login;
	struct http_answer *a;
	struct ssl_st *ssl;
	struct bufferevent *bev;
	char location[HTTP_URL_MAX + 1]; /* "" unless the answer is a redirection */
	uint64_t first, last;            /* of Content-Range */
	bool heard;                      /* the answer is complete, as far as it is wanted */
	enum http_result result;
};

struct http_client *
http_client_new(const char *ca_file, const struct http_limits *limits, const char **why)
{
	static const struct http_limits usual = { HTTP_IDLE_MS, HTTP_WHOLE_MS, HTTP_BYTES_PER_S };
	struct http_client *c = xcalloc(1, sizeof(*c));

	signal(SIGPIPE, SIG_IGN); /* of a server that goes away */
	c->limits = limits != NULL ? *limits : usual;
	c->tls = tls_client_new(ca_file, why);
	if ((c->base = event_base_new()) == NULL)
		fatal("cannot make an event loop");
	return c;
}

void
http_client_free(struct http_client **cp)
{
	struct http_client *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	tls_client_free(&c->tls);
	event_base_free(c->base);
	free(c);
}

void
http_answer_free(struct http_answer *answer)
{
	buf_free(&answer->content);
}

static void __attribute__((format(printf, 3, 4)))
end(struct talk *t, enum http_result result, const char *fmt, ...)
{
	va_list ap;

	if (t->a->error[0] != '\0') /* the first reason is the one that tells most */
		return;
	va_start(ap, fmt);
	vsnprintf(t->a->error, sizeof(t->a->error), fmt, ap);
	va_end(ap);
	t->result = result;
}

/* --- the answer --------------------------------------------------------------------------------------- */

static const char *
field(struct evhttp_request *req, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(req), name);
}

/* Does the part that comes hold what was asked for? */
static bool
right_part(struct talk *t, struct evhttp_request *req)
{
	const char *range = field(req, "Content-Range");
	const struct http_ask *ask = t->ask;
	uint64_t first;

	if (range == NULL || http_range_parse(str_of(range), &t->first, &t->last, &t->a->total) < 0)
		return false;
	first = !ask->from_end              ? ask->first
		: t->a->total > ask->length ? t->a->total - ask->length
					    : 0;
	return ask->length > 0 && t->first == first && t->last - t->first < ask->length &&
	       (t->last - t->first + 1 == ask->length || t->last + 1 == t->a->total);
}

/* The header has come: is the content worth reading? */
static int
check_content(struct talk *t, struct evhttp_request *req)
{
	const char *length = field(req, "Content-Length");
	uint64_t n = 0;

	if (length == NULL && field(req, "Transfer-Encoding") == NULL)
		end(t, HTTP_REFUSED, "the server does not tell the length of its answer");
	else if (length != NULL && !str_u64(str_of(length), INT64_MAX, &n))
		end(t, HTTP_REFUSED, "the server's answer is no HTTP");
	else if (n > t->ask->most)
		end(t, HTTP_REFUSED, "the server sends more than can be taken");
	else if (t->a->status == STATUS_PART && !right_part(t, req))
		end(t, HTTP_REFUSED, "the server sends another part than the one asked for");
	else if (t->ask->length > 0 && t->a->status != STATUS_PART)
		end(t, HTTP_REFUSED, "the server cannot send a part of a file");
	else
		return 0;
	return -1;
}

static int
on_header(struct evhttp_request *req, void *arg)
{
	struct talk *t = arg;
	const char *location = field(req, "Location");

	t->a->status = evhttp_request_get_response_code(req);
	if (t->ask->method == HTTP_GET && t->a->status / 100 == 2)
		return check_content(t, req);
	if (t->a->status / 100 == 3 && location != NULL)
		snprintf(t->location, sizeof(t->location), "%s", location);
	t->heard = true; /* and nobody wants to read what it says besides */
	return -1;
}

/* The connection has ended before the answer did: what TLS knows of that, else what the caller does. */
static void
tell_connection(struct talk *t, const char *otherwise)
{
	bool certificate;
	const char *why =
	    tls_session_error(t->ssl, bufferevent_get_openssl_error(t->bev), &certificate);

	if (why[0] != '\0')
		end(t, certificate ? HTTP_REFUSED : HTTP_AGAIN, "%s%s",
		    certificate ? "its certificate is not good: " : "", why);
	else
		end(t, HTTP_AGAIN, "%s", otherwise);
}

static void
on_error(enum evhttp_request_error error, void *arg)
{
	struct talk *t = arg;

	if (t->heard)
		return;
	switch (error) {
	case EVREQ_HTTP_TIMEOUT:
		end(t, HTTP_AGAIN, "the server is silent");
		break;
	case EVREQ_HTTP_INVALID_HEADER:
		end(t, HTTP_REFUSED, "the server's answer is no HTTP");
		break;
	case EVREQ_HTTP_DATA_TOO_LONG:
		end(t, HTTP_REFUSED, "the server sends more than can be taken");
		break;
	default:
		tell_connection(t, "the connection broke off");
		break;
	}
}

static void
take_content(struct talk *t, struct evhttp_request *req)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t n = evbuffer_get_length(in);
	uint8_t *p = buf_reserve(&t->a->content, n);

	if (p == NULL || (t->a->status == STATUS_PART && n != t->last - t->first + 1)) {
		end(t, HTTP_REFUSED, "the server sends another length than it told");
		return;
	}
	if (n > 0)
		evbuffer_remove(in, p, n);
	buf_commit(&t->a->content, n);
	if (t->a->status != STATUS_PART)
		t->a->total = n;
	t->heard = true;
}

static void
on_done(struct evhttp_request *req, void *arg)
{
	struct talk *t = arg;

	if (!t->heard && req != NULL && evhttp_request_get_response_code(req) != 0)
		take_content(t, req);
	if (t->heard)
		t->result = HTTP_DONE;
	else
		tell_connection(t, "no connection could be made");
	event_base_loopbreak(t->c->base);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct talk *t = arg;

	(void)fd;
	(void)what;
	end(t, HTTP_AGAIN, "the server is too slow");
	event_base_loopbreak(t->c->base);
}

/* --- the request -------------------------------------------------------------------------------------- */

static void
add_login(struct evkeyvalq *fields, const char *login)
{
	char coded[sodium_base64_ENCODED_LEN(HTTP_LOGIN_MAX, sodium_base64_VARIANT_ORIGINAL)];
	char value[sizeof(coded) + 8];

	if (strlen(login) > HTTP_LOGIN_MAX)
		return; /* whoever reads it from a file has refused it */
	sodium_bin2base64(coded, sizeof(coded), (const unsigned char *)login, strlen(login),
	    sodium_base64_VARIANT_ORIGINAL);
	snprintf(value, sizeof(value), "Basic %s", coded);
	evhttp_add_header(fields, "Authorization", value);
	sodium_memzero(coded, sizeof(coded));
	sodium_memzero(value, sizeof(value));
}

static void
add_fields(struct talk *t, struct evhttp_request *req)
{
	struct evkeyvalq *fields = evhttp_request_get_output_headers(req);
	char range[64];

	evhttp_add_header(fields, "Host", t->url->authority);
	evhttp_add_header(fields, "Connection", "close");
	evhttp_add_header(fields, "User-Agent", "postern/" POSTERN_VERSION);
	if (t->login != NULL)
		add_login(fields, t->login);
	if (t->ask->length > 0) {
		if (t->ask->from_end)
			snprintf(range, sizeof(range), "bytes=-%zu", t->ask->length);
		else
			snprintf(range, sizeof(range), "bytes=%llu-%llu",
			    (unsigned long long)t->ask->first,
			    (unsigned long long)(t->ask->first + t->ask->length - 1));
		evhttp_add_header(fields, "Range", range);
	}
	if (t->ask->method == HTTP_PUT)
		evhttp_add_header(fields, "Content-Type", "application/octet-stream");
}

static void
send_request(struct talk *t, struct evhttp_connection *conn)
{
	static const enum evhttp_cmd_type methods[] = { [HTTP_GET] = EVHTTP_REQ_GET,
		[HTTP_PUT] = EVHTTP_REQ_PUT,
		[HTTP_DELETE] = EVHTTP_REQ_DELETE };
	struct evhttp_request *req = evhttp_request_new(on_done, t);

	if (req == NULL)
		fatal("cannot make a request");
	evhttp_request_set_header_cb(req, on_header);
	evhttp_request_set_error_cb(req, on_error);
	add_fields(t, req);
	if (t->ask->body.n > 0 && evbuffer_add_reference(evhttp_request_get_output_buffer(req),
				      t->ask->body.p, t->ask->body.n, NULL, NULL) < 0)
		fatal("cannot make a request");
	/* The request is the connection's from here on, also when this fails. */
	if (evhttp_make_request(conn, req, methods[t->ask->method], t->url->path) < 0)
		end(t, HTTP_AGAIN, "no connection could be made");
	else
		event_base_dispatch(t->c->base);
}

static struct timeval
time_of(uint64_t ms)
{
	return (struct timeval){ (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };
}

/* By one address of the host; NULL: there is no such connection. */
static struct evhttp_connection *
connection_new(struct talk *t, const char *address)
{
	struct evhttp_connection *conn;
	struct timeval idle = time_of(t->c->limits.idle_ms);

	if ((t->ssl = tls_client_session(t->c->tls, t->url->host)) == NULL) {
		end(t, HTTP_REFUSED, "TLS cannot be used with this name");
		return NULL;
	}
	t->bev = bufferevent_openssl_socket_new(
	    t->c->base, -1, t->ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	if (t->bev == NULL || (conn = evhttp_connection_base_bufferevent_new(
				   t->c->base, NULL, t->bev, address, t->url->port)) == NULL)
		fatal("cannot make a connection");
	evhttp_connection_set_timeout_tv(conn, &idle);
	evhttp_connection_set_max_headers_size(conn, HTTP_HEADER_MAX);
	evhttp_connection_set_max_body_size(conn, (ev_ssize_t)t->ask->most);
	return conn;
}

static void
talk(struct talk *t, const char *address)
{
	struct evhttp_connection *conn = connection_new(t, address);
	uint64_t bytes = t->ask->body.n + t->ask->most;
	struct timeval whole =
	    time_of(t->c->limits.whole_ms + bytes / t->c->limits.bytes_per_s * 1000);
	struct event *deadline;

	if (conn == NULL)
		return;
	if ((deadline = evtimer_new(t->c->base, on_deadline, t)) == NULL ||
	    evtimer_add(deadline, &whole) < 0)
		fatal("cannot make a timer");
	send_request(t, conn);
	event_free(deadline);
	/* Its request, if there still is one, calls on_done no more. */
	evhttp_connection_free(conn);
	event_base_loop(t->c->base, EVLOOP_NONBLOCK);
}

/* By each address of the host until one takes the request. */
static enum http_result
talk_to_host(struct talk *t)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list, *i;
	char address[NI_MAXHOST];
	int r = getaddrinfo(t->url->host, NULL, &hints, &list);

	if (r != 0) {
		end(t, HTTP_AGAIN, "%s", gai_strerror(r));
		return t->result;
	}
	for (i = list; i != NULL; i = i->ai_next) {
		if (getnameinfo(i->ai_addr, i->ai_addrlen, address, sizeof(address), NULL, 0,
			NI_NUMERICHOST) != 0)
			continue;
		t->a->error[0] = '\0';
		t->result = HTTP_AGAIN;
		talk(t, address);
		if (t->result != HTTP_AGAIN)
			break;
	}
	freeaddrinfo(list);
	if (t->result != HTTP_DONE)
		end(t, t->result, "the host has no address");
	return t->result;
}

static bool
is_redirection(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

enum http_result
http_ask(struct http_client *c, const struct http_ask *ask, struct http_answer *answer)
{
	struct http_url own, url, next;
	const char *why;

	memset(answer, 0, sizeof(*answer));
	buf_init(&answer->content, ask->most);
	if (http_url_parse(str_of(ask->url), &own, &why) < 0) {
		snprintf(answer->error, sizeof(answer->error), "%s", why);
		return HTTP_REFUSED;
	}
	url = own;
	for (int hops = 0; hops <= HTTP_REDIRECTS_MAX; hops++) {
		struct talk t = { .c = c, .ask = ask, .url = &url, .a = answer };

		if (strcmp(url.authority, own.authority) == 0)
			t.login = ask->login;
		if (talk_to_host(&t) != HTTP_DONE || !is_redirection(answer->status) ||
		    !ask->redirects)
			return t.result;
		if (http_url_follow(&url, str_of(t.location), &next, &why) < 0) {
			snprintf(answer->error, sizeof(answer->error),
			    "the server redirects, but not to a good place: %s", why);
			return HTTP_REFUSED;
		}
		url = next;
	}
	snprintf(answer->error, sizeof(answer->error), "the server redirects for ever");
	return HTTP_REFUSED;
}

enum http_result
http_ask_patiently(struct http_client *c, const struct http_ask *ask, struct http_answer *answer)
{
	enum http_result r = HTTP_AGAIN;

	for (int i = 0; i < HTTP_TRIES; i++) {
		if (i > 0)
			http_answer_free(answer);
		if (i > 1)
			poll(NULL, 0, 1000 << (i - 2));
		r = http_ask(c, ask, answer);
		if (r == HTTP_REFUSED ||
		    (r == HTTP_DONE && answer->status / 100 != 5 && answer->status != STATUS_BUSY))
			break;
	}
	return r;
}

const char *
http_status_text(int status, char out[HTTP_ERROR_MAX])
{
	const char *what = "";

	if (status == 401 || status == 403)
		what = " (not permitted)";
	else if (status == 404)
		what = " (there is nothing of that name)";
	else if (status == 405)
		what = " (it does not take files)";
	else if (status == 413 || status == STATUS_FULL)
		what = " (it has no room)";
	else if (is_redirection(status))
		what = " (what is wanted is at another address)";
	snprintf(out, HTTP_ERROR_MAX, "the server says %d%s", status, what);
	return out;
}
