/* common/svc/svc_test.c - a process from its flags to its end.
 *
 * Each test runs a whole process of its own, and so is not repeated with
 * failing allocations: libuv would end it.
 */
#include "common/svc/svc.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/stat/promtool.h"
#include "common/test/check.h"

/* ---- a small service ---- */

struct toy_settings {
	const char *listen;
	int64_t drain_ms;
};

static const struct conf_key toy_keys[] = {
	CONF_ADDR(struct toy_settings, listen, "127.0.0.1:0", CONF_FIXED,
		  "Where the toy listens."),
	CONF_INT(struct toy_settings, drain_ms, "ms", -1, 10000, 0, CONF_FIXED,
		 "How long the toy drains; -1 for ever."),
};
static const struct conf_table toy_conf =
	CONF_TABLE("edge", "The toy.", struct toy_settings, toy_keys);
static const struct conf_table *const toy_confs[] = {&toy_conf, NULL};
static const struct log_event toy_event = {"toy.drain", LOG_INFO, "",
					   "The toy drains."};
static const struct log_event *const toy_events[] = {&toy_event, NULL};
static const struct log_event *const *const toy_lists[] = {toy_events, NULL};

static int toy_check(const struct conf *conf, char why[SVC_WHY_SIZE])
{
	const struct toy_settings *s = conf_get(conf, &toy_conf);

	if (s->drain_ms != 13)
		return 0;
	snprintf(why, SVC_WHY_SIZE, "edge.drain_ms: an unlucky number");
	return WEIR_ECONF;
}

static const struct svc_desc toy_desc = {
	.role = "edge",
	.sentence = "a toy for tests",
	.admin_listen = "127.0.0.1:0",
	.conf = toy_confs,
	.events = toy_lists,
	.check = toy_check,
};

struct toy {
	struct svc *svc;
	struct timer *timer;
	int fd;
};

static void toy_drained(struct toy *toy)
{
	svc_drained(toy->svc);
}

static void toy_drain(struct toy *toy)
{
	const struct toy_settings *s = svc_settings(toy->svc, &toy_conf);

	logger_event(svc_log(toy->svc), &toy_event, kv_str("role", "toy"));
	if (s->drain_ms >= 0)
		timer_start(toy->timer, (uint64_t)s->drain_ms);
}

static int toy_open(struct toy *toy)
{
	const struct toy_settings *s = svc_settings(toy->svc, &toy_conf);
	char text[NET_ADDR_TEXT_SIZE];
	struct net_addr addr;
	int err = svc_listen(toy->svc, &toy->fd, "toy", s->listen);

	if (!err)
		err = net_local_addr(&addr, toy->fd);
	if (!err)
		err = svc_add_address(toy->svc, "toy",
				      net_addr_text(text, &addr));
	if (!err)
		err = timer_new(&toy->timer, svc_loop(toy->svc), toy_drained,
				toy);
	if (!err) {
		svc_on_drain(toy->svc, toy_drain, toy);
		svc_ready(toy->svc, true, "");
	}
	return err;
}

static int toy_main(int argc, char **argv)
{
	struct toy toy = {.fd = -1};
	int err = svc_new(&toy.svc, &toy_desc, argc, argv);

	if (err)
		goto out;
	err = toy_open(&toy);
	if (err)
		goto out;
	err = svc_confine(toy.svc);
	if (err)
		goto out;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		err = WEIR_EINVAL;
	if (!err)
		err = svc_run(toy.svc);
out:
	timer_free(&toy.timer);
	if (toy.fd >= 0)
		close(toy.fd);
	return svc_exit(&toy.svc, err);
}

/* ---- running it ---- */

struct run {
	pid_t pid;
	int out; /* its standard output */
	int err;
	int ready;
	char text[65536];
	int status;
};

static void child(int argc, char **argv, int out, int err, int ready)
{
	if (dup2(out, 1) != 1 || dup2(err, 2) != 2 || dup2(ready, 9) != 9)
		_exit(98);
	_exit(toy_main(argc, argv));
}

static void begin(struct run *r, int argc, char **argv)
{
	int out[2];
	int err[2];
	int ready[2];

	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(err, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(ready, O_CLOEXEC), 0);
	fflush(NULL);
	r->pid = fork();
	if (r->pid == 0)
		child(argc, argv, out[1], err[1], ready[1]);
	CHECK(r->pid > 0);
	close(out[1]);
	close(err[1]);
	close(ready[1]);
	r->out = out[0];
	r->err = err[0];
	r->ready = ready[0];
}

#define BEGIN(r, ...)                                                          \
	char *argv_[] = {"weir-edge", __VA_ARGS__, NULL};                      \
	begin((r), (int)WEIR_ARRAY_LEN(argv_) - 1, argv_)

/* Read until `end` is seen or the other side closes; ten seconds at most. */
static const char *read_until(struct run *r, int fd, const char *end)
{
	size_t len = 0;

	r->text[0] = '\0';
	while (!*end || !strstr(r->text, end)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, 10000) != 1 || len == sizeof(r->text) - 1)
			break;
		n = read(fd, r->text + len, sizeof(r->text) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
		r->text[len] = '\0';
	}
	return r->text;
}

static int finish(struct run *r)
{
	CHECK_EQ(waitpid(r->pid, &r->status, 0), r->pid);
	close(r->out);
	close(r->err);
	close(r->ready);
	return WIFEXITED(r->status) ? WEXITSTATUS(r->status)
				    : -WTERMSIG(r->status);
}

/* The address that the ready line gives under `name`. */
static void find_address(char out[64], const char *line, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":\"", name);
	at = strstr(line, key);
	CHECK(at != NULL);
	at += strlen(key);
	snprintf(out, 64, "%.*s", (int)strcspn(at, "\""), at);
}

static const char *get(struct run *r, const char *addr_text, const char *path)
{
	struct net_addr addr;
	char question[128];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(net_addr_parse(&addr, addr_text), 0);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr.ss, addr.len), 0);
	snprintf(question, sizeof(question),
		 "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		 path);
	CHECK_EQ(write(fd, question, strlen(question)), strlen(question));
	read_until(r, fd, "");
	close(fd);
	return r->text;
}

/* ---- flags that end at once ---- */

TEST_NO_OOM(help_version_and_docs_are_printed)
{
	static const char *const cases[][3] = {
		{"--help", NULL, "weir-edge: a toy for tests\n"},
		{"--version", NULL, "weir-edge "},
		{"--docs", "conf", "| `edge.drain_ms` |"},
		{"--docs", "stats", "| `weir_ready` | gauge |"},
		{"--docs", "log", "| `toy.drain` | info |"},
		{"--print-conf", NULL, "\"stream_identity\": \"path\""},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct run r;
		char *argv[] = {"weir-edge", (char *)(uintptr_t)cases[i][0],
				(char *)(uintptr_t)cases[i][1], NULL};

		begin(&r, cases[i][1] ? 3 : 2, argv);
		CHECK(strstr(read_until(&r, r.out, ""), cases[i][2]) != NULL);
		CHECK_EQ(finish(&r), 0);
	}
}

static void write_file(char name[TEST_PATH_SIZE], const char *text)
{
	int fd;

	test_path(name);
	fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

TEST_NO_OOM(check_says_what_is_wrong_in_a_file_and_where)
{
	struct run r;
	char name[TEST_PATH_SIZE];
	char expected[150 + 2 * TEST_PATH_SIZE];

	write_file(name,
		   "{\"edge\": {\"drain_ms\": -7,\n"
		   "  \"lisen\": \":1\"}}\n");
	{
		BEGIN(&r, "--check", name);
	}
	snprintf(expected, sizeof(expected),
		 "%s:1:11: edge.drain_ms: -7 is not allowed: a whole number "
		 "from -1 to 10000 ms\n"
		 "%s:2:3: edge.lisen: unknown key; did you mean edge.listen?\n",
		 name, name);
	CHECK_STR(read_until(&r, r.err, ""), expected);
	CHECK_EQ(finish(&r), 2);
}

TEST_NO_OOM(check_is_content_with_a_good_file)
{
	struct run r;
	char name[TEST_PATH_SIZE];
	char expected[128];

	write_file(name, "{\"log\": {\"level\": \"debug\"}}");
	{
		BEGIN(&r, "--check", name);
	}
	snprintf(expected, sizeof(expected), "%s: no mistakes\n", name);
	CHECK_STR(read_until(&r, r.out, ""), expected);
	CHECK_EQ(finish(&r), 0);
}

TEST_NO_OOM(what_the_service_itself_finds_wrong_ends_with_status_2)
{
	struct run r;

	{
		BEGIN(&r, "--set", "edge.drain_ms=13");
	}
	CHECK_STR(read_until(&r, r.err, ""),
		  "edge.drain_ms: an unlucky number\n");
	CHECK_EQ(finish(&r), 2);
}

TEST_NO_OOM(wrong_flags_end_with_status_2)
{
	static const char *const cases[][2] = {
		{"--nonsense", "unrecognized option"},
		{"word", "not a flag: word\n"},
		{"--node-id=a b", "--node-id: 1 to 64"},
		{"--ready-fd=x", "--ready-fd: not a descriptor: x\n"},
		{"--set=edge.drain_ms=x", "--set: edge.drain_ms: x is not"},
		{"--conf=/nowhere.json", "/nowhere.json: No such file"},
		{"--docs=poems", "--docs: conf, stats or log is expected"},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(cases); i++) {
		struct run r;

		BEGIN(&r, (char *)(uintptr_t)cases[i][0]);
		CHECK(strstr(read_until(&r, r.err, ""), cases[i][1]) != NULL);
		CHECK_EQ(finish(&r), 2);
	}
}

/* ---- a whole life ---- */

TEST_NO_OOM(a_process_says_when_it_is_ready_and_where)
{
	struct run r;
	char pid[32];
	char admin[64];
	char toy[64];

	BEGIN(&r, "--ready-fd", "9", "--node-id", "edge-1.0");
	read_until(&r, r.ready, "\n");
	snprintf(pid, sizeof(pid), "\"pid\":%d,", (int)r.pid);
	CHECK(strstr(r.text, "{\"id\":\"edge-1.0\",\"role\":\"edge\",") ==
	      r.text);
	CHECK(strstr(r.text, pid) != NULL);
	find_address(admin, r.text, "admin");
	find_address(toy, r.text, "toy");
	CHECK_EQ(strncmp(toy, "127.0.0.1:", 10), 0);
	CHECK(strstr(get(&r, admin, "/healthz"), "HTTP/1.1 200 ") == r.text);
	CHECK(strstr(get(&r, admin, "/readyz"), "\r\n\r\nready\n") != NULL);
	CHECK(strstr(get(&r, admin, "/version"), "\"id\":\"edge-1.0\"") !=
	      NULL);
	CHECK(strstr(get(&r, admin, "/metrics"), "\nweir_ready 1\n") != NULL);
	CHECK(strstr(r.text, "node=\"edge-1.0\"") != NULL);
	CHECK_EQ(kill(r.pid, SIGTERM), 0);
	read_until(&r, r.out, "");
	CHECK(strstr(r.text, " info svc.start role=edge node=edge-1.0 ") !=
	      NULL);
	CHECK(strstr(r.text, " info svc.ready ") != NULL);
	CHECK(strstr(r.text, " info svc.drain ") != NULL);
	CHECK(strstr(r.text, " info toy.drain ") != NULL);
	CHECK(strstr(r.text,
		     "svc.stop role=edge node=edge-1.0 why=\"no "
		     "error\"") != NULL);
	CHECK_EQ(finish(&r), 0);
}

TEST_NO_OOM(promtool_accepts_the_metrics_of_a_process)
{
	struct run r;
	char admin[64];
	char *body;

	BEGIN(&r, "--ready-fd", "9");
	read_until(&r, r.ready, "\n");
	find_address(admin, r.text, "admin");
	body = strstr(get(&r, admin, "/metrics"), "\r\n\r\n");
	CHECK(body != NULL);
	CHECK(promtool_check(span_str(body + 4)) != PROMTOOL_REFUSED);
	CHECK_EQ(kill(r.pid, SIGINT), 0);
	CHECK_EQ(finish(&r), 0);
}

/* Bytes that the C library has in pages of their own. */
static size_t mapped_by(size_t bytes)
{
	size_t before = mallinfo2().hblkhd;
	void *volatile block = malloc(bytes);
	size_t after = mallinfo2().hblkhd;

	free(block);
	return after - before;
}

static int large_blocks_main(void)
{
	char *argv[] = {"weir-edge", NULL};
	struct svc *svc = NULL;
	int err = svc_new(&svc, &toy_desc, 1, argv);
	size_t first = mapped_by(500000);

	if (!err && mapped_by(500000) != first)
		err = WEIR_EINVAL;
	return svc_exit(&svc, err);
}

TEST_NO_OOM(a_large_block_has_pages_of_its_own_each_time)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(large_blocks_main());
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST_NO_OOM(a_draining_process_is_not_ready_and_ends_in_time)
{
	struct run r;
	char admin[64];

	BEGIN(&r, "--ready-fd", "9", "--set", "edge.drain_ms=-1", "--set",
	      "cluster.drain_timeout_ms=400");
	read_until(&r, r.ready, "\n");
	find_address(admin, r.text, "admin");
	CHECK_EQ(kill(r.pid, SIGTERM), 0);
	read_until(&r, r.out, "toy.drain");
	CHECK(strstr(get(&r, admin, "/readyz"), "not ready: draining\n") !=
	      NULL);
	CHECK_EQ(finish(&r), 0);
}

TEST(connections_are_closed_in_groups_at_the_rate_that_is_set)
{
	struct svc_cluster_settings s = {
		.drain_timeout_ms = 10000,
		.drain_rate = 100,
	};

	CHECK_EQ(svc_drain_due(&s, 1000, 0), 1);
	CHECK_EQ(svc_drain_due(&s, 1000, 500), 51);
	CHECK_EQ(svc_drain_due(&s, 1000, 60000), 1000);
	CHECK_EQ(svc_drain_due(&s, 0, 1000), 0);
}

TEST(without_a_rate_connections_are_closed_over_half_of_the_time)
{
	struct svc_cluster_settings s = {.drain_timeout_ms = 10000};

	CHECK_EQ(svc_drain_due(&s, 5000, 0), 1);
	CHECK(svc_drain_due(&s, 5000, 2500) >= 2500);
	CHECK(svc_drain_due(&s, 5000, 2500) < 2600);
	CHECK_EQ(svc_drain_due(&s, 5000, 5000), 5000);
	CHECK_EQ(svc_drain_due(&s, 4, 200), 4); /* few: soon */
	s.drain_timeout_ms = 0;
	CHECK_EQ(svc_drain_due(&s, 5000, 1), 5000);
}

TEST_NO_OOM(a_second_signal_ends_at_once)
{
	struct run r;

	BEGIN(&r, "--ready-fd", "9", "--set", "edge.drain_ms=-1", "--set",
	      "cluster.drain_timeout_ms=3600000");
	read_until(&r, r.ready, "\n");
	CHECK_EQ(kill(r.pid, SIGTERM), 0);
	read_until(&r, r.out, "toy.drain");
	CHECK_EQ(kill(r.pid, SIGINT), 0);
	CHECK_EQ(finish(&r), 0);
}

TEST_NO_OOM(an_address_that_is_taken_ends_the_start_with_its_name)
{
	struct run r;
	struct net_addr addr;
	char text[NET_ADDR_TEXT_SIZE];
	char set[192];
	int fd;

	CHECK_EQ(net_addr_parse(&addr, "127.0.0.1:0"), 0);
	CHECK_EQ(net_listen(&fd, &addr), 0);
	CHECK_EQ(net_local_addr(&addr, fd), 0);
	snprintf(set, sizeof(set), "edge.listen=%s",
		 net_addr_text(text, &addr));
	{
		BEGIN(&r, "--set", set);
	}
	read_until(&r, r.out, "");
	snprintf(set, sizeof(set),
		 "error svc.listen.failed name=toy addr=%s why=\"Address "
		 "already in use\"",
		 text);
	CHECK(strstr(r.text, set) != NULL);
	CHECK_EQ(finish(&r), 1);
	close(fd);
}

/* Kill the parent of a process that was started with --parent-death. */
TEST_NO_OOM(a_process_does_not_outlive_the_one_that_started_it)
{
	int ready[2];
	struct pollfd p;
	char text[256] = {0};
	pid_t parent;

	CHECK_EQ(pipe(ready), 0);
	parent = fork();
	if (parent == 0) {
		struct run r;
		char pid[32];
		char *argv[] = {"weir-edge", "--ready-fd", "9", pid, NULL};

		snprintf(pid, sizeof(pid), "--parent-death=%d", (int)getpid());
		begin(&r, 4, argv);
		read_until(&r, r.ready, "\n");
		/* Its death closes the copies of these that it has. */
		if (write(ready[1], "!", 1) != 1)
			_exit(1);
		pause();
	}
	CHECK(parent > 0);
	close(ready[1]);
	p = (struct pollfd){.fd = ready[0], .events = POLLIN};
	CHECK_EQ(poll(&p, 1, 10000), 1);
	CHECK_EQ(read(ready[0], text, 1), 1);
	CHECK_EQ(kill(parent, SIGKILL), 0);
	CHECK_EQ(waitpid(parent, NULL, 0), parent);
	CHECK_EQ(poll(&p, 1, 10000), 1);
	CHECK_EQ(read(ready[0], text, 1), 0);
	close(ready[0]);
}
