/* common/io/net_test.c - addresses, inherited sockets, accepting.
 *
 * What uses a loop is not repeated with failing allocations: libuv ends the
 * process when it cannot grow its table of descriptors.
 */
#include "common/io/net.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io/loop_wait.h"
#include "common/test/check.h"

TEST(addresses_are_read_and_written)
{
	static const char *const good[][2] = {
		{"127.0.0.1:1935", "127.0.0.1:1935"},
		{"[::1]:80", "[::1]:80"},
		{":8080", "[::]:8080"},
		{"0.0.0.0:0", "0.0.0.0:0"},
		{"localhost:65535", "127.0.0.1:65535"},
		{"[2001:db8::7]:1", "[2001:db8::7]:1"},
		{"[::ffff:10.0.0.1]:9", "10.0.0.1:9"},
	};
	char text[NET_ADDR_TEXT_SIZE];

	for (size_t i = 0; i < WEIR_ARRAY_LEN(good); i++) {
		struct net_addr a;

		CHECK_EQ(net_addr_parse(&a, good[i][0]), 0);
		CHECK_STR(net_addr_text(text, &a), good[i][1]);
	}
}

TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = {
		"",           "80",           "host.example:80", "127.0.0.1",
		"127.0.0.1:", "1.2.3:80",     "1.2.3.4:65536",   "1.2.3.4:-1",
		"1.2.3.4:1a", "::1:80",       "[::1:80",         "[::1]80",
		"[]:80",      "[1.2.3.4]:80",
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		struct net_addr a;

		CHECK_EQ(net_addr_parse(&a, bad[i]), WEIR_EINVAL);
	}
}

TEST(loopback_is_known_in_all_its_forms)
{
	static const struct {
		const char *text;
		bool is_loopback;
	} cases[] = {
		{"127.0.0.1:1", true},
		{"127.9.9.9:1", true},
		{"[::1]:1", true},
		{"[::ffff:127.0.0.1]:1", true},
		{"[::ffff:10.0.0.1]:1", false},
		{"10.0.0.1:1", false},
		{":1", false},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct net_addr a;

		CHECK_EQ(net_addr_parse(&a, cases[i].text), 0);
		CHECK_EQ(net_addr_is_loopback(&a), cases[i].is_loopback);
	}
}

static int listen_any(struct net_addr *addr)
{
	int fd;

	CHECK_EQ(net_addr_parse(addr, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&fd, addr), 0);
	CHECK_EQ(net_local_addr(addr, fd), 0);
	CHECK(net_addr_port(addr) != 0);
	return fd;
}

TEST(a_port_is_bound_once)
{
	struct net_addr addr;
	int fd = listen_any(&addr);
	int second = -1;

	CHECK_EQ(net_listen(&second, &addr), -EADDRINUSE);
	CHECK_EQ(second, -1);
	close(fd);
}

/* ---- inherited sockets ---- */

static void set_environment(const char *fds, const char *names, const char *pid)
{
	setenv("LISTEN_FDS", fds, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	if (pid)
		setenv("LISTEN_PID", pid, 1);
}

/* In a process of its own, because descriptors 3 and up are fixed numbers. */
static int take_inherited(void)
{
	struct net_inherit in;
	int fd = -1;
	char pid[16];

	if (dup2(1, 3) != 3 || dup2(1, 4) != 4 || dup2(1, 5) != 5)
		return 1;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	set_environment("3", "rtmp:http:rtmp", pid);
	net_inherit_init(&in);
	if (getenv("LISTEN_FDS") || getenv("LISTEN_FDNAMES"))
		return 2;
	if (net_inherit_take(&in, &fd, "http") || fd != 4)
		return 3;
	if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		return 4;
	if (net_inherit_take(&in, &fd, "rtmp") || fd != 3)
		return 5;
	if (net_inherit_take(&in, &fd, "http") != WEIR_ENOENT)
		return 6;
	net_inherit_fini(&in);
	if (fcntl(5, F_GETFD) != -1)
		return 7;
	set_environment("1", "rtmp", "1"); /* not our pid */
	net_inherit_init(&in);
	return net_inherit_take(&in, &fd, "rtmp") == WEIR_ENOENT ? 0 : 8;
}

TEST(inherited_sockets_are_found_by_name)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(take_inherited());
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

/* ---- finding ---- */

static void check_found(const char *where)
{
	struct net_addr any, self, peer;
	int door, one, two;

	CHECK_EQ(net_addr_parse(&any, where), 0);
	CHECK_EQ(net_listen(&door, &any), 0);
	CHECK_EQ(net_local_addr(&peer, door), 0);
	CHECK_EQ(net_connect(&one, &peer), 0);
	CHECK_EQ(net_connect(&two, &peer), 0);
	CHECK_EQ(net_local_addr(&self, two), 0);
	CHECK_EQ(net_find_socket(&self, &peer), two);
	CHECK_EQ(net_local_addr(&self, one), 0);
	CHECK_EQ(net_find_socket(&self, &peer), one);
	close(one);
	CHECK_EQ(net_find_socket(&self, &peer), -1);
	close(two);
	close(door);
}

TEST_NO_OOM(a_connection_is_found_by_both_its_ends)
{
	check_found("127.0.0.1:0");
	check_found("[::1]:0");
}

/* ---- accepting ---- */

struct hall {
	struct loop *loop;
	struct listener *listener;
	struct net_addr addr;
	int fd[64];
	unsigned count;
	bool is_leaving; /* free the listener with the first peer */
};

static void keep_peer(struct hall *h, int fd, const struct net_addr *peer)
{
	CHECK(net_addr_is_loopback(peer));
	h->fd[h->count++] = fd;
	if (h->is_leaving)
		listener_free(&h->listener);
}

static void open_hall(struct hall *h, unsigned open_max)
{
	const struct listener_limits limits = {.open_max = open_max};
	int fd = listen_any(&h->addr);

	CHECK_EQ(loop_new(&h->loop), 0);
	CHECK_EQ(listener_new(&h->listener, h->loop, fd, &limits, keep_peer, h),
		 0);
}

static void close_hall(struct hall *h)
{
	for (unsigned i = 0; i < h->count; i++)
		close(h->fd[i]);
	listener_free(&h->listener);
	loop_free(&h->loop);
}

static int call(const struct hall *h)
{
	int fd;

	CHECK_EQ(net_connect(&fd, &h->addr), 0);
	return fd;
}

static bool is_hung_up(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&p, 1, 0) == 1 && read(fd, &byte, 1) <= 0;
}

TEST_NO_OOM(peers_are_accepted_up_to_the_limit_and_refused_beyond)
{
	struct hall h = {0};
	struct listener_stats stats;
	int peer[4];

	open_hall(&h, 2);
	for (int i = 0; i < 3; i++)
		peer[i] = call(&h);
	CHECK(LOOP_UNTIL(h.loop, is_hung_up(peer[2])));
	CHECK_EQ(h.count, 2);
	CHECK(!is_hung_up(peer[0]));
	listener_done(h.listener);
	peer[3] = call(&h);
	CHECK(LOOP_UNTIL(h.loop, h.count == 3));
	listener_stats(h.listener, &stats);
	CHECK_EQ(stats.accepted_count, 3);
	CHECK_EQ(stats.refused_full_count, 1);
	CHECK_EQ(stats.open_count, 2);
	for (int i = 0; i < 4; i++)
		close(peer[i]);
	close_hall(&h);
}

TEST_NO_OOM(a_paused_listener_leaves_peers_in_the_queue)
{
	struct hall h = {0};
	int peer;

	open_hall(&h, 0);
	listener_pause(h.listener);
	peer = call(&h);
	loop_run_passes(h.loop, 10);
	CHECK_EQ(h.count, 0);
	listener_resume(h.listener);
	CHECK(LOOP_UNTIL(h.loop, h.count == 1));
	close(peer);
	close_hall(&h);
}

TEST_NO_OOM(a_listener_can_be_freed_by_its_own_callback)
{
	struct hall h = {.is_leaving = true};
	int peer;

	open_hall(&h, 0);
	peer = call(&h);
	CHECK(LOOP_UNTIL(h.loop, h.count == 1));
	CHECK(!h.listener);
	close(peer);
	close_hall(&h);
}

/* Take all descriptors that are left but `spare`; returns how many. */
static size_t exhaust(int *fd, size_t max, size_t spare)
{
	size_t count = 0;

	while (count < max && (fd[count] = dup(1)) >= 0)
		count++;
	while (spare-- > 0 && count > 0)
		close(fd[--count]);
	return count;
}

TEST_NO_OOM(without_descriptors_peers_are_refused_and_the_loop_does_not_spin)
{
	struct rlimit old;
	struct rlimit small;
	struct hall h = {0};
	struct listener_stats stats;
	int fd[256];
	int peer;
	size_t count;

	open_hall(&h, 0);
	peer = call(&h);
	/* libuv opens nothing more once it runs */
	CHECK(LOOP_UNTIL(h.loop, h.count == 1));
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
	small = old;
	small.rlim_cur = 128;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
	close(peer);
	count = exhaust(fd, WEIR_ARRAY_LEN(fd), 1);
	peer = call(&h);
	CHECK(LOOP_UNTIL(h.loop, is_hung_up(peer)));
	listener_stats(h.listener, &stats);
	CHECK_EQ(stats.refused_lack_count, 1);
	close(peer);
	while (count > 0)
		close(fd[--count]);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
	/* and it goes on as before */
	peer = call(&h);
	CHECK(LOOP_UNTIL(h.loop, h.count == 2));
	close(peer);
	close_hall(&h);
}
