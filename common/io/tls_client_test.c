/* common/io/tls_client_test.c - the dialing end of TLS, against our own serving
 * end. */
#include <stdlib.h>
#include <unistd.h>

#include "common/io/conn.h"
#include "common/io/loop_wait.h"
#include "common/io/tls_rig_test.h"

struct side {
	struct conn *conn;
	struct buf seen;
	bool is_closed;
	int reason;
	const char *fault;
};

struct scene {
	struct loop *loop;
	struct tls_files files;
	struct tls_identity *id;
	struct tls_trust *trust;
	struct side server, client;
	int client_fd;
};

static int64_t on_data(void *ctx, struct span in)
{
	struct side *s = ctx;

	buf_put(&s->seen, in);
	return (int64_t)in.len;
}

static void on_close(void *ctx, int reason)
{
	struct side *s = ctx;

	s->is_closed = true;
	s->reason = reason;
	s->fault = conn_fault(s->conn);
}

static const struct conn_ops ops = {.on_data = on_data, .on_close = on_close};
static const struct conn_limits limits = {.linger_ms = 200};

static void begin(struct scene *s)
{
	char why[TLS_WHY_SIZE];
	struct tls *tls;
	int fd[2];

	*s = (struct scene){0};
	CHECK_EQ(loop_new(&s->loop), 0);
	tls_files_make(&s->files);
	CHECK_EQ(tls_identity_new(&s->id, s->files.cert, s->files.key, why), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	CHECK_EQ(conn_new(&s->server.conn, s->loop, fd[0], &limits, &ops,
			  &s->server),
		 0);
	CHECK_EQ(tls_new(&tls, s->id, fd[0]), 0);
	conn_set_tls(s->server.conn, tls);
	s->client_fd = fd[1];
	CHECK_EQ(conn_new(&s->client.conn, s->loop, fd[1], &limits, &ops,
			  &s->client),
		 0);
}

/* It believes whoever `ca_file` names, and expects `host`. */
static void greet(struct scene *s, const char *ca_file, const char *host)
{
	char why[TLS_WHY_SIZE];
	struct tls *tls;

	CHECK_EQ(tls_trust_new(&s->trust, ca_file, why), 0);
	CHECK_EQ(tls_new_client(&tls, s->trust, s->client_fd, host), 0);
	conn_set_tls(s->client.conn, tls);
	CHECK_EQ(conn_send(s->client.conn, SPAN_LIT("ping")), 0);
}

static void end(struct scene *s)
{
	conn_free(&s->client.conn);
	conn_free(&s->server.conn);
	tls_identity_free(&s->id);
	tls_trust_free(&s->trust);
	buf_fini(&s->server.seen);
	buf_fini(&s->client.seen);
	loop_free(&s->loop);
}

TEST_NO_OOM(who_dials_and_who_serves_hear_each_other)
{
	struct scene s;

	begin(&s);
	greet(&s, s.files.cert, "localhost");
	CHECK(LOOP_UNTIL(s.loop, s.server.seen.len == 4));
	CHECK_SPAN(buf_span(&s.server.seen), SPAN_LIT("ping"));
	CHECK_EQ(conn_send(s.server.conn, SPAN_LIT("pong")), 0);
	CHECK(LOOP_UNTIL(s.loop, s.client.seen.len == 4));
	CHECK_SPAN(buf_span(&s.client.seen), SPAN_LIT("pong"));
	end(&s);
}

TEST_NO_OOM(a_server_of_another_name_is_left_before_a_word_is_said)
{
	struct scene s;

	begin(&s);
	greet(&s, s.files.cert, "elsewhere.example");
	CHECK(LOOP_UNTIL(s.loop, s.client.is_closed));
	CHECK_EQ(s.client.reason, WEIR_EPROTO);
	CHECK_STR(s.client.fault, "hostname mismatch");
	CHECK_EQ(s.server.seen.len, 0);
	end(&s);
}

TEST_NO_OOM(an_address_is_no_name_that_the_certificate_has)
{
	struct scene s;

	begin(&s);
	greet(&s, s.files.cert, "127.0.0.1");
	CHECK(LOOP_UNTIL(s.loop, s.client.is_closed));
	CHECK_STR(s.client.fault, "IP address mismatch");
	end(&s);
}

TEST_NO_OOM(a_certificate_of_nobody_we_know_is_not_believed)
{
	struct scene s;

	begin(&s);
	greet(&s, "", "localhost");
	CHECK(LOOP_UNTIL(s.loop, s.client.is_closed));
	CHECK_EQ(s.client.reason, WEIR_EPROTO);
	CHECK(s.client.fault != NULL);
	CHECK_EQ(s.server.seen.len, 0);
	end(&s);
}

/* The name by which OpenSSL finds an authority in a folder. */
static void name_by_hash(char *out, size_t size, const struct tls_files *f)
{
	FILE *in = fopen(f->cert, "r");
	X509 *cert = in ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;

	CHECK(cert != NULL);
	snprintf(out, size, "%s/%08lx.0", f->folder,
		 X509_subject_name_hash(cert));
	X509_free(cert);
	fclose(in);
}

TEST_NO_OOM(of_the_machines_authorities_by_hash_the_one_that_is_met_is_found)
{
	struct scene s;
	char path[TEST_PATH_SIZE + 16];

	begin(&s);
	name_by_hash(path, sizeof(path), &s.files);
	CHECK_EQ(symlink("cert.pem", path), 0);
	unsetenv("SSL_CERT_FILE");
	setenv("SSL_CERT_DIR", s.files.folder, 1);
	greet(&s, "", "localhost");
	CHECK(LOOP_UNTIL(s.loop, s.server.seen.len == 4));
	CHECK_SPAN(buf_span(&s.server.seen), SPAN_LIT("ping"));
	end(&s);
}

TEST_NO_OOM(authorities_by_hash_believe_nobody_else)
{
	struct scene s;
	char path[TEST_PATH_SIZE + 16];

	begin(&s);
	snprintf(path, sizeof(path), "%s/0a1b2c3d.0", s.files.folder);
	CHECK_EQ(symlink("cert.pem", path), 0);
	unsetenv("SSL_CERT_FILE");
	setenv("SSL_CERT_DIR", s.files.folder, 1);
	greet(&s, "", "localhost");
	CHECK(LOOP_UNTIL(s.loop, s.client.is_closed));
	CHECK_EQ(s.client.reason, WEIR_EPROTO);
	CHECK_EQ(s.server.seen.len, 0);
	end(&s);
}

TEST_NO_OOM(a_trust_that_nobody_used_is_freed)
{
	struct tls_trust *trust;
	char why[TLS_WHY_SIZE];

	CHECK_EQ(tls_trust_new(&trust, "", why), 0);
	tls_trust_free(&trust);
	CHECK(!trust);
}

TEST_NO_OOM(a_file_without_certificates_is_named)
{
	struct tls_trust *trust;
	char why[TLS_WHY_SIZE];
	struct tls_files f;

	tls_files_make(&f);
	CHECK_EQ(tls_trust_new(&trust, f.key, why), WEIR_ECONF);
	CHECK(strstr(why, f.key) != NULL);
	CHECK_EQ(tls_trust_new(&trust, "/no/such/file", why), WEIR_ECONF);
	CHECK(strstr(why, "/no/such/file") != NULL);
}
