/* SPDX-License-Identifier: ISC */
/* A child plays an HTTPS server whose answer is chosen by the path; each request has a connection. */
#include "http/http.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tls/fake_certificates.h"

enum { LARGE = 300000 };

struct server {
	pid_t pid;
	int listener;
	uint16_t port;
};

static struct server servers[FAKE__MAX]; /* one for each certificate that is used */
/* With limits that only end a hang; for silence; for slowness. */
static struct http_client *client, *no_silence, *no_patience;

static void
say(SSL *ssl, const char *text)
{
	SSL_write(ssl, text, (int)strlen(text));
}

static void
say_large(SSL *ssl, const char *header, int n)
{
	static char bytes[LARGE];

	memset(bytes, 'x', sizeof(bytes));
	say(ssl, header);
	if (n > 0)
		SSL_write(ssl, bytes, n);
}

/* Reads until the client goes away. */
static void
wait_for_end(SSL *ssl)
{
	char bytes[4096];

	while (SSL_read(ssl, bytes, sizeof(bytes)) > 0)
		;
}

static void
say_for_ever(SSL *ssl, const char *again)
{
	while (SSL_write(ssl, again, (int)strlen(again)) > 0)
		;
}

/* What the request was, as the content of the answer. */
static void
say_request(SSL *ssl, const char *request)
{
	char header[128];

	snprintf(header, sizeof(header), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
	    strlen(request));
	say(ssl, header);
	say(ssl, request);
}

static void
answer(SSL *ssl, const char *path, const char *request)
{
	if (strcmp(path, "/request") == 0)
		say_request(ssl, request);
	else if (strcmp(path, "/chunked") == 0)
		say(ssl,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
	else if (strcmp(path, "/missing") == 0)
		say_large(ssl, "HTTP/1.1 404 No\r\nContent-Length: 300000\r\n\r\n", LARGE);
	else if (strcmp(path, "/cut") == 0)
		say_large(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", LARGE / 2);
	else if (strcmp(path, "/nolength") == 0)
		say(ssl, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc");
	else if (strcmp(path, "/badlength") == 0)
		say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc");
	else if (strcmp(path, "/large") == 0)
		say_large(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", LARGE);
	else if (strcmp(path, "/endless") == 0) {
		say(ssl, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		say_for_ever(ssl, "1000\r\n");
	} else if (strcmp(path, "/endlesschunks") == 0) {
		say(ssl, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		say_for_ever(ssl, "8\r\n12345678\r\n");
	} else if (strcmp(path, "/endlessheader") == 0) {
		say(ssl, "HTTP/1.1 200 OK\r\n");
		say_for_ever(ssl, "X-Field: and another one\r\n");
	} else if (strcmp(path, "/rubbish") == 0)
		say(ssl, "220 mail.example ESMTP\r\n\r\n");
	else if (strcmp(path, "/silent") == 0)
		wait_for_end(ssl);
	else if (strcmp(path, "/drip") == 0) {
		say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
		do
			usleep(20000);
		while (SSL_write(ssl, "x", 1) > 0);
	} else if (strcmp(path, "/part") == 0)
		say(ssl,
		    "HTTP/1.1 206 Part\r\nContent-Length: 4\r\nContent-Range: bytes 6-9/10\r\n\r\n6789");
	else if (strcmp(path, "/otherpart") == 0)
		say(ssl,
		    "HTTP/1.1 206 Part\r\nContent-Length: 4\r\nContent-Range: bytes 5-8/10\r\n\r\n5678");
	else if (strcmp(path, "/shortpart") == 0)
		say(ssl,
		    "HTTP/1.1 206 Part\r\nContent-Length: 3\r\nContent-Range: bytes 6-9/10\r\n\r\n678");
	else if (strcmp(path, "/away") == 0)
		say(ssl, "HTTP/1.1 302 Go\r\nLocation: /request\r\nContent-Length: 0\r\n\r\n");
	else if (strcmp(path, "/down") == 0)
		say(ssl,
		    "HTTP/1.1 302 Go\r\nLocation: http://mx.test/\r\nContent-Length: 0\r\n\r\n");
	else if (strcmp(path, "/circle") == 0)
		say(ssl, "HTTP/1.1 302 Go\r\nLocation: /circle\r\nContent-Length: 0\r\n\r\n");
	else
		say(ssl, "HTTP/1.1 204 Done\r\n\r\n");
}

static void
one_connection(SSL *ssl)
{
	char request[8192] = "", path[64] = "";
	int n = 0, r;

	while ((r = SSL_read(ssl, request + n, (int)sizeof(request) - 1 - n)) > 0) {
		n += r;
		request[n] = '\0';
		/* All bodies of these tests end in a dot, all requests without one in an empty line. */
		if (strncmp(request, "PUT", 3) == 0 ? request[n - 1] == '.'
						    : strstr(request, "\r\n\r\n") != NULL)
			break;
	}
	if (sscanf(request, "%*s %63s", path) == 1)
		answer(ssl, path, request);
}

static void
serve(int listener, enum fake_certificate kind)
{
	signal(SIGPIPE, SIG_IGN);
	alarm(300);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		SSL *ssl = fd < 0 ? NULL : fake_accept(fd, kind);

		if (ssl != NULL)
			one_connection(ssl);
		SSL_free(ssl); /* without a word of farewell, as many servers do */
		ERR_clear_error();
		if (fd >= 0)
			close(fd);
	}
}

static void
server_start(struct server *s, enum fake_certificate kind)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);

	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(s->listener, 5), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&sa, &n), 0);
	s->port = ntohs(sa.sin_port);
	if ((s->pid = fork()) == 0)
		serve(s->listener, kind);
	assert_true(s->pid > 0);
}

static int
group_setup(void **state)
{
	static const struct http_limits usual = { 60000, 120000, 1 << 20 };
	static const struct http_limits silence = { 1000, 120000, 1 << 20 };
	static const struct http_limits patience = { 60000, 2000, 1 << 20 };
	const char *why;

	(void)state;
	fake_certificates_make();
	for (int i = FAKE_GOOD; i <= FAKE_UNKNOWN_CA; i++)
		server_start(&servers[i], (enum fake_certificate)i);
	no_silence = http_client_new(fake.ca_file, &silence, &why);
	no_patience = http_client_new(fake.ca_file, &patience, &why);
	client = http_client_new(fake.ca_file, &usual, &why);
	assert_null(why);
	return 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	http_client_free(&client);
	http_client_free(&no_silence);
	http_client_free(&no_patience);
	for (int i = 0; i < FAKE__MAX; i++)
		if (servers[i].pid > 0) {
			kill(servers[i].pid, SIGKILL);
			waitpid(servers[i].pid, NULL, 0);
		}
	fake_certificates_free();
	return 0;
}

static const char *
url(enum fake_certificate kind, const char *path)
{
	static char text[128];

	snprintf(text, sizeof(text), "https://127.0.0.1:%u%s", servers[kind].port, path);
	return text;
}

static const char *
text_of(const struct http_answer *a)
{
	static char text[8192];

	snprintf(text, sizeof(text), "%.*s", (int)buf_len(&a->content),
	    (const char *)buf_data(&a->content));
	return text;
}

static enum http_result
get(const char *path, struct http_answer *a)
{
	struct http_ask ask = { .url = url(FAKE_GOOD, path),
		.most = 100000,
		.redirects = true,
		.login = "anna:secret" };

	return http_ask(client, &ask, a);
}

static void
test_request(void **state)
{
	struct http_answer a;

	(void)state;
	assert_int_equal(get("/request", &a), HTTP_DONE);
	assert_int_equal(a.status, 200);
	assert_non_null(strstr(text_of(&a), "GET /request HTTP/1.1\r\n"));
	assert_non_null(strstr(text_of(&a), "\r\nHost: 127.0.0.1:"));
	assert_non_null(strstr(text_of(&a), "\r\nAuthorization: Basic YW5uYTpzZWNyZXQ=\r\n"));
	assert_null(strstr(text_of(&a), "Range:"));
	assert_int_equal(a.total, buf_len(&a.content));
	http_answer_free(&a);
	assert_int_equal(get("/chunked", &a), HTTP_DONE);
	assert_string_equal(text_of(&a), "abc");
	http_answer_free(&a);
}

static void
test_put_and_delete(void **state)
{
	struct http_ask ask = { .method = HTTP_PUT,
		.url = url(FAKE_GOOD, "/request"),
		.body = STR("the content."),
		.most = 0 };
	struct http_answer a;

	(void)state;
	/* The content of the answer is not read: only the status counts. */
	assert_int_equal(http_ask(client, &ask, &a), HTTP_DONE);
	assert_int_equal(a.status, 200);
	assert_int_equal(buf_len(&a.content), 0);
	http_answer_free(&a);
	ask = (struct http_ask){ .method = HTTP_DELETE, .url = url(FAKE_GOOD, "/gone") };
	assert_int_equal(http_ask(client, &ask, &a), HTTP_DONE);
	assert_int_equal(a.status, 204);
	http_answer_free(&a);
}

static void
test_not_an_answer_to_take(void **state)
{
	static const struct {
		const char *path;
		enum http_result result;
		const char *error;
	} cases[] = {
		{ "/cut", HTTP_REFUSED, "more than can be taken" }, /* longer than asked for, too */
		{ "/large", HTTP_REFUSED, "more than can be taken" },
		{ "/endless", HTTP_REFUSED, "more than can be taken" },
		{ "/endlesschunks", HTTP_REFUSED, "more than can be taken" },
		{ "/endlessheader", HTTP_REFUSED, "no HTTP" },
		{ "/nolength", HTTP_REFUSED, "does not tell the length" },
		{ "/badlength", HTTP_REFUSED, "no HTTP" },
		{ "/rubbish", HTTP_REFUSED, "no HTTP" },
		{ "/down", HTTP_REFUSED, "only https" },
		{ "/circle", HTTP_REFUSED, "for ever" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_answer a;
		enum http_result r = get(cases[i].path, &a);

		print_message("%s: %d %s\n", cases[i].path, r, a.error);
		assert_int_equal(r, cases[i].result);
		assert_non_null(strstr(a.error, cases[i].error));
		http_answer_free(&a);
	}
}

static void
test_broken_off_and_slow(void **state)
{
	struct http_ask ask = { .url = url(FAKE_GOOD, "/cut"), .most = LARGE };
	struct http_answer a;

	(void)state;
	assert_int_equal(http_ask(client, &ask, &a), HTTP_AGAIN);
	assert_non_null(strstr(a.error, "broke off"));
	http_answer_free(&a);
	ask.url = url(FAKE_GOOD, "/drip");
	assert_int_equal(http_ask(no_patience, &ask, &a), HTTP_AGAIN);
	assert_non_null(strstr(a.error, "slow"));
	http_answer_free(&a);
	ask.url = url(FAKE_GOOD, "/silent");
	assert_int_equal(http_ask(no_silence, &ask, &a), HTTP_AGAIN);
	assert_non_null(strstr(a.error, "silent"));
	http_answer_free(&a);
}

static void
test_missing(void **state)
{
	struct http_answer a;
	char text[HTTP_ERROR_MAX];

	(void)state;
	assert_int_equal(get("/missing", &a), HTTP_DONE);
	assert_int_equal(a.status, 404);
	assert_int_equal(buf_len(&a.content), 0);
	assert_string_equal(http_status_text(a.status, text),
	    "the server says 404 (there is nothing of that name)");
	http_answer_free(&a);
}

static void
test_redirection(void **state)
{
	struct http_answer a;
	struct http_ask ask = { .url = url(FAKE_GOOD, "/away"), .most = 8192 };

	(void)state;
	assert_int_equal(get("/away", &a), HTTP_DONE);
	assert_non_null(strstr(text_of(&a), "GET /request "));
	assert_non_null(strstr(text_of(&a), "Authorization:"));
	http_answer_free(&a);
	/* Not followed unless somebody wants it. */
	assert_int_equal(http_ask(client, &ask, &a), HTTP_DONE);
	assert_int_equal(a.status, 302);
	http_answer_free(&a);
}

static enum http_result
get_part(const char *path, bool from_end, uint64_t first, struct http_answer *a)
{
	struct http_ask ask = { .url = url(FAKE_GOOD, path),
		.most = 4,
		.length = 4,
		.from_end = from_end,
		.first = first };

	return http_ask(client, &ask, a);
}

static void
test_parts(void **state)
{
	struct http_answer a;

	(void)state;
	for (int from_end = 0; from_end < 2; from_end++) {
		assert_int_equal(get_part("/part", from_end, 6, &a), HTTP_DONE);
		assert_int_equal(a.status, 206);
		assert_int_equal(a.total, 10);
		assert_string_equal(text_of(&a), "6789");
		http_answer_free(&a);
		assert_int_equal(get_part("/otherpart", from_end, 6, &a), HTTP_REFUSED);
		assert_non_null(strstr(a.error, "another part"));
		http_answer_free(&a);
		assert_int_equal(get_part("/shortpart", from_end, 6, &a), HTTP_REFUSED);
		assert_non_null(strstr(a.error, "another length"));
		http_answer_free(&a);
		assert_int_equal(get_part("/chunked", from_end, 6, &a), HTTP_REFUSED);
		assert_non_null(strstr(a.error, "cannot send a part"));
		http_answer_free(&a);
	}
}

static void
test_certificates(void **state)
{
	static const char *const errors[] = { [FAKE_EXPIRED] = "expired",
		[FAKE_SELF_SIGNED] = "self-signed",
		[FAKE_WRONG_NAME] = "", /* good for 127.0.0.1 */
		[FAKE_UNKNOWN_CA] = "unable to get local issuer" };
	struct http_answer a;

	(void)state;
	for (int i = FAKE_GOOD; i <= FAKE_UNKNOWN_CA; i++) {
		struct http_ask ask = { .url = url((enum fake_certificate)i, "/request"),
			.most = 8192 };
		bool good = i == FAKE_GOOD || i == FAKE_WRONG_NAME;
		enum http_result r = http_ask(client, &ask, &a);

		print_message("%s: %d %s\n", fake_names[i], r, a.error);
		assert_int_equal(r, good ? HTTP_DONE : HTTP_REFUSED);
		if (!good)
			assert_non_null(strstr(a.error, errors[i]));
		http_answer_free(&a);
	}
}

/* By the name "localhost", which no certificate has. */
static void
test_wrong_name(void **state)
{
	struct http_answer a;
	char text[128];
	struct http_ask ask = { .url = text, .most = 8192 };

	(void)state;
	snprintf(text, sizeof(text), "https://localhost:%u/request", servers[FAKE_GOOD].port);
	assert_int_equal(http_ask(client, &ask, &a), HTTP_REFUSED);
	assert_non_null(strstr(a.error, "ostname mismatch"));
	http_answer_free(&a);
}

static void
test_no_server(void **state)
{
	struct http_answer a;
	char text[128];
	struct http_ask ask = { .url = text, .most = 8192 };
	struct server s;

	(void)state;
	server_start(&s, FAKE_GOOD);
	kill(s.pid, SIGKILL);
	waitpid(s.pid, NULL, 0);
	close(s.listener);
	snprintf(text, sizeof(text), "https://127.0.0.1:%u/", s.port);
	assert_int_equal(http_ask(client, &ask, &a), HTTP_AGAIN);
	assert_string_equal(a.error, "no connection could be made");
	http_answer_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_put_and_delete),
		cmocka_unit_test(test_not_an_answer_to_take),
		cmocka_unit_test(test_broken_off_and_slow),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_redirection),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_wrong_name),
		cmocka_unit_test(test_no_server),
	};

	return cmocka_run_group_tests_name("http", tests, group_setup, group_teardown);
}
