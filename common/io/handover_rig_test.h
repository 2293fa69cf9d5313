/* common/io/handover_rig_test.h - a target and a donor in one process, for the
 * tests of hand-over.
 *
 * They are not repeated with failing allocations: libuv ends the process when it
 * cannot grow its table of descriptors.
 */
#ifndef WEIR_IO_HANDOVER_RIG_TEST_H
#define WEIR_IO_HANDOVER_RIG_TEST_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/io/handover_wire.h"
#include "common/io/loop_wait.h"
#include "common/io/net.h"
#include "common/test/check.h"

/* A target and a donor in one process. */
struct world {
	struct loop *loop;
	char folder[TEST_PATH_SIZE], path[600];
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

static inline int open_fds(void)
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

static inline enum reason on_offer(void *ctx,
				   const struct handover_offer *offer,
				   char detail[HANDOVER_DETAIL_SIZE])
{
	struct world *w = ctx;

	w->offers++;
	w->offer = *offer;
	if (w->verdict)
		snprintf(detail, HANDOVER_DETAIL_SIZE, "not today");
	return w->verdict;
}

static inline void on_given(void *ctx, const struct handover_offer *offer,
			    int fd, const struct handover_goods *goods)
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

static inline void on_fault(void *ctx, int err, const char *what)
{
	struct world *w = ctx;

	w->faults++;
	w->fault_err = err;
	w->fault = what;
}

static const struct handover_door_ops door_ops = {on_offer, on_given, on_fault};

/* ---- the donor's side ---- */

static inline void on_ready(void *ctx)
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

static inline void on_end(void *ctx, int err, enum reason why,
			  const char *detail)
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

static inline int offer(struct world *w)
{
	return handover_new(&w->donor, w->loop, w->path, &publish, NULL,
			    &donor_events, w);
}

/* ---- before and after ---- */

static inline void open_door(struct world *w,
			     const struct handover_door_limits *lim)
{
	CHECK_EQ(handover_door_new(&w->door, w->loop, w->path, lim, &door_ops,
				   w),
		 0);
}

static inline void begin_at(struct world *w, const char *name)
{
	int pair[2];

	*w = (struct world){
		.taken_fd = -1, .gives_at_once = true, .frees_at_end = true};
	test_path(w->folder);
	CHECK_EQ(mkdir(w->folder, 0700), 0);
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

static inline void begin(struct world *w)
{
	begin_at(w, "ingest-1.handover");
	open_door(w, NULL);
	w->fds_before = open_fds();
}

static inline void end(struct world *w)
{
	handover_free(&w->donor);
	handover_door_free(&w->door);
	CHECK(access(w->path, F_OK) && errno == ENOENT);
	if (w->taken_fd >= 0)
		close(w->taken_fd);
	if (w->fd >= 0)
		close(w->fd);
	close(w->far);
	buf_fini(&w->state);
	buf_fini(&w->unread);
	buf_fini(&w->unsent);
	loop_free(&w->loop);
}

/* Nobody is connected to the door any more, and nothing was left open. */
static inline void check_nothing_is_left(struct world *w, int more)
{
	struct handover_door_stats s = {.open_count = 1};

	CHECK(LOOP_UNTIL(w->loop, (handover_door_stats(w->door, &s),
				   s.open_count == 0)));
	CHECK_EQ(open_fds(), w->fds_before + more);
}

static inline void check_reaches(int from, int to)
{
	char word[8] = "";

	CHECK_EQ(write(from, "hello", 5), 5);
	CHECK_EQ(read(to, word, sizeof(word)), 5);
	CHECK_STR(word, "hello");
}

#endif
