/* common/io/handover_test.c - connections that change hands, and peers that lie
 * about it.
 *
 * Not repeated with failing allocations: libuv ends the process when it cannot
 * grow its table of descriptors.
 */
#include "common/io/handover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io/handover_wire.h"
#include "common/io/loop_wait.h"
#include "common/io/net.h"
#include "common/test/check.h"

/* A target and a donor in one process. */
struct world {
	struct loop *loop;
	char folder[64], path[600];
	struct handover_door *door;
	struct handover *donor;
	int fds_before;

	/* what the target does and sees */
	enum reason verdict;
	unsigned offers, given, faults;
	const char *fault;
	int fault_err;
	struct handover_offer offer;
	struct buf state, unread, unsent;
	uint64_t in_bytes, out_bytes;
	int taken_fd;

	/* what the donor sees */
	unsigned ready, ended;
	int end_err;
	enum reason end_why;
	char end_detail[HANDOVER_DETAIL_SIZE];
	bool gives_at_once, frees_at_end;
	int fd; /* the connection's near end; */
	int far;
	struct handover_goods goods;
	int give_err;
};

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int count = 0;

	CHECK(d != NULL);
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

/* ---- the target's side ---- */

static enum reason on_offer(void *ctx, const struct handover_offer *offer,
			    char detail[HANDOVER_DETAIL_SIZE])
{
	struct world *w = ctx;

	w->offers++;
	w->offer = *offer;
	if (w->verdict)
		snprintf(detail, HANDOVER_DETAIL_SIZE, "not today");
	return w->verdict;
}

static void on_given(void *ctx, const struct handover_offer *offer, int fd,
		     const struct handover_goods *goods)
{
	struct world *w = ctx;

	w->given++;
	w->offer = *offer;
	w->taken_fd = fd;
	buf_clear(&w->state);
	buf_clear(&w->unread);
	buf_clear(&w->unsent);
	buf_put(&w->state, goods->state);
	buf_put(&w->unread, goods->unread);
	buf_put(&w->unsent, goods->unsent);
	w->in_bytes = goods->in_bytes;
	w->out_bytes = goods->out_bytes;
}

static void on_fault(void *ctx, int err, const char *what)
{
	struct world *w = ctx;

	w->faults++;
	w->fault_err = err;
	w->fault = what;
}

static const struct handover_door_ops door_ops = {on_offer, on_given, on_fault};

/* ---- the donor's side ---- */

static void on_ready(void *ctx)
{
	struct world *w = ctx;

	w->ready++;
	if (!w->gives_at_once)
		return;
	w->give_err = handover_give(w->donor, w->fd, &w->goods);
	if (w->give_err == WEIR_EAGAIN)
		return;
	w->ended++;
	w->end_err = w->give_err;
	handover_free(&w->donor);
}

static void on_end(void *ctx, int err, enum reason why, const char *detail)
{
	struct world *w = ctx;

	w->ended++;
	w->end_err = err;
	w->end_why = why;
	snprintf(w->end_detail, sizeof(w->end_detail), "%s", detail);
	if (w->frees_at_end)
		handover_free(&w->donor);
}

static const struct handover_events donor_events = {on_ready, on_end};

static const struct handover_offer publish = {
	.to = "ingest-1",
	.from = "edge-1",
	.protocol = "rtmp",
	.work = "publish",
	.stream = "live/büro",
	.peer = "203.0.113.9:51822",
};

static int offer(struct world *w)
{
	return handover_new(&w->donor, w->loop, w->path, &publish, NULL,
			    &donor_events, w);
}

/* ---- before and after ---- */

static void open_door(struct world *w, const struct handover_door_limits *lim)
{
	CHECK_EQ(handover_door_new(&w->door, w->loop, w->path, lim, &door_ops,
				   w),
		 0);
}

static void begin_at(struct world *w, const char *name)
{
	int pair[2];

	*w = (struct world){
		.taken_fd = -1, .gives_at_once = true, .frees_at_end = true};
	snprintf(w->folder, sizeof(w->folder), "/tmp/weir-handover-XXXXXX");
	CHECK(mkdtemp(w->folder) != NULL);
	snprintf(w->path, sizeof(w->path), "%s/%s", w->folder, name);
	CHECK_EQ(loop_new(&w->loop), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	w->fd = pair[0];
	w->far = pair[1];
	w->goods = (struct handover_goods){
		.state = SPAN_LIT("state"),
		.unread = SPAN_LIT("unread"),
		.unsent = SPAN_LIT("unsent"),
		.in_bytes = 1ull << 40,
		.out_bytes = 7,
	};
}

static void begin(struct world *w)
{
	begin_at(w, "ingest-1.handover");
	open_door(w, NULL);
	w->fds_before = open_fds();
}

static void end(struct world *w)
{
	handover_free(&w->donor);
	handover_door_free(&w->door);
	CHECK(access(w->path, F_OK) && errno == ENOENT);
	if (w->taken_fd >= 0)
		close(w->taken_fd);
	if (w->fd >= 0)
		close(w->fd);
	close(w->far);
	rmdir(w->folder);
	buf_fini(&w->state);
	buf_fini(&w->unread);
	buf_fini(&w->unsent);
	loop_free(&w->loop);
}

/* Nobody is connected to the door any more, and nothing was left open. */
static void check_nothing_is_left(struct world *w, int more)
{
	struct handover_door_stats s = {.open_count = 1};

	CHECK(LOOP_UNTIL(w->loop, (handover_door_stats(w->door, &s),
				   s.open_count == 0)));
	CHECK_EQ(open_fds(), w->fds_before + more);
}

static void check_reaches(int from, int to)
{
	char word[8] = "";

	CHECK_EQ(write(from, "hello", 5), 5);
	CHECK_EQ(read(to, word, sizeof(word)), 5);
	CHECK_STR(word, "hello");
}

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
	CHECK_EQ(w.in_bytes, 1ll << 40);
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
		rmdir(w[i].folder);
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

/* ---- donors that lie ---- */

static int send_with(int to, struct span words, const int *fd, size_t fds)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control = {0};
	struct iovec part_of = {(void *)(uintptr_t)words.data, words.len};
	struct msghdr m = {.msg_iov = &part_of, .msg_iovlen = 1};

	if (fds) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fd, fds * sizeof(int));
	}
	return sendmsg(to, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* A donor by hand that is through with its offer. */
static int connect_and_offer(struct world *w)
{
	struct buf packet = {0};
	int fd;

	CHECK_EQ(net_unix_connect(&fd, w->path), 0);
	handover_offer_write(&packet, &publish);
	CHECK_EQ(send_with(fd, buf_span(&packet), NULL, 0), 0);
	buf_fini(&packet);
	return fd;
}

#define GOODS     "\1\0\0\0\1s"
#define LIES_FDS  3
#define MANY_FDS  40 /* more than a packet is looked through for */
#define OFFER_MIN "\1\1\1\0\1i\3\0\1r\4\0\1p"

/* After the offer was accepted, or in its place. */
static const struct lie {
	const char *is;
	struct span words[2];
	size_t fds[2];
	bool is_first; /* no offer before */
	int err;
} lies[] = {
	{"no offer at all", {SPAN_LIT("\4x")}, {0}, true, WEIR_EPROTO},
	{"an empty offer", {SPAN_LIT("\1")}, {0}, true, WEIR_EPROTO},
	{"an offer that is cut",
	 {SPAN_LIT("\1\1\1\0")},
	 {0},
	 true,
	 WEIR_EPROTO},
	{"an offer for nobody",
	 {SPAN_LIT("\1\1\3\0\1r\4\0\1p")},
	 {0},
	 true,
	 WEIR_EPROTO},
	{"a newline in a name",
	 {SPAN_LIT("\1\1\1\0\1\n\3\0\1r\4\0\1p")},
	 {0},
	 true,
	 WEIR_EPROTO},
	{"another version",
	 {SPAN_LIT("\1\2\1\0\1i\3\0\1r\4\0\1p")},
	 {0},
	 true,
	 WEIR_EUNSUPPORTED},
	{"an offer with descriptors",
	 {SPAN_LIT(OFFER_MIN)},
	 {LIES_FDS},
	 true,
	 WEIR_EPROTO},
	{"a second offer", {SPAN_LIT(OFFER_MIN)}, {0}, false, WEIR_EPROTO},
	{"a packet of no kind", {SPAN_LIT("\77")}, {0}, false, WEIR_EPROTO},
	{"a part with a descriptor",
	 {SPAN_LIT("\4x")},
	 {1},
	 false,
	 WEIR_EPROTO},
	{"no descriptor",
	 {SPAN_LIT("\4" GOODS), SPAN_LIT("\5\0\0\0\6")},
	 {0},
	 false,
	 WEIR_EPROTO},
	{"three descriptors",
	 {SPAN_LIT("\4" GOODS), SPAN_LIT("\5\0\0\0\6")},
	 {0, LIES_FDS},
	 false,
	 WEIR_EPROTO},
	{"forty descriptors",
	 {SPAN_LIT("\4" GOODS), SPAN_LIT("\5\0\0\0\6")},
	 {0, MANY_FDS},
	 false,
	 WEIR_EPROTO},
	{"less than it says",
	 {SPAN_LIT("\4" GOODS), SPAN_LIT("\5\0\0\0\7")},
	 {0, 1},
	 false,
	 WEIR_EPROTO},
	{"a length that is cut",
	 {SPAN_LIT("\4" GOODS), SPAN_LIT("\5\0")},
	 {0, 1},
	 false,
	 WEIR_EPROTO},
	{"goods that are cut",
	 {SPAN_LIT("\4\1\0\0\0\2s"), SPAN_LIT("\5\0\0\0\6")},
	 {0, 1},
	 false,
	 WEIR_EPROTO},
};

TEST_NO_OOM(whatever_a_donor_lies_no_descriptor_stays)
{
	struct world w;
	int many[MANY_FDS];

	begin(&w);
	for (size_t i = 0; i < MANY_FDS; i++)
		many[i] = w.fd;
	for (size_t i = 0; i < WEIR_ARRAY_LEN(lies); i++) {
		const struct lie *lie = &lies[i];
		unsigned faults = w.faults;
		int fd;

		if (!lie->is_first)
			fd = connect_and_offer(&w);
		else
			CHECK_EQ(net_unix_connect(&fd, w.path), 0);
		for (size_t k = 0; k < 2 && lie->words[k].len; k++)
			CHECK_EQ(
				send_with(fd, lie->words[k], many, lie->fds[k]),
				0);
		CHECK(LOOP_UNTIL(w.loop, w.faults > faults));
		CHECK_EQ(w.fault_err, lie->err);
		close(fd);
		check_nothing_is_left(&w, 0);
	}
	CHECK_EQ(w.given, 0);
	check_reaches(w.fd, w.far);
	end(&w);
}

TEST_NO_OOM(a_descriptor_that_is_no_connection_is_closed)
{
	static const char *const what = "the descriptor is no connection";
	struct world w;
	int other[3], listening;

	begin(&w);
	CHECK_EQ(net_unix_listen(&listening, "/tmp"), -EADDRINUSE);
	other[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	other[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	other[2] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(listen(other[2], 1), 0);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(other); i++) {
		unsigned faults = w.faults;
		int fd = connect_and_offer(&w);

		CHECK(other[i] >= 0);
		CHECK_EQ(send_with(fd, SPAN_LIT("\4" GOODS), NULL, 0), 0);
		CHECK_EQ(send_with(fd, SPAN_LIT("\5\0\0\0\6"), &other[i], 1),
			 0);
		CHECK(LOOP_UNTIL(w.loop, w.faults > faults));
		CHECK_STR(w.fault, what);
		close(fd);
		check_nothing_is_left(&w, 3);
	}
	for (size_t i = 0; i < WEIR_ARRAY_LEN(other); i++)
		close(other[i]);
	end(&w);
}

TEST_NO_OOM(fields_of_a_newer_donor_are_skipped)
{
	struct world w;
	int fd;

	begin(&w);
	CHECK_EQ(net_unix_connect(&fd, w.path), 0);
	CHECK_EQ(send_with(fd, SPAN_LIT(OFFER_MIN "\377\0\2zz"), NULL, 0), 0);
	CHECK_EQ(send_with(fd, SPAN_LIT("\4" GOODS "\377\0\0\0\1z"), NULL, 0),
		 0);
	CHECK_EQ(send_with(fd, SPAN_LIT("\5\0\0\0\14"), &w.fd, 1), 0);
	CHECK(LOOP_UNTIL(w.loop, w.given));
	CHECK_STR(w.offer.to, "i");
	CHECK_SPAN(buf_span(&w.state), SPAN_LIT("s"));
	close(fd);
	check_nothing_is_left(&w, 1);
	end(&w);
}

TEST_NO_OOM(more_goods_than_the_limit_end_it_and_memory_follows_bytes)
{
	const struct handover_door_limits limits = {.goods_bytes = 100000};
	static uint8_t packet[32769] = {HANDOVER_PART};
	struct world w;
	int fd;

	begin_at(&w, "ingest-1.handover");
	open_door(&w, &limits);
	w.fds_before = open_fds();
	fd = connect_and_offer(&w);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(send_with(fd, SPAN(packet), NULL, 0), 0);
	CHECK(LOOP_UNTIL(w.loop, w.faults));
	CHECK_EQ(w.fault_err, WEIR_ELIMIT);
	close(fd);
	check_nothing_is_left(&w, 0);
	end(&w);
}

TEST_NO_OOM(a_donor_that_says_nothing_or_stops_is_closed_in_time)
{
	const struct handover_door_limits limits = {.give_ms = 50};
	struct world w;
	int fd;

	begin_at(&w, "ingest-1.handover");
	open_door(&w, &limits);
	w.fds_before = open_fds();
	CHECK_EQ(net_unix_connect(&fd, w.path), 0);
	CHECK(LOOP_UNTIL(w.loop, w.faults == 1));
	CHECK_EQ(w.fault_err, WEIR_ETIMEOUT);
	CHECK_STR(w.fault, "no offer came");
	close(fd);
	fd = connect_and_offer(&w);
	CHECK_EQ(send_with(fd, SPAN_LIT("\4" GOODS), NULL, 0), 0);
	CHECK(LOOP_UNTIL(w.loop, w.faults == 2));
	CHECK_STR(w.fault, "what was offered did not come");
	close(fd);
	check_nothing_is_left(&w, 0);
	end(&w);
}

TEST_NO_OOM(a_donor_that_takes_its_offer_back_is_no_fault)
{
	struct world w;

	begin(&w);
	w.gives_at_once = false;
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.ready));
	handover_free(&w.donor);
	check_nothing_is_left(&w, 0);
	CHECK_EQ(w.faults, 0);
	CHECK_EQ(w.given, 0);
	check_reaches(w.fd, w.far);
	end(&w);
}

TEST_NO_OOM(more_donors_than_the_limit_are_sent_away_at_once)
{
	const struct handover_door_limits limits = {.open_max = 1};
	struct world w;
	int fd;

	begin_at(&w, "ingest-1.handover");
	open_door(&w, &limits);
	w.fds_before = open_fds();
	CHECK_EQ(net_unix_connect(&fd, w.path), 0);
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.ended));
	CHECK(w.end_err == WEIR_ECLOSED || w.end_err == -ECONNRESET);
	close(fd);
	check_nothing_is_left(&w, 0);
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.given));
	end(&w);
}

TEST_NO_OOM(a_door_that_closes_leaves_donors_with_what_they_have)
{
	struct world w;

	begin(&w);
	w.gives_at_once = false;
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.ready));
	handover_door_free(&w.door);
	CHECK(LOOP_UNTIL(w.loop, w.ended));
	CHECK(w.end_err != 0);
	check_reaches(w.fd, w.far);
	end(&w);
}

TEST_NO_OOM(out_of_descriptors_nothing_leaks_and_it_works_again_later)
{
	enum { MOST = 64 };
	const struct rlimit few = {MOST, MOST};
	int filler[MOST];
	struct world w;
	size_t count = 0;
	int donor;

	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
	begin(&w);
	donor = connect_and_offer(&w);
	CHECK(LOOP_UNTIL(w.loop, w.offers == 1));
	CHECK_EQ(send_with(donor, SPAN_LIT("\4" GOODS), NULL, 0), 0);
	CHECK_EQ(send_with(donor, SPAN_LIT("\5\0\0\0\6"), &w.fd, 1), 0);
	while (count < MOST &&
	       (filler[count] = fcntl(w.fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		count++;
	CHECK(count < MOST);
	CHECK(LOOP_UNTIL(w.loop, w.faults == 1));
	while (count > 0)
		close(filler[--count]);
	close(donor);
	check_nothing_is_left(&w, 0);
	CHECK_EQ(offer(&w), 0);
	CHECK(LOOP_UNTIL(w.loop, w.given));
	end(&w);
}

TEST_NO_OOM(a_thousand_hand_overs_leave_no_descriptor)
{
	struct world w;

	begin(&w);
	for (unsigned i = 1; i <= 1000; i++) {
		CHECK_EQ(offer(&w), 0);
		CHECK(LOOP_UNTIL(w.loop, w.given == i && w.ended == i));
		close(w.taken_fd);
		w.taken_fd = -1;
	}
	check_nothing_is_left(&w, 0);
	end(&w);
}
