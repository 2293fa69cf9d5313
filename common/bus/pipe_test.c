/* common/bus/pipe_test.c - byte streams over nng.
 *
 * Not repeated with failing allocations: nng's threads allocate when they like,
 * so the count of an allocation says nothing from run to run.
 */
#include "common/bus/pipe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io/clock.h"
#include "common/test/check.h"

#define WAIT_MS 30000

#define WAIT_FOR(loop, cond)                                                   \
	do {                                                                   \
		const uint64_t until_ms = io_mono_ms() + WAIT_MS;              \
		while (!(cond) && io_mono_ms() < until_ms)                     \
			loop_run_once(loop);                                   \
		CHECK(cond);                                                   \
	} while (0)

struct end {
	struct pipe *pipe;
	int opened, sent, closed, err;
	uint64_t bytes;
	uint32_t sum;    /* of what came, in order */
	bool must_close; /* at the next bytes */
	bool is_paused;  /* from the start */
};

struct rig {
	struct loop *loop;
	struct pipes *pipes;
	struct timer *tick; /* so that no pass waits for ever */
	struct pipe_dialer *dialer;
	char url[PIPE_URL_SIZE];
	struct end dialed, accepted;
	bool must_refuse;
};

static uint32_t sum_of(uint32_t sum, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		sum = sum * 31 + s.data[i];
	return sum;
}

static void on_open(void *ctx)
{
	struct end *e = ctx;

	e->opened++;
	if (e->is_paused)
		pipe_pause(e->pipe);
}

static void on_data(void *ctx)
{
	struct end *e = ctx;
	const struct span in = pipe_in(e->pipe);

	if (e->must_close) {
		pipe_close(&e->pipe);
		return;
	}
	e->bytes += in.len;
	e->sum = sum_of(e->sum, in);
	pipe_used(e->pipe, in.len);
}

static void on_sent(void *ctx)
{
	((struct end *)ctx)->sent++;
}

static void on_closed(void *ctx, int err)
{
	struct end *e = ctx;

	e->pipe = NULL;
	e->closed++;
	e->err = err;
}

static const struct pipe_events events = {on_open, on_data, on_sent, on_closed};

static void on_accept(void *ctx, struct pipe *p)
{
	struct rig *rig = ctx;

	if (rig->must_refuse) {
		pipe_close(&p);
		return;
	}
	rig->accepted.pipe = p;
	if (rig->accepted.is_paused)
		pipe_pause(p);
	pipe_own(p, &events, &rig->accepted);
}

static void on_tick(struct rig *rig)
{
	pipes_tick(rig->pipes);
}

static void rig_init(struct rig *rig, const char *url)
{
	*rig = (struct rig){0};
	CHECK_EQ(loop_new(&rig->loop), 0);
	CHECK_EQ(timer_new(&rig->tick, rig->loop, on_tick, rig), 0);
	timer_repeat(rig->tick, 20);
	CHECK_EQ(pipes_new(&rig->pipes, rig->loop, on_accept, rig), 0);
	CHECK_EQ(pipes_listen(rig->pipes, url, rig->url), 0);
	CHECK_EQ(pipe_dialer_new(&rig->dialer, rig->pipes, rig->url), 0);
}

static void rig_dial(struct rig *rig)
{
	CHECK_EQ(pipe_dial(&rig->dialed.pipe, rig->dialer, 10000, &events,
			   &rig->dialed),
		 0);
}

static void rig_open(struct rig *rig, const char *url)
{
	rig_init(rig, url);
	rig_dial(rig);
	WAIT_FOR(rig->loop, rig->dialed.opened && rig->accepted.pipe);
}

static void rig_fini(struct rig *rig)
{
	pipes_free(&rig->pipes);
	timer_free(&rig->tick);
	loop_free(&rig->loop);
}

TEST_NO_OOM(nagle_is_off_at_both_ends)
{
	struct rig rig;

	rig_open(&rig, "tcp://127.0.0.1:0");
	CHECK(pipe_is_nodelay(rig.dialed.pipe));
	CHECK(pipe_is_nodelay(rig.accepted.pipe));
	CHECK_STR(pipe_addr(rig.dialed.pipe), rig.url + strlen("tcp://"));
	CHECK(!strncmp(pipe_addr(rig.accepted.pipe), "127.0.0.1:", 10));
	rig_fini(&rig);
}

/* As the bus does it: paused, watched, resumed. */
static void watch(struct end *e)
{
	pipe_watch(e->pipe);
	pipe_resume(e->pipe);
}

/* Both ends are watched by the loop, before anything came. */
static void rig_open_watched(struct rig *rig)
{
	rig_init(rig, "tcp://127.0.0.1:0");
	rig->dialed.is_paused = rig->accepted.is_paused = true;
	rig_dial(rig);
	WAIT_FOR(rig->loop, rig->dialed.opened && rig->accepted.pipe);
	watch(&rig->dialed);
	watch(&rig->accepted);
	CHECK(pipe_is_watched(rig->dialed.pipe));
	CHECK(pipe_is_watched(rig->accepted.pipe));
}

/* Far more than the kernel takes at once: sends are partial. */
static void check_large(const char *url, bool is_watched)
{
	struct rig rig;
	uint32_t sum = 0;

	if (is_watched)
		rig_open_watched(&rig);
	else
		rig_open(&rig, url);
	for (int i = 0; i < 3; i++) {
		struct buf *out = pipe_out(rig.dialed.pipe);

		for (uint32_t n = 0; n < 1500000; n++)
			buf_put_u32(out, n * 2654435761u + (uint32_t)i);
		CHECK_EQ(buf_error(out), 0);
		sum = sum_of(sum, buf_span(out));
		pipe_send(rig.dialed.pipe);
		CHECK(pipe_is_sending(rig.dialed.pipe));
		WAIT_FOR(rig.loop, rig.dialed.sent == i + 1);
		CHECK_EQ(pipe_out(rig.dialed.pipe)->len, 0);
	}
	WAIT_FOR(rig.loop, rig.accepted.bytes == 3 * 6000000);
	CHECK_EQ(rig.accepted.sum, sum);
	pipe_shrink(rig.dialed.pipe);
	CHECK_EQ(pipe_out(rig.dialed.pipe)->cap, 0);
	rig_fini(&rig);
}

TEST_NO_OOM(many_bytes_come_in_order_over_tcp)
{
	check_large("tcp://127.0.0.1:0", false);
}

TEST_NO_OOM(many_bytes_come_in_order_over_unix_sockets)
{
	char url[PIPE_URL_SIZE];

	snprintf(url, sizeof(url), "ipc:///tmp/weir-pipe-%d", (int)getpid());
	check_large(url, false);
}

TEST_NO_OOM(many_bytes_come_in_order_where_the_loop_watches)
{
	check_large(NULL, true);
}

/* What the socket takes at once needs no event. */
TEST_NO_OOM(a_small_send_of_a_watched_pipe_is_done_in_the_call)
{
	struct rig rig;

	rig_open_watched(&rig);
	buf_put_u8(pipe_out(rig.dialed.pipe), 7);
	pipe_send(rig.dialed.pipe);
	CHECK(!pipe_is_sending(rig.dialed.pipe));
	CHECK_EQ(pipe_out(rig.dialed.pipe)->len, 0);
	WAIT_FOR(rig.loop, rig.accepted.bytes == 1);
	CHECK_EQ(rig.dialed.sent, 0);
	rig_fini(&rig);
}

TEST_NO_OOM(unix_sockets_stay_with_the_threads_of_nng)
{
	char url[PIPE_URL_SIZE];
	struct rig rig;

	snprintf(url, sizeof(url), "ipc:///tmp/weir-pipe-%d", (int)getpid());
	rig_init(&rig, url);
	rig.dialed.is_paused = rig.accepted.is_paused = true;
	rig_dial(&rig);
	WAIT_FOR(rig.loop, rig.dialed.opened && rig.accepted.pipe);
	watch(&rig.accepted);
	CHECK(!pipe_is_watched(rig.accepted.pipe));
	buf_put_u8(pipe_out(rig.dialed.pipe), 7);
	pipe_send(rig.dialed.pipe);
	WAIT_FOR(rig.loop, rig.accepted.bytes == 1 && rig.dialed.sent);
	rig_fini(&rig);
}

TEST_NO_OOM(the_end_of_a_watched_pipe_is_told_once_behind_its_last_bytes)
{
	struct rig rig;

	rig_open_watched(&rig);
	CHECK(buf_grow(pipe_out(rig.dialed.pipe), 100000));
	pipe_send(rig.dialed.pipe);
	CHECK(!pipe_is_sending(rig.dialed.pipe));
	pipe_close(&rig.dialed.pipe);
	WAIT_FOR(rig.loop, rig.accepted.closed);
	CHECK_EQ(rig.accepted.bytes, 100000);
	for (int i = 0; i < 5; i++)
		loop_run_once(rig.loop);
	CHECK_EQ(rig.accepted.closed, 1);
	CHECK_EQ(rig.accepted.err, WEIR_ECLOSED);
	rig_fini(&rig);
}

/* The owner is inside pipe_send: it hears of it later, and once. */
TEST_NO_OOM(a_watched_send_to_who_has_gone_is_told_by_an_event)
{
	struct rig rig;

	rig_open_watched(&rig);
	pipe_pause(rig.dialed.pipe);
	pipe_close(&rig.accepted.pipe);
	for (int i = 0; rig.dialed.pipe && i < 1000; i++) {
		if (!pipe_is_sending(rig.dialed.pipe)) {
			CHECK(buf_grow(pipe_out(rig.dialed.pipe), 100));
			pipe_send(rig.dialed.pipe);
			CHECK_EQ(rig.dialed.closed, 0);
		}
		loop_run_once(rig.loop);
	}
	CHECK_EQ(rig.dialed.closed, 1);
	CHECK(rig.dialed.err != 0);
	rig_fini(&rig);
}

static void check_pause(bool is_watched)
{
	struct rig rig;

	if (is_watched)
		rig_open_watched(&rig);
	else
		rig_open(&rig, "tcp://127.0.0.1:0");
	pipe_pause(rig.accepted.pipe);
	CHECK(buf_grow(pipe_out(rig.dialed.pipe), 50000000));
	pipe_send(rig.dialed.pipe);
	for (int i = 0; i < 20; i++)
		loop_run_once(rig.loop);
	CHECK(rig.accepted.bytes <= PIPE_IN_MAX);
	CHECK_EQ(rig.dialed.sent, 0);
	pipe_resume(rig.accepted.pipe);
	WAIT_FOR(rig.loop, rig.accepted.bytes == 50000000 && rig.dialed.sent);
	rig_fini(&rig);
}

TEST_NO_OOM(a_paused_pipe_reads_no_more_than_a_buffer)
{
	check_pause(false);
}

TEST_NO_OOM(a_watched_pipe_that_is_paused_reads_no_more_than_a_buffer)
{
	check_pause(true);
}

TEST_NO_OOM(nobody_there_is_told_and_can_be_dialed_again)
{
	struct rig rig;

	rig_init(&rig, "tcp://127.0.0.1:0");
	pipe_dialer_free(&rig.dialer);
	CHECK_EQ(pipe_dialer_new(&rig.dialer, rig.pipes, "tcp://127.0.0.1:1"),
		 0);
	for (int i = 1; i <= 3; i++) {
		rig_dial(&rig);
		WAIT_FOR(rig.loop, rig.dialed.closed == i);
		CHECK_EQ(rig.dialed.err, -ECONNREFUSED);
	}
	CHECK_EQ(rig.dialed.opened, 0);
	rig_fini(&rig);
}

TEST_NO_OOM(a_name_that_nobody_knows_is_an_error_of_the_dial)
{
	struct rig rig;

	rig_init(&rig, "tcp://127.0.0.1:0");
	pipe_dialer_free(&rig.dialer);
	CHECK_EQ(pipe_dialer_new(&rig.dialer, rig.pipes,
				 "tcp://no-such-host.invalid:7000"),
		 0);
	rig_dial(&rig);
	WAIT_FOR(rig.loop, rig.dialed.closed);
	CHECK(rig.dialed.err != 0);
	rig_fini(&rig);
}

TEST_NO_OOM(the_peers_end_is_told_once)
{
	struct rig rig;

	rig_open(&rig, "tcp://127.0.0.1:0");
	pipe_close(&rig.accepted.pipe);
	CHECK(!rig.accepted.pipe);
	pipe_close(&rig.accepted.pipe);
	WAIT_FOR(rig.loop, rig.dialed.closed);
	for (int i = 0; i < 5; i++)
		loop_run_once(rig.loop);
	CHECK_EQ(rig.dialed.closed, 1);
	CHECK_EQ(rig.accepted.closed, 0);
	rig_fini(&rig);
}

/* ---- a peer that dies with unread bytes, while we stand still ---- */

#define LAST_BYTES 40000

static int raw_connect(const char *url)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	bool is_tcp = !strncmp(url, "tcp", 3);
	int fd = socket(is_tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons((uint16_t)strtol(strrchr(url, ':') + 1, NULL, 10));
	snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", url + 6);
	if (connect(fd, is_tcp ? (void *)&in : (void *)&un,
		    is_tcp ? sizeof(in) : sizeof(un)))
		_exit(1);
	return fd;
}

static bool stands_still(pid_t pid)
{
	char path[64], text[512] = "";
	const char *name_end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f && !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	name_end = strrchr(text, ')');
	return !name_end || name_end[2] == 'T';
}

/* All of us stops, so that nng learns of the bytes and of the end at once, as
 * on a machine that has no time for us. */
static void die_with_unread_bytes(const char *url)
{
	static const uint8_t last[LAST_BYTES];
	int fd = raw_connect(url);
	struct pollfd answer = {.fd = fd, .events = POLLIN};

	poll(&answer, 1, WAIT_MS);
	kill(getppid(), SIGSTOP);
	while (!stands_still(getppid()))
		;
	if (write(fd, last, sizeof(last)) != sizeof(last))
		_exit(1);
	close(fd);
	kill(getppid(), SIGCONT);
	_exit(0);
}

static void check_last_bytes(const char *url, bool is_watched)
{
	struct rig rig;
	int status;
	pid_t child;

	rig_init(&rig, url);
	rig.accepted.is_paused = is_watched;
	child = fork();
	if (!child)
		die_with_unread_bytes(rig.url);
	WAIT_FOR(rig.loop, rig.accepted.pipe);
	if (is_watched)
		watch(&rig.accepted);
	CHECK_EQ(pipe_is_watched(rig.accepted.pipe), is_watched);
	buf_put_u8(pipe_out(rig.accepted.pipe), 1);
	pipe_send(rig.accepted.pipe);
	WAIT_FOR(rig.loop, rig.accepted.closed);
	CHECK_EQ(rig.accepted.bytes, LAST_BYTES);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	rig_fini(&rig);
}

TEST_NO_OOM(what_a_peer_sent_before_a_reset_is_read_to_its_end)
{
	check_last_bytes("tcp://127.0.0.1:0", false);
}

TEST_NO_OOM(what_a_watched_peer_sent_before_a_reset_is_read_to_its_end)
{
	check_last_bytes("tcp://127.0.0.1:0", true);
}

TEST_NO_OOM(what_a_unix_peer_sent_before_its_end_is_read_to_its_end)
{
	char url[PIPE_URL_SIZE];

	snprintf(url, sizeof(url), "ipc:///tmp/weir-pipe-last-%d",
		 (int)getpid());
	check_last_bytes(url, false);
}

TEST_NO_OOM(a_pipe_may_be_closed_from_its_own_event)
{
	struct rig rig;

	rig_open(&rig, "tcp://127.0.0.1:0");
	rig.accepted.must_close = true;
	buf_put_u8(pipe_out(rig.dialed.pipe), 1);
	pipe_send(rig.dialed.pipe);
	WAIT_FOR(rig.loop, rig.dialed.closed);
	CHECK(!rig.accepted.pipe);
	rig_fini(&rig);
}

TEST_NO_OOM(a_refused_pipe_ends_for_its_dialer)
{
	struct rig rig;

	rig_init(&rig, "tcp://127.0.0.1:0");
	rig.must_refuse = true;
	rig_dial(&rig);
	WAIT_FOR(rig.loop, rig.dialed.closed);
	rig_fini(&rig);
}

/* Whatever is under way when all is freed: sanitizers look for what is left. */
TEST_NO_OOM(all_can_be_freed_at_any_moment)
{
	for (int passes = 0; passes < 12; passes++) {
		struct pipe_dialer *other;
		struct rig rig;

		rig_init(&rig, "tcp://127.0.0.1:0");
		CHECK_EQ(pipe_dialer_new(&other, rig.pipes, rig.url), 0);
		rig_dial(&rig);
		for (int i = 0; i < passes / 2; i++)
			loop_run_once(rig.loop);
		if (passes % 2)
			pipe_dialer_free(&rig.dialer);
		if (passes % 3 == 0)
			pipe_close(&rig.dialed.pipe);
		if (rig.dialed.opened && rig.dialed.pipe) {
			pipe_watch(rig.dialed.pipe);
			CHECK(buf_grow(pipe_out(rig.dialed.pipe), 9000000));
			pipe_send(rig.dialed.pipe);
		}
		rig_fini(&rig);
	}
}
