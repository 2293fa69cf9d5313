/* common/io/tls_rig_test.h - a certificate, and the other end of TLS, for tests.
 *
 * They are not repeated with failing allocations: libuv ends the process when it
 * cannot grow its table of descriptors.
 */
#ifndef WEIR_IO_TLS_RIG_TEST_H
#define WEIR_IO_TLS_RIG_TEST_H

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/base/buf.h"
#include "common/io/tls.h"
#include "common/test/check.h"

/* ---- files ---- */

struct tls_files {
	char folder[TEST_PATH_SIZE];
	char cert[TEST_PATH_SIZE + 16], key[TEST_PATH_SIZE + 16];
};

static inline FILE *tls_file(const char *path)
{
	FILE *f = fopen(path, "w");

	CHECK(f != NULL);
	return f;
}

static inline X509 *tls_make_cert(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	CHECK(ASN1_INTEGER_set(X509_get_serialNumber(x), 1));
	CHECK(X509_gmtime_adj(X509_getm_notBefore(x), 0) != NULL);
	CHECK(X509_gmtime_adj(X509_getm_notAfter(x), 3600) != NULL);
	CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					 (const uint8_t *)"localhost", -1, -1,
					 0));
	CHECK(X509_set_issuer_name(x, name));
	CHECK(X509_set_pubkey(x, key));
	CHECK(X509_sign(x, key, EVP_sha256()));
	return x;
}

static inline void tls_files_make(struct tls_files *f)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert;
	FILE *out;

	CHECK(key != NULL);
	cert = tls_make_cert(key);
	test_path(f->folder);
	CHECK_EQ(mkdir(f->folder, 0700), 0);
	snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->folder);
	snprintf(f->key, sizeof(f->key), "%s/key.pem", f->folder);
	out = tls_file(f->cert);
	CHECK(PEM_write_X509(out, cert));
	fclose(out);
	out = tls_file(f->key);
	CHECK(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL));
	fclose(out);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static inline struct tls_identity *tls_make_identity(void)
{
	struct tls_identity *id;
	struct tls_files f;
	char why[TLS_WHY_SIZE];

	tls_files_make(&f);
	CHECK_EQ(tls_identity_new(&id, f.cert, f.key, why), 0);
	return id;
}

/* ---- the peer: a client whose records stand in memory before they are sent ---- */

struct tls_peer {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* the ssl's */
	int fd;        /* borrowed */
	size_t piece;  /* send so many bytes at a time; 0: all */
	bool is_over;  /* the connection has ended */
	const char *fault;
	struct buf seen;
};

/* `version`: the only one that it speaks; 0: any. */
static inline void tls_peer_begin(struct tls_peer *p, int fd, int version)
{
	*p = (struct tls_peer){.fd = fd};
	p->ctx = SSL_CTX_new(TLS_client_method());
	CHECK(SSL_CTX_set_min_proto_version(p->ctx, version));
	CHECK(SSL_CTX_set_max_proto_version(p->ctx, version));
	SSL_CTX_set_security_level(p->ctx, 0);
	p->ssl = SSL_new(p->ctx);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	SSL_set_bio(p->ssl, p->in, p->out);
	SSL_set_connect_state(p->ssl);
}

static inline void tls_peer_end(struct tls_peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	buf_fini(&p->seen);
}

/* Send what was encrypted, or a piece of it. */
static inline void tls_peer_send(struct tls_peer *p)
{
	uint8_t bytes[32768];
	size_t max = p->piece ? p->piece : sizeof(bytes);
	int n = BIO_read(p->out, bytes, (int)max);

	if (n > 0)
		(void)!send(p->fd, bytes, (size_t)n, MSG_NOSIGNAL);
}

static inline void tls_peer_receive(struct tls_peer *p)
{
	uint8_t bytes[32768];
	ssize_t n = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0)
		CHECK_EQ(BIO_write(p->in, bytes, (int)n), (int)n);
	else if (n == 0 || errno != EAGAIN)
		p->is_over = true;
}

/* One turn: send, receive, decrypt. Returns whether the handshake is made. */
static inline bool tls_peer_step(struct tls_peer *p)
{
	uint8_t bytes[32768];
	int n;

	tls_peer_send(p);
	tls_peer_receive(p);
	ERR_clear_error();
	while ((n = SSL_read(p->ssl, bytes, sizeof(bytes))) > 0)
		buf_put(&p->seen, span_of(bytes, (size_t)n));
	if (SSL_get_error(p->ssl, n) == SSL_ERROR_SSL && !p->fault)
		p->fault = ERR_reason_error_string(ERR_peek_last_error());
	ERR_clear_error();
	return SSL_is_init_finished(p->ssl);
}

static inline void tls_peer_say(struct tls_peer *p, struct span bytes)
{
	CHECK_EQ(SSL_write(p->ssl, bytes.data, (int)bytes.len), (int)bytes.len);
}

/* Has it been told that nothing more comes? */
static inline bool tls_peer_heard_end(const struct tls_peer *p)
{
	return SSL_get_shutdown(p->ssl) & SSL_RECEIVED_SHUTDOWN;
}

#endif
