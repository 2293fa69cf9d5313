/* common/io/conn_test.c - connections: bytes, limits, orderly ends, dialing.
 *
 * Not repeated with failing allocations: libuv ends the process when it cannot
 * grow its table of descriptors.
 */
#include "common/io/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io/batch.h"
#include "common/io/loop_wait.h"
#include "common/test/check.h"

struct side {
	struct loop *loop;
	struct conn *conn;
	int fd; /* the peer's end, blocking */
	struct buf seen;
	unsigned data_count;
	unsigned drained_count;
	unsigned open_count;
	unsigned close_count;
	int reason;
	size_t piece;    /* consume in pieces of so many bytes; 0: all */
	int verdict;     /* to return */
	bool is_freeing; /* free in on_data */
	struct buf unread;
	struct buf unsent;
	int detached_fd;
	bool is_detaching;
};

static int64_t on_data(void *ctx, struct span in)
{
	struct side *s = ctx;
	size_t take = s->piece ? in.len - in.len % s->piece : in.len;

	s->data_count++;
	if (s->is_freeing)
		conn_free(&s->conn);
	if (s->is_detaching)
		CHECK_EQ(conn_detach(s->conn, &s->detached_fd, 2, &s->unread,
				     &s->unsent),
			 0);
	if (s->verdict)
		return s->verdict;
	buf_put(&s->seen, span_first(in, take));
	return (int64_t)take;
}

static void on_open(void *ctx)
{
	((struct side *)ctx)->open_count++;
}

static void on_drained(void *ctx)
{
	((struct side *)ctx)->drained_count++;
}

static void on_close(void *ctx, int reason)
{
	struct side *s = ctx;

	s->close_count++;
	s->reason = reason;
	conn_free(&s->conn);
}

static const struct conn_ops ops = {
	.on_open = on_open,
	.on_data = on_data,
	.on_drained = on_drained,
	.on_close = on_close,
};

/* Two ends of a TCP connection: what a reset and SHUT_WR do is TCP's. */
static void tcp_pair(int fd[2])
{
	struct net_addr addr;
	int listen_fd;

	CHECK_EQ(net_addr_parse(&addr, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&listen_fd, &addr), 0);
	CHECK_EQ(net_local_addr(&addr, listen_fd), 0);
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(fd[0], (struct sockaddr *)&addr.ss, addr.len), 0);
	fd[1] = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	CHECK(fd[1] >= 0);
	close(listen_fd);
}

static void begin(struct side *s, const struct conn_limits *limits)
{
	int fd[2];

	tcp_pair(fd);
	s->fd = fd[0];
	CHECK_EQ(loop_new(&s->loop), 0);
	CHECK_EQ(conn_new(&s->conn, s->loop, fd[1], limits, &ops, s), 0);
}

static void end(struct side *s)
{
	conn_free(&s->conn);
	if (s->fd >= 0)
		close(s->fd);
	buf_fini(&s->seen);
	buf_fini(&s->unread);
	buf_fini(&s->unsent);
	loop_free(&s->loop);
}

TEST_NO_OOM(bytes_come_and_go)
{
	struct side s = {0};
	char got[8] = {0};
	struct conn_stats stats;

	begin(&s, NULL);
	CHECK(strstr(conn_peer_text(s.conn), "127.0.0.1:") != NULL);
	CHECK_EQ(write(s.fd, "hello", 5), 5);
	CHECK(LOOP_UNTIL(s.loop, s.seen.len == 5));
	CHECK_SPAN(buf_span(&s.seen), SPAN_LIT("hello"));
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("wor")), 0);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("ld")), 0);
	CHECK_EQ(conn_queued_bytes(s.conn), 5);
	CHECK(LOOP_UNTIL(s.loop, s.drained_count == 1));
	CHECK_EQ(read(s.fd, got, sizeof(got)), 5);
	CHECK_STR(got, "world");
	conn_stats(s.conn, &stats);
	CHECK_EQ(stats.in_bytes, 5);
	CHECK_EQ(stats.out_bytes, 5);
	end(&s);
}

TEST_NO_OOM(bytes_that_are_not_consumed_come_again_with_the_next)
{
	struct side s = {.piece = 4};

	begin(&s, NULL);
	CHECK_EQ(write(s.fd, "abcdef", 6), 6);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 1));
	CHECK_SPAN(buf_span(&s.seen), SPAN_LIT("abcd"));
	CHECK_SPAN(conn_unread(s.conn), SPAN_LIT("ef"));
	CHECK_EQ(write(s.fd, "gh", 2), 2);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 2));
	CHECK_SPAN(buf_span(&s.seen), SPAN_LIT("abcdefgh"));
	CHECK_EQ(conn_unread(s.conn).len, 0);
	end(&s);
}

TEST_NO_OOM(who_sends_more_than_is_consumed_is_closed)
{
	const struct conn_limits limits = {.unread_bytes = 16};
	struct side s = {.piece = 1000};

	begin(&s, &limits);
	CHECK_EQ(write(s.fd, "0123456789abcdef", 16), 16);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 1));
	CHECK_EQ(s.close_count, 0);
	CHECK_EQ(write(s.fd, "!", 1), 1);
	close(s.fd);
	s.fd = -1;
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, WEIR_ELIMIT);
	end(&s);
}

TEST_NO_OOM(a_paused_connection_reads_nothing_until_resumed)
{
	struct side s = {.piece = 4};

	begin(&s, NULL);
	CHECK_EQ(write(s.fd, "ab", 2), 2);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 1));
	conn_pause(s.conn);
	CHECK_EQ(write(s.fd, "cd", 2), 2);
	loop_run_passes(s.loop, 10);
	CHECK_EQ(s.data_count, 1);
	CHECK_SPAN(conn_unread(s.conn), SPAN_LIT("ab"));
	conn_resume(s.conn);
	CHECK(LOOP_UNTIL(s.loop, s.seen.len == 4));
	CHECK_SPAN(buf_span(&s.seen), SPAN_LIT("abcd"));
	end(&s);
}

TEST_NO_OOM(fed_bytes_are_offered_before_those_of_the_socket)
{
	struct side s = {.piece = 4};

	begin(&s, NULL);
	CHECK_EQ(conn_feed(s.conn, SPAN_LIT("abc")), 0);
	CHECK_EQ(write(s.fd, "d", 1), 1);
	CHECK(LOOP_UNTIL(s.loop, s.seen.len == 4));
	CHECK_SPAN(buf_span(&s.seen), SPAN_LIT("abcd"));
	end(&s);
}

TEST_NO_OOM(a_peer_that_does_not_read_meets_the_send_limit)
{
	const struct conn_limits limits = {.send_bytes = 100000};
	struct side s = {0};
	static const uint8_t block[10000];
	int err = 0;
	unsigned count;

	begin(&s, &limits);
	for (count = 0; count < 10000 && !err; count++) {
		size_t before = conn_queued_bytes(s.conn);

		err = conn_send(s.conn, SPAN(block));
		if (!err && before == 0)
			loop_run_passes(s.loop, 2);
	}
	CHECK_EQ(err, WEIR_ELIMIT);
	CHECK(conn_queued_bytes(s.conn) <= 100000);
	CHECK_EQ(s.close_count, 0);
	end(&s);
}

static void read_all(struct side *s, struct buf *out)
{
	uint8_t block[4096];
	ssize_t n;

	while ((n = recv(s->fd, block, sizeof(block), MSG_DONTWAIT)) > 0)
		buf_put(out, span_of(block, (size_t)n));
}

TEST_NO_OOM(an_orderly_close_delivers_the_last_words_then_half_closes)
{
	struct side s = {0};
	char got[16] = {0};

	begin(&s, NULL);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("go away")), 0);
	conn_close(s.conn, WEIR_EPROTO);
	conn_close(s.conn, WEIR_ELIMIT);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("x")), WEIR_ECLOSED);
	/* what the peer still sends must not reset our words away */
	CHECK_EQ(write(s.fd, "blah", 4), 4);
	CHECK(LOOP_UNTIL(s.loop,
			 recv(s.fd, got, 16, MSG_PEEK | MSG_DONTWAIT) == 7));
	CHECK_EQ(read(s.fd, got, sizeof(got)), 7);
	CHECK_STR(got, "go away");
	CHECK(LOOP_UNTIL(s.loop, recv(s.fd, got, 1, MSG_DONTWAIT) == 0));
	CHECK_EQ(s.close_count, 0);
	CHECK_EQ(s.data_count, 0);
	close(s.fd);
	s.fd = -1;
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, WEIR_EPROTO);
	end(&s);
}

TEST_NO_OOM(who_says_nothing_more_goes_on_listening)
{
	struct side s = {0};
	char got[8] = {0};

	begin(&s, NULL);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("bye")), 0);
	conn_shut(s.conn);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("more")), WEIR_ECLOSED);
	CHECK(LOOP_UNTIL(s.loop, s.drained_count == 1));
	CHECK_EQ(read(s.fd, got, sizeof(got)), 3);
	CHECK_EQ(read(s.fd, got, sizeof(got)), 0); /* SHUT_WR */
	CHECK_EQ(write(s.fd, "still", 5), 5);
	CHECK(LOOP_UNTIL(s.loop, s.seen.len == 5));
	CHECK_EQ(s.close_count, 0);
	close(s.fd);
	s.fd = -1;
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, WEIR_ECLOSED);
	end(&s);
}

TEST_NO_OOM(what_the_kernel_has_can_be_read_before_the_end)
{
	struct side s = {0};

	begin(&s, NULL);
	CHECK_EQ(write(s.fd, "last words", 10), 10);
	conn_read(s.conn);
	CHECK_SPAN(buf_span(&s.seen), SPAN_LIT("last words"));
	conn_abort(s.conn, WEIR_ETIMEOUT);
	conn_read(s.conn); /* nothing any more */
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	end(&s);
}

TEST_NO_OOM(a_peer_that_stays_after_the_close_is_left_after_the_linger)
{
	const struct conn_limits limits = {.linger_ms = 30};
	struct side s = {0};

	begin(&s, &limits);
	conn_close(s.conn, WEIR_EPROTO);
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, WEIR_EPROTO);
	end(&s);
}

TEST_NO_OOM(a_closing_peer_that_does_not_read_is_left_in_time)
{
	const struct conn_limits limits = {.linger_ms = 30,
					   .send_bytes = 32u << 20};
	struct side s = {0};
	uint8_t *block = calloc(1, 16u << 20);

	CHECK(block != NULL);
	begin(&s, &limits);
	CHECK_EQ(conn_send(s.conn, span_of(block, 16u << 20)), 0);
	conn_close(s.conn, WEIR_ETIMEOUT);
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, WEIR_ETIMEOUT);
	free(block);
	end(&s);
}

TEST_NO_OOM(all_queued_bytes_arrive_before_the_end)
{
	const struct conn_limits limits = {.send_bytes = 8u << 20};
	struct side s = {0};
	struct buf got = {0};
	uint8_t *block = malloc(4u << 20);

	CHECK(block != NULL);
	for (size_t i = 0; i < 4u << 20; i++)
		block[i] = (uint8_t)(i * 2654435761u >> 24);
	begin(&s, &limits);
	CHECK_EQ(conn_send(s.conn, span_of(block, 4u << 20)), 0);
	conn_close(s.conn, 0);
	CHECK(LOOP_UNTIL(s.loop, (read_all(&s, &got), got.len == 4u << 20)));
	CHECK_SPAN(buf_span(&got), span_of(block, 4u << 20));
	buf_fini(&got);
	free(block);
	end(&s);
}

TEST_NO_OOM(a_verdict_of_on_data_closes_with_that_reason)
{
	struct side s = {.verdict = WEIR_EPROTO};

	begin(&s, NULL);
	CHECK_EQ(write(s.fd, "?", 1), 1);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 1));
	close(s.fd);
	s.fd = -1;
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, WEIR_EPROTO);
	end(&s);
}

TEST_NO_OOM(the_end_of_the_peer_is_told_once)
{
	struct side s = {0};

	begin(&s, NULL);
	CHECK_EQ(write(s.fd, "bye", 3), 3);
	close(s.fd);
	s.fd = -1;
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_SPAN(buf_span(&s.seen), SPAN_LIT("bye"));
	CHECK_EQ(s.reason, WEIR_ECLOSED);
	end(&s);
}

TEST_NO_OOM(what_was_sent_before_a_reset_is_still_read)
{
	struct side s = {0};
	static uint8_t block[100000];
	struct linger hard = {.l_onoff = 1};

	begin(&s, NULL);
	CHECK_EQ(write(s.fd, block, sizeof(block)), sizeof(block));
	CHECK_EQ(setsockopt(s.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)),
		 0);
	close(s.fd);
	s.fd = -1;
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.seen.len, sizeof(block));
	CHECK_EQ(s.reason, -ECONNRESET);
	end(&s);
}

TEST_NO_OOM(a_connection_can_be_freed_while_it_reports_data)
{
	struct side s = {.is_freeing = true};

	begin(&s, NULL);
	CHECK_EQ(write(s.fd, "x", 1), 1);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 1));
	CHECK(!s.conn);
	CHECK_EQ(s.close_count, 0);
	end(&s);
}

TEST_NO_OOM(an_aborted_connection_reports_from_the_end_of_the_pass)
{
	struct side s = {0};

	begin(&s, NULL);
	conn_abort(s.conn, WEIR_ESTOP);
	CHECK_EQ(s.close_count, 0);
	CHECK_EQ(conn_fd(s.conn), -1);
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, WEIR_ESTOP);
	end(&s);
}

TEST_NO_OOM(a_detached_connection_gives_back_all_that_nobody_has_seen)
{
	struct side s = {.is_detaching = true, .detached_fd = -1};

	begin(&s, NULL);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("unsent")), 0);
	CHECK_EQ(conn_feed(s.conn, SPAN_LIT("abcde")), 0);
	CHECK(LOOP_UNTIL(s.loop, s.detached_fd >= 0));
	CHECK_SPAN(buf_span(&s.unread), SPAN_LIT("cde"));
	CHECK_SPAN(buf_span(&s.unsent), SPAN_LIT("unsent"));
	CHECK_EQ(write(s.detached_fd, "mine", 4), 4);
	close(s.detached_fd);
	conn_free(&s.conn);
	CHECK_EQ(s.close_count, 0);
	end(&s);
}

/* ---- looked at with others ---- */

static unsigned no_rest(struct side *s)
{
	(void)s;
	return 0;
}

static unsigned long_rest(struct side *s)
{
	(void)s;
	return 600000;
}

static struct batch *begin_joined(struct side *s, batch_rest_fn *rest)
{
	struct batch *batch;

	begin(s, NULL);
	CHECK_EQ(batch_make(&batch, s->loop, rest, s), 0);
	CHECK_EQ(conn_join(s->conn, batch), 0);
	return batch;
}

static void end_joined(struct side *s, struct batch *batch)
{
	conn_free(&s->conn);
	batch_free(&batch);
	end(s);
}

#define NO_REST   LOOP_TYPED(batch_rest_fn, no_rest, (struct side *)NULL)
#define LONG_REST LOOP_TYPED(batch_rest_fn, long_rest, (struct side *)NULL)

TEST_NO_OOM(with_others_too_bytes_come_and_go)
{
	struct side s = {0};
	struct batch *batch = begin_joined(&s, NO_REST);
	char got[8] = {0};

	CHECK_EQ(write(s.fd, "hello", 5), 5);
	CHECK(LOOP_UNTIL(s.loop, s.seen.len == 5));
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("world")), 0);
	CHECK(LOOP_UNTIL(s.loop, s.drained_count == 1));
	CHECK_EQ(read(s.fd, got, sizeof(got)), 5);
	CHECK_STR(got, "world");
	close(s.fd);
	s.fd = -1;
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, WEIR_ECLOSED);
	end_joined(&s, batch);
}

TEST_NO_OOM(who_joins_twice_or_another_batch_is_looked_at_once)
{
	struct side s = {0};
	struct batch *batch = begin_joined(&s, NO_REST), *other;

	CHECK_EQ(conn_join(s.conn, batch), 0);
	CHECK_EQ(write(s.fd, "a", 1), 1);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 1));
	CHECK_EQ(batch_new(&other, s.loop, no_rest, &s), 0);
	CHECK_EQ(conn_join(s.conn, other), 0);
	batch_free(&batch); /* nobody is in it */
	CHECK_EQ(write(s.fd, "b", 1), 1);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 2));
	CHECK_SPAN(buf_span(&s.seen), SPAN_LIT("ab"));
	end_joined(&s, other);
}

TEST_NO_OOM(who_is_paused_can_join_and_is_resumed_there)
{
	struct side s = {0};
	struct batch *batch;

	begin(&s, NULL);
	CHECK_EQ(batch_new(&batch, s.loop, no_rest, &s), 0);
	conn_pause(s.conn);
	CHECK_EQ(conn_join(s.conn, batch), 0);
	CHECK_EQ(write(s.fd, "ab", 2), 2);
	loop_run_passes(s.loop, 10);
	CHECK_EQ(s.data_count, 0);
	conn_resume(s.conn);
	CHECK(LOOP_UNTIL(s.loop, s.seen.len == 2));
	conn_pause(s.conn);
	CHECK_EQ(write(s.fd, "cd", 2), 2);
	loop_run_passes(s.loop, 10);
	CHECK_EQ(s.seen.len, 2);
	conn_resume(s.conn);
	CHECK(LOOP_UNTIL(s.loop, s.seen.len == 4));
	end_joined(&s, batch);
}

TEST_NO_OOM(who_is_closed_does_not_join)
{
	struct side s = {0};
	struct batch *batch;

	begin(&s, NULL);
	CHECK_EQ(batch_new(&batch, s.loop, no_rest, &s), 0);
	conn_close(s.conn, WEIR_ECLOSED);
	CHECK_EQ(conn_join(s.conn, batch), 0);
	batch_free(&batch);
	end(&s);
}

TEST_NO_OOM(an_orderly_close_with_others_delivers_the_last_words)
{
	struct side s = {0};
	struct batch *batch = begin_joined(&s, NO_REST);
	char got[16] = {0};

	CHECK_EQ(conn_send(s.conn, SPAN_LIT("go away")), 0);
	conn_close(s.conn, WEIR_EPROTO);
	CHECK_EQ(write(s.fd, "blah", 4), 4);
	CHECK(LOOP_UNTIL(s.loop,
			 recv(s.fd, got, 16, MSG_PEEK | MSG_DONTWAIT) == 7));
	close(s.fd);
	s.fd = -1;
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, WEIR_EPROTO);
	CHECK_EQ(s.data_count, 0);
	end_joined(&s, batch);
}

TEST_NO_OOM(what_was_sent_before_a_reset_is_still_read_with_others)
{
	struct side s = {0};
	struct batch *batch = begin_joined(&s, NO_REST);
	static uint8_t block[100000];
	struct linger hard = {.l_onoff = 1};

	CHECK_EQ(write(s.fd, block, sizeof(block)), sizeof(block));
	CHECK_EQ(setsockopt(s.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)),
		 0);
	close(s.fd);
	s.fd = -1;
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.seen.len, sizeof(block));
	CHECK_EQ(s.reason, -ECONNRESET);
	end_joined(&s, batch);
}

TEST_NO_OOM(a_connection_with_others_can_be_freed_while_it_reports_data)
{
	struct side s = {.is_freeing = true};
	struct batch *batch = begin_joined(&s, NO_REST);

	CHECK_EQ(write(s.fd, "x", 1), 1);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 1));
	CHECK(!s.conn);
	CHECK_EQ(s.close_count, 0);
	end_joined(&s, batch);
}

/* What comes in a rest stays in the socket, and goes with it. */
TEST_NO_OOM(a_connection_is_detached_in_a_rest_and_nothing_is_lost)
{
	struct side s = {0};
	struct batch *batch = begin_joined(&s, LONG_REST);
	char got[8] = {0};

	CHECK_EQ(write(s.fd, "a", 1), 1);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 1));
	CHECK_EQ(write(s.fd, "bcd", 3), 3);
	loop_run_passes(s.loop, 10);
	CHECK_EQ(s.data_count, 1);
	CHECK_EQ(conn_detach(s.conn, &s.detached_fd, 0, &s.unread, &s.unsent),
		 0);
	CHECK_EQ(s.unread.len, 0);
	batch_free(&batch); /* nobody is in it */
	CHECK_EQ(recv(s.detached_fd, got, sizeof(got), MSG_DONTWAIT), 3);
	CHECK_STR(got, "bcd");
	close(s.detached_fd);
	end(&s);
}

TEST_NO_OOM(a_connection_is_detached_by_its_own_data_with_others)
{
	struct side s = {.is_detaching = true, .detached_fd = -1, .piece = 100};
	struct batch *batch = begin_joined(&s, NO_REST);

	CHECK_EQ(write(s.fd, "abcde", 5), 5);
	CHECK(LOOP_UNTIL(s.loop, s.detached_fd >= 0));
	CHECK_SPAN(buf_span(&s.unread), SPAN_LIT("cde"));
	CHECK_EQ(write(s.detached_fd, "mine", 4), 4);
	close(s.detached_fd);
	end_joined(&s, batch);
}

TEST_NO_OOM(in_a_rest_the_owner_may_read_and_abort_at_once)
{
	struct side s = {0};
	struct batch *batch = begin_joined(&s, LONG_REST);

	CHECK_EQ(write(s.fd, "first", 5), 5);
	CHECK(LOOP_UNTIL(s.loop, s.data_count == 1));
	CHECK_EQ(write(s.fd, "last", 4), 4);
	conn_read(s.conn);
	CHECK_SPAN(buf_span(&s.seen), SPAN_LIT("firstlast"));
	conn_abort(s.conn, WEIR_ETIMEOUT);
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	end_joined(&s, batch);
}

/* More than one read takes: it is not to wait for the rest to end. */
TEST_NO_OOM(who_sends_much_is_read_to_the_end_before_a_rest)
{
	struct side s = {0};
	struct batch *batch;
	static uint8_t block[4 * LOOP_SCRATCH_BYTES];
	size_t sent = 0;
	int fd[2];

	/* The other end of this one holds nothing back. */
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	s.fd = fd[0];
	CHECK_EQ(loop_new(&s.loop), 0);
	CHECK_EQ(conn_new(&s.conn, s.loop, fd[1], NULL, &ops, &s), 0);
	CHECK_EQ(batch_new(&batch, s.loop, long_rest, &s), 0);
	CHECK_EQ(conn_join(s.conn, batch), 0);
	while (sent < sizeof(block)) {
		ssize_t n =
			send(s.fd, block, sizeof(block) - sent, MSG_DONTWAIT);

		if (n < 0)
			break;
		sent += (size_t)n;
	}
	CHECK(sent > 2 * LOOP_SCRATCH_BYTES);
	CHECK(LOOP_UNTIL(s.loop, s.seen.len == sent));
	end_joined(&s, batch);
}

/* ---- dialing ---- */

static int listen_any(struct net_addr *addr)
{
	int fd;

	CHECK_EQ(net_addr_parse(addr, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&fd, addr), 0);
	CHECK_EQ(net_local_addr(addr, fd), 0);
	return fd;
}

static void dial(const char *host)
{
	struct side s = {.fd = -1};
	struct net_addr addr;
	int listen_fd = listen_any(&addr);
	char got[8] = {0};

	CHECK_EQ(loop_new(&s.loop), 0);
	CHECK_EQ(conn_dial(&s.conn, s.loop, host, net_addr_port(&addr), 5000,
			   NULL, &ops, &s),
		 0);
	CHECK_EQ(conn_send(s.conn, SPAN_LIT("early")), 0);
	CHECK(LOOP_UNTIL(s.loop, s.open_count == 1 || s.close_count));
	CHECK_EQ(s.open_count, 1);
	s.fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	CHECK(LOOP_UNTIL(s.loop,
			 recv(s.fd, got, 8, MSG_DONTWAIT | MSG_PEEK) == 5));
	CHECK_STR(got, "early");
	CHECK_EQ(write(s.fd, "hi", 2), 2);
	CHECK(LOOP_UNTIL(s.loop, s.seen.len == 2));
	close(listen_fd);
	end(&s);
}

TEST_NO_OOM(an_address_is_dialed)
{
	dial("127.0.0.1");
}

TEST_NO_OOM(a_name_is_resolved_and_dialed)
{
	dial("localhost");
}

TEST_NO_OOM(a_refused_dial_is_a_close_with_its_reason)
{
	struct side s = {.fd = -1};
	struct net_addr addr;

	close(listen_any(&addr));
	CHECK_EQ(loop_new(&s.loop), 0);
	CHECK_EQ(conn_dial(&s.conn, s.loop, "127.0.0.1", net_addr_port(&addr),
			   5000, NULL, &ops, &s),
		 0);
	CHECK_EQ(s.close_count, 0);
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, -ECONNREFUSED);
	CHECK_EQ(s.open_count, 0);
	end(&s);
}

/* A listener whose queue is full: the kernel drops further SYNs. */
TEST_NO_OOM(a_dial_that_gets_no_answer_times_out)
{
	struct side s = {.fd = -1};
	struct net_addr addr;
	int listen_fd = listen_any(&addr);
	int filler[4];

	CHECK_EQ(listen(listen_fd, 0), 0);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(filler); i++)
		CHECK_EQ(net_connect(&filler[i], &addr), 0);
	CHECK_EQ(loop_new(&s.loop), 0);
	CHECK_EQ(conn_dial(&s.conn, s.loop, "127.0.0.1", net_addr_port(&addr),
			   50, NULL, &ops, &s),
		 0);
	CHECK(LOOP_UNTIL(s.loop, s.close_count == 1));
	CHECK_EQ(s.reason, WEIR_ETIMEOUT);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(filler); i++)
		close(filler[i]);
	close(listen_fd);
	end(&s);
}

TEST_NO_OOM(a_connection_may_be_freed_while_its_name_is_looked_up)
{
	struct side s = {.fd = -1};

	CHECK_EQ(loop_new(&s.loop), 0);
	CHECK_EQ(conn_dial(&s.conn, s.loop, "localhost", 9, 5000, NULL, &ops,
			   &s),
		 0);
	end(&s);
	CHECK_EQ(s.close_count, 0);
}
