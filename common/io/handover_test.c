/* common/io/handover_test.c - connections that change hands, and targets that
 * are not there, do not answer, or lie.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "common/io/handover_rig_test.h"

/* ---- what is good ---- */

TEST_NO_OOM(a_connection_changes_hands_with_all_that_belongs_to_it)
{
	struct world w;

	begin(&w);
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.given && w.ended));
	CHECK_EQ(w.end_err, 0);
	CHECK_STR(w.offer.to, "ingest-1");
	CHECK_STR(w.offer.from, "edge-1");
	CHECK_STR(w.offer.protocol, "rtmp");
	CHECK_STR(w.offer.work, "publish");
	CHECK_STR(w.offer.stream, "live/büro");
	CHECK_STR(w.offer.peer, "203.0.113.9:51822");
	CHECK_SPAN(buf_span(&w.state), SPAN_LIT("state"));
	CHECK_SPAN(buf_span(&w.unread), SPAN_LIT("unread"));
	CHECK_SPAN(buf_span(&w.unsent), SPAN_LIT("unsent"));
	CHECK_EQ(w.in_bytes, 1LL << 40);
	CHECK_EQ(w.out_bytes, 7);
	CHECK(fcntl(w.taken_fd, F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(w.taken_fd, F_GETFL) & O_NONBLOCK);
	close(w.fd);
	w.fd = -1;
	check_reaches(w.taken_fd, w.far);
	check_reaches(w.far, w.taken_fd);
	check_nothing_is_left(&w, 0); /* one came, one went */
	end(&w);
}

TEST_NO_OOM(goods_that_the_socket_cannot_hold_at_once_arrive_whole)
{
	struct world w;
	struct buf big = {0};
	uint8_t *at = buf_grow(&big, 3u << 20);

	CHECK(at != NULL);
	for (size_t i = 0; i < big.len; i++)
		at[i] = (uint8_t)(i * 7 + i / 977);
	begin(&w);
	w.goods.state = buf_span(&big);
	w.goods.unread = (struct span){0};
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.given && w.ended));
	CHECK_EQ(w.give_err, WEIR_EAGAIN);
	CHECK_EQ(w.end_err, 0);
	CHECK_SPAN(buf_span(&w.state), buf_span(&big));
	CHECK_EQ(w.unread.len, 0);
	check_nothing_is_left(&w, 1);
	buf_fini(&big);
	end(&w);
}

TEST_NO_OOM(a_no_says_why_and_the_connection_stays_where_it_was)
{
	struct world w;

	begin(&w);
	w.verdict = REASON_draining;
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.ended));
	CHECK_EQ(w.end_err, WEIR_EBUSY);
	CHECK_EQ(w.end_why, REASON_draining);
	CHECK_STR(w.end_detail, "not today");
	CHECK_EQ(w.ready, 0);
	check_reaches(w.fd, w.far);
	check_nothing_is_left(&w, 0);
	end(&w);
}

TEST_NO_OOM(many_are_handed_over_at_once)
{
	struct world w[40];
	struct world *target = &w[0];

	begin(target);
	for (size_t i = 1; i < WEIR_ARRAY_LEN(w); i++) {
		begin_at(&w[i], "none");
		loop_free(&w[i].loop);
		w[i].loop = target->loop;
		snprintf(w[i].path, sizeof(w[i].path), "%s", target->path);
		CHECK_EQ(offer(&w[i]), 0);
	}
	for (size_t i = 1; i < WEIR_ARRAY_LEN(w); i++) {
		CHECK(LOOP_UNTIL(target->loop, w[i].ended));
		CHECK_EQ(w[i].end_err, 0);
	}
	CHECK(LOOP_UNTIL(target->loop, target->given == WEIR_ARRAY_LEN(w) - 1));
	for (size_t i = 1; i < WEIR_ARRAY_LEN(w); i++) {
		close(w[i].fd);
		close(w[i].far);
	}
	end(target);
}

TEST_NO_OOM(the_socket_is_of_its_user_alone_and_may_have_a_long_path)
{
	struct world w;
	struct stat st;
	char name[180];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	begin_at(&w, "d");
	CHECK_EQ(mkdir(w.path, 0700), 0);
	for (int i = 0; i < 3; i++) {
		size_t len = strlen(w.path);

		snprintf(w.path + len, sizeof(w.path) - len, "/%.60s", name);
		CHECK_EQ(mkdir(w.path, 0700), 0);
	}
	snprintf(w.path + strlen(w.path), 32, "/ingest-1.handover");
	open_door(&w, NULL);
	CHECK_EQ(stat(w.path, &st), 0);
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_EQ(st.st_mode & 07777, 0600);
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.given && w.ended));
	CHECK_EQ(w.end_err, 0);
	handover_door_free(&w.door);
	CHECK(access(w.path, F_OK));
	for (int i = 0; i < 4; i++) {
		*strrchr(w.path, '/') = '\0';
		CHECK_EQ(rmdir(w.path), 0);
	}
	end(&w);
}

TEST_NO_OOM(a_dead_socket_is_replaced_and_a_living_one_is_not)
{
	struct world w;
	struct handover_door *other = NULL;
	int dead;

	begin_at(&w, "ingest-1.handover");
	CHECK_EQ(net_unix_listen(&dead, w.path), 0);
	close(dead); /* as by a process that was killed */
	CHECK_EQ(access(w.path, F_OK), 0);
	CHECK_EQ(offer(&w), -ECONNREFUSED);
	open_door(&w, NULL);
	CHECK_EQ(handover_door_new(&other, w.loop, w.path, NULL, &door_ops, &w),
		 -EADDRINUSE);
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.given && w.ended));
	end(&w);
}

TEST_NO_OOM(a_file_that_is_no_socket_stays)
{
	struct world w;
	int fd;

	begin_at(&w, "ingest-1.handover");
	fd = open(w.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(
		handover_door_new(&w.door, w.loop, w.path, NULL, &door_ops, &w),
		-EADDRINUSE);
	CHECK_EQ(offer(&w), -ECONNREFUSED);
	CHECK_EQ(access(w.path, F_OK), 0);
	unlink(w.path);
	end(&w);
}

/* ---- targets that are not there, do not answer, or lie ---- */

TEST_NO_OOM(where_nobody_lives_the_donor_is_told_at_once)
{
	struct world w;

	begin_at(&w, "nobody");
	CHECK_EQ(offer(&w), -ENOENT);
	snprintf(w.path, sizeof(w.path), "relative");
	CHECK_EQ(offer(&w), WEIR_EINVAL);
	snprintf(w.path, sizeof(w.path), "%s/gone", w.folder);
	end(&w);
}

/* A target by hand: `*fd` is its end. */
static void meet(struct world *w, int *listening, int *fd)
{
	begin_at(w, "by-hand");
	CHECK_EQ(net_unix_listen(listening, w->path), 0);
	w->fds_before = open_fds();
	CHECK_EQ(offer(w), 0);
	*fd = accept(*listening, NULL, NULL);
	CHECK(*fd >= 0);
}

static void part(struct world *w, int listening, int fd)
{
	close(fd);
	close(listening);
	unlink(w->path);
	CHECK_EQ(w->ended, 1);
	check_reaches(w->fd, w->far); /* still ours */
	CHECK_EQ(open_fds(), w->fds_before - 1);
	end(w);
}

TEST_NO_OOM(a_target_that_does_not_answer_costs_200_ms)
{
	struct world w;
	int listening, fd;
	uint64_t begin_ms;

	meet(&w, &listening, &fd);
	begin_ms = io_mono_ms();
	CHECK(LOOP_UNTIL(w.loop, w.ended));
	CHECK(io_mono_ms() - begin_ms >= 190);
	CHECK_EQ(w.end_err, WEIR_ETIMEOUT);
	part(&w, listening, fd);
}

TEST_NO_OOM(a_target_that_dies_before_it_answers_is_noticed)
{
	struct world w;
	int listening, fd;

	meet(&w, &listening, &fd);
	CHECK_EQ(shutdown(fd, SHUT_RDWR), 0);
	CHECK(LOOP_UNTIL(w.loop, w.ended));
	CHECK_EQ(w.end_err, WEIR_ECLOSED);
	part(&w, listening, fd);
}

TEST_NO_OOM(a_target_that_dies_in_mid_hand_over_has_been_given_nothing)
{
	struct world w;
	struct buf big = {0};
	int listening, fd;

	CHECK(buf_grow(&big, 3u << 20) != NULL);
	meet(&w, &listening, &fd);
	w.goods.state = buf_span(&big);
	CHECK_EQ(send(fd, "\2", 1, 0), 1);
	CHECK(LOOP_UNTIL(w.loop, w.ready));
	CHECK_EQ(w.give_err, WEIR_EAGAIN);
	CHECK_EQ(w.ended, 0);
	CHECK_EQ(shutdown(fd, SHUT_RDWR), 0);
	CHECK(LOOP_UNTIL(w.loop, w.ended));
	CHECK(w.end_err != 0);
	buf_fini(&big);
	part(&w, listening, fd);
}

TEST_NO_OOM(a_target_that_stops_taking_in_mid_hand_over_times_out)
{
	struct world w;
	struct buf big = {0};
	int listening, fd;

	CHECK(buf_grow(&big, 3u << 20) != NULL);
	meet(&w, &listening, &fd);
	w.goods.state = buf_span(&big);
	CHECK_EQ(send(fd, "\2", 1, 0), 1);
	CHECK(LOOP_UNTIL(w.loop, w.ended));
	CHECK_EQ(w.end_err, WEIR_ETIMEOUT);
	buf_fini(&big);
	part(&w, listening, fd);
}

TEST_NO_OOM(answers_that_are_none_end_it)
{
	static const struct {
		struct span words;
		int err;
		enum reason why;
	} row[] = {
		{SPAN_LIT("\1"), WEIR_EPROTO, REASON_protocol_error},
		{SPAN_LIT("\5"), WEIR_EPROTO, REASON_protocol_error},
		{SPAN_LIT("hello"), WEIR_EPROTO, REASON_protocol_error},
		{SPAN_LIT("\3\1"), WEIR_EPROTO, REASON_protocol_error},
		{SPAN_LIT("\3\1\0\377x"), WEIR_EPROTO, REASON_protocol_error},
		{SPAN_LIT("\3\2\0\1\n"), WEIR_EPROTO, REASON_protocol_error},
		{SPAN_LIT("\3"), WEIR_EBUSY, REASON_internal},
		{SPAN_LIT("\3\1\0\5weary"), WEIR_EBUSY, REASON_internal},
		{SPAN_LIT("\3\1\0\4busy\377\0\0"), WEIR_EBUSY, REASON_busy},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(row); i++) {
		struct world w;
		int listening, fd;

		meet(&w, &listening, &fd);
		CHECK_EQ(send(fd, row[i].words.data, row[i].words.len, 0),
			 (int64_t)row[i].words.len);
		CHECK(LOOP_UNTIL(w.loop, w.ended));
		CHECK_EQ(w.end_err, row[i].err);
		CHECK_EQ(w.end_why, row[i].why);
		part(&w, listening, fd);
	}
}
