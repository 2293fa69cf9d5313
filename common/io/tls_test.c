/* common/io/tls_test.c - TLS: of itself, and under a connection. */
#include "common/io/tls.h"

#include <unistd.h>

#include "common/io/conn.h"
#include "common/io/loop_wait.h"
#include "common/io/tls_rig_test.h"

struct scene {
	struct loop *loop;
	struct tls_identity *id;
	struct conn *conn;
	struct tls *tls; /* the conn's */
	struct tls_peer peer;
	int fd; /* the peer's end */
	struct buf seen;
	unsigned closed;
	int reason;
	const char *fault;
};

static int64_t on_data(void *ctx, struct span in)
{
	struct scene *s = ctx;

	buf_put(&s->seen, in);
	return (int64_t)in.len;
}

static void on_close(void *ctx, int reason)
{
	struct scene *s = ctx;

	s->closed++;
	s->reason = reason;
	s->fault = conn_fault(s->conn);
	conn_free(&s->conn);
}

static const struct conn_ops ops = {.on_data = on_data, .on_close = on_close};

static const struct conn_limits limits = {.send_bytes = 4 << 20,
					  .linger_ms = 200};

static void pair(int fd[2])
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
}

static void serve(struct scene *s, int fd)
{
	CHECK_EQ(conn_new(&s->conn, s->loop, fd, &limits, &ops, s), 0);
	CHECK_EQ(tls_new(&s->tls, s->id, fd), 0);
	conn_set_tls(s->conn, s->tls);
}

static void begin(struct scene *s, int version)
{
	int fd[2];

	*s = (struct scene){0};
	CHECK_EQ(loop_new(&s->loop), 0);
	s->id = tls_make_identity();
	pair(fd);
	s->fd = fd[1];
	serve(s, fd[0]);
	tls_peer_begin(&s->peer, s->fd, version);
}

static void end(struct scene *s)
{
	conn_free(&s->conn);
	tls_peer_end(&s->peer);
	if (s->fd >= 0)
		close(s->fd);
	tls_identity_free(&s->id);
	buf_fini(&s->seen);
	loop_free(&s->loop);
}

static void shake_hands(struct scene *s)
{
	CHECK(LOOP_UNTIL(s->loop,
			 tls_peer_step(&s->peer) && tls_is_open(s->tls)));
}

/* ---- certificates ---- */

static void check_refused(const char *cert, const char *key, const char *file,
			  const char *reason)
{
	struct tls_identity *id = NULL;
	char why[TLS_WHY_SIZE];

	CHECK_EQ(tls_identity_new(&id, cert, key, why), WEIR_ECONF);
	CHECK(strstr(why, file) == why);
	CHECK(strstr(why, reason) != NULL);
	CHECK(!id);
}

TEST_NO_OOM(a_bad_pair_is_refused_with_the_file_and_the_reason)
{
	struct tls_files a, b;

	tls_files_make(&a);
	tls_files_make(&b);
	check_refused("/nowhere.pem", a.key, "/nowhere.pem", "No such file");
	check_refused(a.cert, "/nowhere.pem", "/nowhere.pem", "No such file");
	check_refused(a.key, a.key, a.key, "no start line");
	check_refused(a.cert, a.cert, a.cert, "unsupported");
	check_refused(a.cert, b.key, b.key, "key values mismatch");
	check_refused(a.folder, a.key, a.folder, ": ");
}

/* ---- a conversation ---- */

static void check_conversation(int version)
{
	struct scene s;

	begin(&s, version);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("first ")), 0); /* waits */
	shake_hands(&s);
	CHECK(LOOP_UNTIL(s.loop,
			 (tls_peer_step(&s.peer), s.peer.seen.len == 6)));
	tls_peer_say(&s.peer, SPAN_LIT("hello"));
	CHECK(LOOP_UNTIL(s.loop, (tls_peer_step(&s.peer), s.seen.len == 5)));
	CHECK_SPAN(buf_span(&s.seen), SPAN_LIT("hello"));
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("world")), 0);
	CHECK(LOOP_UNTIL(s.loop,
			 (tls_peer_step(&s.peer), s.peer.seen.len == 11)));
	CHECK_SPAN(buf_span(&s.peer.seen), SPAN_LIT("first world"));
	CHECK(!s.closed);
	end(&s);
}

TEST_NO_OOM(bytes_go_both_ways)
{
	check_conversation(TLS1_2_VERSION);
	check_conversation(TLS1_3_VERSION);
}

TEST_NO_OOM(a_handshake_may_come_in_pieces)
{
	for (size_t piece = 1; piece < 600; piece = piece * 2 + 1) {
		struct scene s;

		begin(&s, 0);
		s.peer.piece = piece;
		shake_hands(&s);
		tls_peer_say(&s.peer, SPAN_LIT("hello"));
		CHECK(LOOP_UNTIL(s.loop,
				 (tls_peer_step(&s.peer), s.seen.len == 5)));
		end(&s);
	}
}

TEST_NO_OOM(last_words_and_the_end_are_heard)
{
	struct scene s;

	begin(&s, 0);
	shake_hands(&s);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("goodbye")), 0);
	conn_close(s.conn, WEIR_ESTOP);
	CHECK(LOOP_UNTIL(
		s.loop, (tls_peer_step(&s.peer), tls_peer_heard_end(&s.peer))));
	CHECK_SPAN(buf_span(&s.peer.seen), SPAN_LIT("goodbye"));
	CHECK(LOOP_UNTIL(s.loop, s.closed == 1));
	CHECK_EQ(s.reason, WEIR_ESTOP);
	end(&s);
}

TEST_NO_OOM(who_has_no_more_to_say_still_listens)
{
	struct scene s;

	begin(&s, 0);
	shake_hands(&s);
	conn_shut(s.conn);
	CHECK(LOOP_UNTIL(
		s.loop, (tls_peer_step(&s.peer), tls_peer_heard_end(&s.peer))));
	tls_peer_say(&s.peer, SPAN_LIT("hello"));
	CHECK(LOOP_UNTIL(s.loop, (tls_peer_step(&s.peer), s.seen.len == 5)));
	CHECK(!s.closed);
	end(&s);
}

TEST_NO_OOM(who_comes_back_with_a_ticket_is_known)
{
	struct scene s;
	SSL_SESSION *ticket;
	struct tls_peer again;
	int fd[2];

	begin(&s, 0);
	shake_hands(&s);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("x")), 0);
	CHECK(LOOP_UNTIL(s.loop,
			 (tls_peer_step(&s.peer), s.peer.seen.len == 1)));
	CHECK(!SSL_session_reused(s.peer.ssl));
	ticket = SSL_get1_session(s.peer.ssl);
	conn_free(&s.conn);
	pair(fd);
	serve(&s, fd[0]);
	tls_peer_begin(&again, fd[1], 0);
	CHECK(SSL_set_session(again.ssl, ticket));
	CHECK(LOOP_UNTIL(s.loop, tls_peer_step(&again)));
	CHECK(SSL_session_reused(again.ssl));
	SSL_SESSION_free(ticket);
	tls_peer_end(&again);
	close(fd[1]);
	end(&s);
}

TEST_NO_OOM(keys_may_be_renewed)
{
	struct scene s;

	begin(&s, TLS1_3_VERSION);
	shake_hands(&s);
	CHECK(SSL_key_update(s.peer.ssl, SSL_KEY_UPDATE_REQUESTED));
	tls_peer_say(&s.peer, SPAN_LIT("hello"));
	CHECK(LOOP_UNTIL(s.loop, (tls_peer_step(&s.peer), s.seen.len == 5)));
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("world")), 0);
	CHECK(LOOP_UNTIL(s.loop,
			 (tls_peer_step(&s.peer), s.peer.seen.len == 5)));
	CHECK(!s.peer.fault);
	end(&s);
}

TEST_NO_OOM(a_socket_goes_on_with_who_gets_it_and_its_tls)
{
	struct scene s;
	struct buf unread = {0}, unsent = {0};
	struct tls *tls;
	int fd;

	begin(&s, 0);
	shake_hands(&s);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("late")), 0);
	CHECK_EQ(conn_detach(s.conn, &fd, 0, &unread, &unsent), 0);
	tls = conn_take_tls(s.conn);
	CHECK(tls && !conn_take_tls(s.conn));
	conn_free(&s.conn);
	CHECK_EQ(conn_new(&s.conn, s.loop, fd, &limits, &ops, &s), 0);
	conn_set_tls(s.conn, tls);
	CHECK_EQ(conn_send(s.conn, buf_span(&unsent)), 0);
	CHECK(LOOP_UNTIL(s.loop,
			 (tls_peer_step(&s.peer), s.peer.seen.len == 4)));
	CHECK_SPAN(buf_span(&s.peer.seen), SPAN_LIT("late"));
	buf_fini(&unread);
	buf_fini(&unsent);
	end(&s);
}

/* ---- hostile peers ---- */

static void check_garbage(struct span bytes, const char *fault)
{
	struct scene s;

	begin(&s, 0);
	CHECK_EQ(send(s.fd, bytes.data, bytes.len, MSG_NOSIGNAL),
		 (ssize_t)bytes.len);
	CHECK(LOOP_UNTIL(s.loop, s.closed == 1));
	CHECK_EQ(s.reason, WEIR_EPROTO);
	CHECK_STR(s.fault, fault);
	CHECK_EQ(s.seen.len, 0);
	end(&s);
}

TEST_NO_OOM(what_is_no_greeting_closes_with_the_reason)
{
	check_garbage(SPAN_LIT("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
		      "http request");
	check_garbage(SPAN_LIT("\3aaaabbbbccccddddeeee"),
		      "wrong version number");
	check_garbage(SPAN_LIT("\x17\3\3\0\4abcd"), "unexpected message");
	check_garbage(SPAN_LIT("\x16\3\1\0\5\1\0\0\1\7"), "length too short");
}

/* 4 MB are promised, or the promise comes a byte at a time. */
TEST_NO_OOM(nothing_is_kept_for_a_greeting_that_promises_too_much)
{
	check_garbage(SPAN_LIT("\x16\3\1\1\0\1\x40\0\0"),
		      "no greeting of a sane size");
	check_garbage(SPAN_LIT("\x16\3\1\0\1\1\x16\3\1\0\1\x40"),
		      "no greeting of a sane size");
}

/* It offers keys of a kind that we do not take, and those of another kind. */
static void begin_asked_again(struct scene *s)
{
	begin(s, TLS1_3_VERSION);
	CHECK(SSL_set1_groups_list(s->peer.ssl, "P-521:P-256"));
}

TEST_NO_OOM(who_is_asked_for_other_keys_greets_again)
{
	struct scene s;

	begin_asked_again(&s);
	s.peer.piece = 7;
	shake_hands(&s);
	tls_peer_say(&s.peer, SPAN_LIT("hello"));
	CHECK(LOOP_UNTIL(s.loop, (tls_peer_step(&s.peer), s.seen.len == 5)));
	end(&s);
}

TEST_NO_OOM(nor_for_a_second_greeting_that_promises_too_much)
{
	struct scene s;
	uint8_t answer[1024];

	begin_asked_again(&s);
	SSL_do_handshake(s.peer.ssl);
	tls_peer_send(&s.peer);
	CHECK(LOOP_UNTIL(s.loop,
			 recv(s.fd, answer, sizeof(answer), MSG_PEEK) > 0));
	CHECK(recv(s.fd, answer, sizeof(answer), 0) > 0);
	CHECK_EQ(answer[0], 22);
	CHECK_EQ(send(s.fd, "\x14\3\3\0\1\1\x16\3\3\1\0\1\x01\0\0", 15,
		      MSG_NOSIGNAL),
		 15);
	CHECK(LOOP_UNTIL(s.loop, s.closed == 1));
	CHECK_EQ(s.reason, WEIR_EPROTO);
	CHECK_STR(s.fault, "no greeting of a sane size");
	end(&s);
}

TEST_NO_OOM(who_speaks_only_what_is_too_old_is_told_so)
{
	struct scene s;

	begin(&s, TLS1_1_VERSION);
	CHECK(LOOP_UNTIL(s.loop, (tls_peer_step(&s.peer), s.closed == 1)));
	CHECK_EQ(s.reason, WEIR_EPROTO);
	CHECK_STR(s.fault, "unsupported protocol");
	CHECK_STR(s.peer.fault, "tlsv1 alert protocol version");
	end(&s);
}

TEST_NO_OOM(a_record_that_was_changed_on_its_way_closes)
{
	const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(versions); i++) {
		struct scene s;
		char *bytes;
		long len;

		begin(&s, versions[i]);
		shake_hands(&s);
		CHECK(LOOP_UNTIL(s.loop, (tls_peer_step(&s.peer),
					  BIO_pending(s.peer.out) == 0)));
		tls_peer_say(&s.peer, SPAN_LIT("hello"));
		len = BIO_get_mem_data(s.peer.out, &bytes);
		bytes[len - 1] ^= 1;
		CHECK(LOOP_UNTIL(s.loop,
				 (tls_peer_step(&s.peer), s.closed == 1)));
		CHECK_EQ(s.reason, WEIR_EPROTO);
		CHECK_STR(s.fault, "decryption failed or bad record mac");
		CHECK(strstr(s.peer.fault, "bad record mac") != NULL);
		CHECK_EQ(s.seen.len, 0);
		end(&s);
	}
}

TEST_NO_OOM(who_leaves_in_the_middle_of_anything_has_left)
{
	for (int turns = 0; turns < 4; turns++) {
		struct scene s;

		begin(&s, TLS1_2_VERSION);
		s.peer.piece = 100;
		for (int i = 0; i < turns; i++) {
			tls_peer_step(&s.peer);
			loop_run_passes(s.loop, 4);
		}
		close(s.fd);
		s.fd = -1;
		CHECK(LOOP_UNTIL(s.loop, s.closed == 1));
		CHECK(s.reason == WEIR_ECLOSED || s.reason == -ECONNRESET);
		CHECK(!s.fault);
		end(&s);
	}
}

TEST_NO_OOM(nobody_makes_a_second_handshake)
{
	struct scene s;

	begin(&s, TLS1_2_VERSION);
	shake_hands(&s);
	CHECK(SSL_renegotiate(s.peer.ssl));
	SSL_do_handshake(s.peer.ssl);
	CHECK(LOOP_UNTIL(s.loop, (tls_peer_step(&s.peer), s.peer.fault)));
	CHECK_STR(s.peer.fault, "no renegotiation");
	end(&s);
}

/* ---- who does not read ---- */

struct flow {
	struct tls_identity *id;
	struct tls *tls;
	struct tls_peer peer;
	int fd[2];
	struct buf text;
};

static void begin_flow(struct flow *f, size_t bytes)
{
	const int small = 8192;
	uint8_t scratch[TLS_READ_MIN];

	*f = (struct flow){.id = tls_make_identity()};
	pair(f->fd);
	CHECK_EQ(setsockopt(f->fd[0], SOL_SOCKET, SO_SNDBUF, &small,
			    sizeof(small)),
		 0);
	CHECK_EQ(tls_new(&f->tls, f->id, f->fd[0]), 0);
	tls_peer_begin(&f->peer, f->fd[1], 0);
	for (int i = 0; i < 100 && !tls_is_open(f->tls); i++) {
		tls_peer_step(&f->peer);
		CHECK_EQ(tls_read(f->tls, scratch, sizeof(scratch)),
			 WEIR_EAGAIN);
		CHECK(tls_flush(f->tls) >= 0);
	}
	CHECK(tls_is_open(f->tls));
	for (uint32_t i = 0; i < bytes / 4; i++)
		buf_put(&f->text, span_of(&i, sizeof(i)));
}

static void end_flow(struct flow *f)
{
	tls_free(&f->tls);
	tls_identity_free(&f->id);
	tls_peer_end(&f->peer);
	close(f->fd[0]);
	close(f->fd[1]);
	buf_fini(&f->text);
}

TEST_NO_OOM(what_waits_for_a_peer_that_does_not_read_is_one_record)
{
	struct flow f;
	size_t done = 0;
	ssize_t n;

	begin_flow(&f, 1 << 20);
	for (;;) {
		struct span rest = span_from(buf_span(&f.text), done);

		n = tls_write(f.tls, &rest, 1);
		if (n == WEIR_EAGAIN)
			break;
		CHECK(n > 0);
		done += (size_t)n;
	}
	CHECK(done < f.text.len / 2);
	CHECK(tls_is_waiting(f.tls));
	CHECK(tls_waiting_bytes(f.tls) <= 16384 + 64);
	end_flow(&f);
}

/* What was accepted is sent as it was, whatever comes next: here what follows
 * is always given in other spans than what did not fit. */
TEST_NO_OOM(a_slow_peer_gets_every_byte_once_and_in_order)
{
	struct flow f;
	size_t done = 0;

	begin_flow(&f, 1 << 20);
	while (f.peer.seen.len < f.text.len) {
		struct span rest = span_from(buf_span(&f.text), done);
		const struct span s[3] = {
			span_first(rest, 1000),
			span_first(span_from(rest, 1000), 40000),
			span_first(span_from(rest, 41000), 7),
		};
		ssize_t n =
			rest.len ? tls_write(f.tls, s, 3) : tls_flush(f.tls);

		CHECK(n >= 0 || n == WEIR_EAGAIN);
		if (n > 0 && rest.len)
			done += (size_t)n;
		tls_peer_step(&f.peer);
		CHECK(!f.peer.fault);
	}
	CHECK_SPAN(buf_span(&f.peer.seen), buf_span(&f.text));
	CHECK(!tls_is_waiting(f.tls));
	end_flow(&f);
}

TEST_NO_OOM(a_connection_sends_all_to_a_slow_peer_before_it_ends)
{
	struct scene s;
	struct buf text = {0};

	begin(&s, 0);
	shake_hands(&s);
	for (uint32_t i = 0; i < 1 << 18; i++)
		buf_put(&text, span_of(&i, sizeof(i)));
	CHECK_EQ(conn_send(s.conn, buf_span(&text)), 0);
	conn_close(s.conn, WEIR_ESTOP);
	CHECK(LOOP_UNTIL(
		s.loop, (tls_peer_step(&s.peer), tls_peer_heard_end(&s.peer))));
	CHECK_SPAN(buf_span(&s.peer.seen), buf_span(&text));
	buf_fini(&text);
	end(&s);
}
