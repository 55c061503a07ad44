/* SPDX-License-Identifier: ISC */
/* Channel bindings: what a login is tied to, so that nobody in the middle can pass it on. */
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#include "tls/tls_priv.h"

/* rfc9266:2. The session's own secret; TLS 1.3 only, in 1.2 two ways of reading it are in use. */
static size_t
exporter(SSL *ssl, uint8_t *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	enum { BYTES = 32 };

	if (SSL_version(ssl) < TLS1_3_VERSION ||
	    SSL_export_keying_material(
		ssl, out, BYTES, label, sizeof(label) - 1, (const uint8_t *)"", 0, 1) != 1)
		return 0;
	return BYTES;
}

/* rfc5929:3. The first Finished of the handshake; safe only with the extended master secret. */
static size_t
unique(SSL *ssl, uint8_t *out)
{
	size_t n;

	if (SSL_version(ssl) != TLS1_2_VERSION || SSL_get_extms_support(ssl) != 1)
		return 0;
	n = SSL_session_reused(ssl) ? SSL_get_finished(ssl, out, TLS_BINDING_MAX)
				    : SSL_get_peer_finished(ssl, out, TLS_BINDING_MAX);
	return n <= TLS_BINDING_MAX ? n : 0;
}

/* rfc5929:4. The hash of our certificate, by the hash of its signature, at least SHA-256. With a
 * resumed session the client saw no certificate, and it may have been another one of ours then. */
static size_t
end_point(SSL *ssl, uint8_t *out)
{
	const X509 *cert = SSL_get_certificate(ssl);
	const EVP_MD *md;
	unsigned int n = 0;
	int nid = NID_undef;

	if (cert == NULL || SSL_session_reused(ssl) ||
	    X509_get_signature_info((X509 *)(uintptr_t)cert, &nid, NULL, NULL, NULL) != 1)
		return 0;
	md = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
	if (md == NULL || EVP_MD_get_size(md) > TLS_BINDING_MAX ||
	    X509_digest(cert, md, out, &n) != 1)
		return 0;
	return n;
}

void
tls_stream_bindings(const struct io_stream *s, struct tls_bindings *b)
{
	SSL *ssl = tls_stream_ssl(s);

	memset(b, 0, sizeof(*b));
	if (ssl != NULL) {
		b->exporter.n = exporter(ssl, b->bytes[0]);
		b->unique.n = unique(ssl, b->bytes[1]);
		b->end_point.n = end_point(ssl, b->bytes[2]);
	}
	b->exporter.p = (const char *)b->bytes[0];
	b->unique.p = (const char *)b->bytes[1];
	b->end_point.p = (const char *)b->bytes[2];
}
