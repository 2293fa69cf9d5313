/* common/io/tls.c - TLS on a connected socket, at either end of it. */
#include "common/io/tls.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/buf.h"

#define RECORD_BYTES  16384 /* most that one record carries */
#define WAITING_BYTES 65536 /* … that the protocol may have to say */
#define HELLO_BYTES   16384 /* … that a greeting may promise */
#define RECORD_HEAD   5
#define HELLO_HEAD    9 /* that of its record, and its own */

#define RECORD_CHANGE_CIPHER 20
#define RECORD_HANDSHAKE     22

#define SUITES                                                                 \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"                       \
	"TLS_CHACHA20_POLY1305_SHA256"
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS  "X25519:P-256:P-384"

/* What many connections share. */
struct shared {
	SSL_CTX *ctx;
	BIO_METHOD *socket;
	unsigned users; /* connections, and the owner */
};

struct tls_identity {
	struct shared shared;
};

struct tls_trust {
	struct shared shared;
	bool is_late; /* the rest is made with the first connection */
};

struct tls {
	SSL *ssl;
	struct shared *shared;
	int fd;
	int err;           /* the first; nothing works after it */
	const char *fault; /* with WEIR_EPROTO */
	bool has_more;     /* what is being sent is not the last of it */
	bool has_ended;
	bool is_peer_done;
	bool has_greeted, is_past_hello;
	uint8_t head_len;
	uint8_t head[HELLO_HEAD];
	uint32_t record_left, hello_left;
	struct buf waiting; /* encrypted, and not taken by the kernel */
};

/* ---- the socket, as OpenSSL sees it ---- */

static ssize_t give(const struct tls *t, const void *data, size_t len)
{
	const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	ssize_t n =
		send(t->fd, data, len, t->has_more ? flags | MSG_MORE : flags);

	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* Takes all: what the kernel does not take waits. */
static int on_bio_write(BIO *b, const char *data, int len)
{
	struct tls *t = BIO_get_data(b);
	struct span rest = span_of(data, (size_t)len);
	ssize_t n = t->waiting.len ? 0 : give(t, data, (size_t)len);

	BIO_clear_retry_flags(b);
	if (n >= 0) {
		rest = span_from(rest, (size_t)n);
		if (t->waiting.len + rest.len > WAITING_BYTES)
			n = WEIR_ELIMIT;
	}
	if (n >= 0 && rest.len) {
		buf_put(&t->waiting, rest);
		n = buf_error(&t->waiting);
	}
	if (n >= 0)
		return len;
	t->err = (int)n;
	return -1;
}

/* OpenSSL makes room for what a greeting promises, before it has come: look at
 * its length first. Greetings are what is not encrypted of the peer's handshake,
 * and in 1.3 there may be two of them. */

static bool is_greeting_over(const struct tls *t)
{
	uint8_t type = t->head[0];

	if (type == RECORD_CHANGE_CIPHER)
		return false; /* between two greetings it means nothing */
	return type != RECORD_HANDSHAKE ||
	       (t->has_greeted && SSL_version(t->ssl) != TLS1_3_VERSION);
}

/* The record's own head is there. */
static bool take_record(struct tls *t)
{
	uint32_t len = (uint32_t)(t->head[3] << 8 | t->head[4]);

	t->is_past_hello = is_greeting_over(t);
	if (t->head[0] == RECORD_HANDSHAKE && !t->hello_left)
		return t->is_past_hello || len >= HELLO_HEAD - RECORD_HEAD;
	t->record_left = len;
	t->head_len = 0;
	if (t->head[0] == RECORD_HANDSHAKE)
		t->hello_left -= WEIR_MIN(t->hello_left, len);
	return true;
}

/* And that of the greeting in it. */
static bool take_hello(struct tls *t)
{
	const uint8_t *h = t->head;
	uint32_t hello = (uint32_t)(h[6] << 16 | h[7] << 8 | h[8]);

	t->record_left =
		(uint32_t)(h[3] << 8 | h[4]) - (HELLO_HEAD - RECORD_HEAD);
	t->hello_left = hello - WEIR_MIN(hello, t->record_left);
	t->head_len = 0;
	t->has_greeted = true;
	return hello <= HELLO_BYTES;
}

static bool is_fine_so_far(struct tls *t, struct span in)
{
	bool is_fine = true;

	while (is_fine && in.len && !t->is_past_hello) {
		size_t skip = WEIR_MIN(in.len, t->record_left);

		t->record_left -= (uint32_t)skip;
		in = span_from(in, skip);
		if (!in.len)
			break;
		t->head[t->head_len++] = in.data[0];
		in = span_from(in, 1);
		if (t->head_len == RECORD_HEAD)
			is_fine = take_record(t);
		else if (t->head_len == HELLO_HEAD)
			is_fine = take_hello(t);
	}
	return is_fine;
}

static int on_bio_read(BIO *b, char *out, int size)
{
	struct tls *t = BIO_get_data(b);
	ssize_t n = recv(t->fd, out, (size_t)size, MSG_DONTWAIT);

	BIO_clear_retry_flags(b);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(b);
	else if (n < 0)
		t->err = -errno;
	t->is_peer_done = n == 0;
	if (n > 0 && !is_fine_so_far(t, span_of(out, (size_t)n))) {
		t->err = WEIR_EPROTO;
		t->fault = "no greeting of a sane size";
		return -1;
	}
	return (int)n;
}

static long on_bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)b;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_socket(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weir socket");

	if (m && BIO_meth_set_write(m, on_bio_write) &&
	    BIO_meth_set_read(m, on_bio_read) &&
	    BIO_meth_set_ctrl(m, on_bio_ctrl))
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* ---- certificate and key ---- */

static const char *reason_text(unsigned long e)
{
	const char *text = ERR_reason_error_string(e);

	return text ? text : "OpenSSL does not say why";
}

static int complain(char why[TLS_WHY_SIZE], const char *file, const char *text)
{
	snprintf(why, TLS_WHY_SIZE, "%s: %s", file, text);
	ERR_clear_error();
	return WEIR_ECONF;
}

static int no_password(char *out, int size, int is_writing, void *ctx)
{
	(void)out, (void)size, (void)is_writing, (void)ctx;
	return -1;
}

static int load_pair(SSL_CTX *ctx, const char *cert_file, const char *key_file,
		     char why[TLS_WHY_SIZE])
{
	ERR_clear_error();
	if (access(cert_file, R_OK))
		return complain(why, cert_file, strerror(errno));
	if (access(key_file, R_OK))
		return complain(why, key_file, strerror(errno));
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
		return complain(why, cert_file, reason_text(ERR_get_error()));
	if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
		return complain(why, key_file, reason_text(ERR_get_error()));
	if (SSL_CTX_check_private_key(ctx) != 1)
		return complain(why, key_file, reason_text(ERR_get_error()));
	return 0;
}

/* Tickets let a peer come back without the work of a whole handshake; their key
 * is this process's own. */
static int set_up(SSL_CTX *ctx)
{
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
			       SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
			       SSL_CTX_set_ciphersuites(ctx, SUITES) == 1 &&
			       SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1 &&
			       SSL_CTX_set1_groups_list(ctx, GROUPS) == 1
		       ? 0
		       : WEIR_ENOMEM;
}

static void leave(struct shared *s)
{
	if (--s->users)
		return;
	SSL_CTX_free(s->ctx);
	BIO_meth_free(s->socket);
	free(s);
}

static int open_shared(struct shared *s, const SSL_METHOD *method)
{
	s->ctx = SSL_CTX_new(method);
	s->socket = make_socket();
	return s->ctx && s->socket ? set_up(s->ctx) : WEIR_ENOMEM;
}

/* Returns 0 and *out; or WEIR_ENOMEM. */
static int share(struct shared **out, size_t size, const SSL_METHOD *method,
		 char why[TLS_WHY_SIZE])
{
	struct shared *s = calloc(1, size);
	int err = WEIR_ENOMEM;

	snprintf(why, TLS_WHY_SIZE, "%s", weir_strerror(err));
	if (!s)
		return err;
	s->users = 1;
	err = open_shared(s, method);
	if (err)
		leave(s);
	else
		*out = s;
	return err;
}

int tls_identity_new(struct tls_identity **out, const char *cert_file,
		     const char *key_file, char why[TLS_WHY_SIZE])
{
	struct shared *s;
	int err = share(&s, sizeof(struct tls_identity), TLS_server_method(),
			why);

	if (err)
		return err;
	err = load_pair(s->ctx, cert_file, key_file, why);
	if (err)
		leave(s);
	else
		*out = (struct tls_identity *)s;
	return err;
}

void tls_identity_free(struct tls_identity **id)
{
	if (*id)
		leave(&(*id)->shared);
	*id = NULL;
}

/* Are there files by hash, of which only those that are met are read? All of them
 * at once are a megabyte of memory, and few ever dial by TLS. */
static bool has_hashed_authorities(void)
{
	const char *dir = getenv(X509_get_default_cert_dir_env());
	const struct dirent *entry;
	bool is_hashed = false;
	DIR *d;

	if (getenv(X509_get_default_cert_file_env()))
		return false;
	d = opendir(dir ? dir : X509_get_default_cert_dir());
	while (d && !is_hashed && (entry = readdir(d)))
		is_hashed = strlen(entry->d_name) == 10 &&
			    !strcmp(entry->d_name + 8, ".0");
	if (d)
		closedir(d);
	return is_hashed;
}

static int load_authorities(SSL_CTX *ctx, const char *ca_file,
			    char why[TLS_WHY_SIZE])
{
	ERR_clear_error();
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (!*ca_file && SSL_CTX_set_default_verify_paths(ctx) == 1)
		return 0;
	if (!*ca_file)
		return complain(why, "the machine's list of authorities",
				reason_text(ERR_get_error()));
	if (access(ca_file, R_OK))
		return complain(why, ca_file, strerror(errno));
	if (SSL_CTX_load_verify_file(ctx, ca_file) != 1)
		return complain(why, ca_file, reason_text(ERR_get_error()));
	return 0;
}

/* Nothing is read now that could be wrong. */
static int trust_late(struct tls_trust **out)
{
	struct tls_trust *t = calloc(1, sizeof(*t));

	if (!t)
		return WEIR_ENOMEM;
	t->shared.users = 1;
	t->is_late = true;
	*out = t;
	return 0;
}

static int open_late(struct tls_trust *t)
{
	struct shared fresh = t->shared;
	int err = open_shared(&fresh, TLS_client_method());

	if (!err && SSL_CTX_set_default_verify_dir(fresh.ctx) != 1)
		err = WEIR_ENOMEM;
	if (err) {
		SSL_CTX_free(fresh.ctx);
		BIO_meth_free(fresh.socket);
		return err;
	}
	SSL_CTX_set_verify(fresh.ctx, SSL_VERIFY_PEER, NULL);
	t->shared = fresh;
	t->is_late = false;
	return 0;
}

int tls_trust_new(struct tls_trust **out, const char *ca_file,
		  char why[TLS_WHY_SIZE])
{
	struct shared *s;
	int err;

	if (!*ca_file && has_hashed_authorities())
		return trust_late(out);
	err = share(&s, sizeof(struct tls_trust), TLS_client_method(), why);
	if (err)
		return err;
	err = load_authorities(s->ctx, ca_file, why);
	if (err)
		leave(s);
	else
		*out = (struct tls_trust *)s;
	return err;
}

void tls_trust_free(struct tls_trust **trust)
{
	if (*trust)
		leave(&(*trust)->shared);
	*trust = NULL;
}

/* ---- life ---- */

static int make(struct tls **out, struct shared *shared, int fd)
{
	struct tls *t = calloc(1, sizeof(*t));
	BIO *b = BIO_new(shared->socket);

	if (t)
		t->ssl = SSL_new(shared->ctx);
	if (!t || !b || !t->ssl) {
		BIO_free(b);
		if (t)
			SSL_free(t->ssl);
		free(t);
		ERR_clear_error();
		return WEIR_ENOMEM;
	}
	t->shared = shared;
	shared->users++;
	t->fd = fd;
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	SSL_set_bio(t->ssl, b, b);
	*out = t;
	return 0;
}

int tls_new(struct tls **out, struct tls_identity *id, int fd)
{
	int err = make(out, &id->shared, fd);

	if (!err)
		SSL_set_accept_state((*out)->ssl);
	return err;
}

static bool is_address(const char *host)
{
	struct in6_addr addr;

	return inet_pton(AF_INET, host, &addr) == 1 ||
	       inet_pton(AF_INET6, host, &addr) == 1;
}

/* Whom the peer has to prove to be. Only names are told to it. */
static int expect(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);

	if (!*host)
		return WEIR_EINVAL;
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(p, host) == 1
			       ? 0
			       : WEIR_ENOMEM;
	X509_VERIFY_PARAM_set_hostflags(p,
					X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(p, host, 0) == 1 &&
			       SSL_set_tlsext_host_name(ssl, host) == 1
		       ? 0
		       : WEIR_EINVAL;
}

static int failed(struct tls *t);

/* The answer may be there at once, and be refused: tls_read tells what comes of
 * it, as it always does. */
static void greet(struct tls *t)
{
	SSL_set_connect_state(t->ssl);
	ERR_clear_error();
	if (SSL_do_handshake(t->ssl) != 1)
		(void)failed(t);
}

int tls_new_client(struct tls **out, struct tls_trust *trust, int fd,
		   const char *host)
{
	struct tls *t;
	int err = trust->is_late ? open_late(trust) : 0;

	if (!err)
		err = make(&t, &trust->shared, fd);
	if (err)
		return err;
	t->is_past_hello = true; /* it is we who greet */
	err = expect(t->ssl, host);
	if (err) {
		ERR_clear_error();
		tls_free(&t);
		return err;
	}
	greet(t);
	*out = t;
	return 0;
}

void tls_free(struct tls **pt)
{
	struct tls *t = *pt;

	if (!t)
		return;
	*pt = NULL;
	SSL_free(t->ssl);
	leave(t->shared);
	buf_fini(&t->waiting);
	free(t);
}

/* ---- reading and writing ---- */

static int meaning(struct tls *t, int what, unsigned long e)
{
	long doubt = SSL_get_verify_result(t->ssl);

	if (what == SSL_ERROR_ZERO_RETURN || t->is_peer_done)
		return WEIR_ECLOSED;
	if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
		return WEIR_ENOMEM;
	t->fault = doubt == X509_V_OK ? reason_text(e)
				      : X509_verify_cert_error_string(doubt);
	return WEIR_EPROTO;
}

/* An operation went wrong: for good, or for now? Of the socket we know already. */
static int failed(struct tls *t)
{
	int what = SSL_get_error(t->ssl, 0);

	if (!t->err &&
	    (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE))
		return WEIR_EAGAIN;
	if (!t->err)
		t->err = meaning(t, what, ERR_peek_last_error());
	ERR_clear_error();
	return t->err;
}

ssize_t tls_read(struct tls *t, void *out, size_t size)
{
	size_t len;
	int err = t->err;

	if (!err) {
		ERR_clear_error();
		if (SSL_read_ex(t->ssl, out, size, &len))
			return (ssize_t)len;
		err = failed(t);
	}
	return err == WEIR_ECLOSED ? 0 : err;
}

static int write_record(struct tls *t, struct span s)
{
	size_t len;

	ERR_clear_error();
	if (SSL_write_ex(t->ssl, s.data, s.len, &len))
		return 0;
	/* Nothing blocks it but a handshake, and none is allowed now. */
	return failed(t) == WEIR_EAGAIN ? WEIR_EPROTO : t->err;
}

/* Until the kernel is full. */
static int write_span(struct tls *t, struct span s, bool is_last, size_t *done)
{
	while (s.len && !t->waiting.len) {
		struct span record = span_first(s, RECORD_BYTES);
		int err;

		s = span_from(s, record.len);
		t->has_more = s.len || !is_last;
		err = write_record(t, record);
		t->has_more = false;
		if (err)
			return err;
		*done += record.len;
	}
	return 0;
}

ssize_t tls_write(struct tls *t, const struct span *s, size_t count)
{
	ssize_t err = tls_flush(t);
	size_t done = 0;

	if (err < 0)
		return err;
	if (t->waiting.len || !tls_is_open(t))
		return WEIR_EAGAIN;
	err = 0;
	for (size_t i = 0; !err && i < count && !t->waiting.len; i++)
		err = write_span(t, s[i], i + 1 == count, &done);
	return done ? (ssize_t)done : err;
}

ssize_t tls_flush(struct tls *t)
{
	ssize_t n;

	if (t->err && t->err != WEIR_EPROTO && t->err != WEIR_ECLOSED)
		return t->err;
	if (!t->waiting.len)
		return 0;
	n = give(t, t->waiting.data, t->waiting.len);
	if (n < 0) {
		t->err = (int)n;
		return n;
	}
	if (n == 0)
		return WEIR_EAGAIN;
	buf_drop(&t->waiting, (size_t)n);
	if (!t->waiting.len)
		buf_fini(&t->waiting);
	return n;
}

bool tls_is_waiting(const struct tls *t)
{
	return t->waiting.len > 0;
}

size_t tls_waiting_bytes(const struct tls *t)
{
	return t->waiting.len;
}

bool tls_is_open(const struct tls *t)
{
	return SSL_is_init_finished(t->ssl) &&
	       (!t->err || t->err == WEIR_ECLOSED);
}

void tls_end(struct tls *t)
{
	if (t->has_ended || !tls_is_open(t))
		return;
	t->has_ended = true;
	ERR_clear_error();
	(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

const char *tls_fault(const struct tls *t)
{
	return t->fault;
}
