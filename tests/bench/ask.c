/* tests/bench/ask.c - asks an HTTP server for the same, over and over, on kept
 * connections; one line of JSON.
 *
 *	ask -a 127.0.0.1:8080 -u /live/s0.m3u8 -n 64 -w 5 -p 123
 *
 * -u a path; of several each connection asks for one after the other. -n
 * connections, each with one request under way, -w seconds that are measured,
 * -s seconds of rest before, -p the process that is watched. Bodies are thrown
 * away by the kernel. An answer that is not 200, or has no length, is a fault,
 * and ends its connection.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/clip.h"
#include "tests/bench/usage.h"

#define HEAD_MAX 4096
#define PIECE    (1u << 20) /* bytes thrown away at once */
#define ASKS_MAX 64

struct question {
	char text[1024];
	size_t len;
};

struct asker {
	int fd;
	unsigned next;       /* question */
	char head[HEAD_MAX]; /* of an answer, as far as it is here */
	size_t head_len;
	uint64_t body_left; /* not 0: the head is over */
};

struct ask {
	struct sockaddr_in addr;
	const char *host;
	struct question question[ASKS_MAX];
	unsigned question_count;
	unsigned count; /* connections */
	double window_s, rest_s;
	pid_t pid;

	int ep;
	struct asker *asker;
	uint64_t answers, faults, bytes;
};

static void die(const char *why)
{
	fprintf(stderr, "ask: %s\n", why);
	exit(2);
}

/* ---- arguments ---- */

static void parse_addr(struct ask *a, const char *text)
{
	unsigned port;

	if (sscanf(text, "127.0.0.1:%u", &port) != 1 || port > 65535)
		die("-a takes 127.0.0.1:port");
	a->host = text;
	a->addr = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static void parse_path(struct ask *a, const char *path)
{
	struct question *q = &a->question[a->question_count++];
	int len;

	if (a->question_count == ASKS_MAX || !a->host)
		die("-u comes after -a, and not that often");
	len = snprintf(q->text, sizeof(q->text),
		       "GET %s HTTP/1.1\r\nHost: %s\r\n"
		       "User-Agent: weir-bench\r\nAccept: */*\r\n\r\n",
		       path, a->host);
	if (len >= (int)sizeof(q->text))
		die("the path is too long");
	q->len = (size_t)len;
}

static void parse(struct ask *a, int argc, char **argv)
{
	int c;

	*a = (struct ask){.window_s = 5, .rest_s = 0.5};
	while ((c = getopt(argc, argv, "a:u:n:w:s:p:")) != -1) {
		if (c == 'a')
			parse_addr(a, optarg);
		else if (c == 'u')
			parse_path(a, optarg);
		else if (c == 'n')
			a->count = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'w')
			a->window_s = atof(optarg);
		else if (c == 's')
			a->rest_s = atof(optarg);
		else if (c == 'p')
			a->pid = (pid_t)strtol(optarg, NULL, 10);
		else
			die("see the head of tests/bench/ask.c");
	}
	if (!a->question_count || !a->count)
		die("-a, -u and -n are needed");
}

/* ---- one connection ---- */

static void hang_up(struct ask *a, struct asker *k)
{
	a->faults++;
	close(k->fd);
	k->fd = -1;
}

static void send_request(struct ask *a, struct asker *k)
{
	const struct question *q = &a->question[k->next];

	k->next = (k->next + 1) % a->question_count;
	k->head_len = 0;
	if (send(k->fd, q->text, q->len, MSG_NOSIGNAL) != (ssize_t)q->len)
		hang_up(a, k);
}

/* How long the body is; -1: this is no answer as it should be. */
static int64_t read_head(char *head)
{
	const char *line = strcasestr(head, "\r\nContent-Length: ");

	if (strncmp(head, "HTTP/1.1 200 ", 13) != 0 || !line)
		return -1;
	return strtoll(line + strlen("\r\nContent-Length: "), NULL, 10);
}

static void take_head(struct ask *a, struct asker *k)
{
	char *end;
	int64_t len;
	size_t body;

	k->head[k->head_len] = '\0';
	end = strstr(k->head, "\r\n\r\n");
	if (!end) {
		if (k->head_len == HEAD_MAX - 1)
			hang_up(a, k);
		return;
	}
	end[2] = '\0';
	len = read_head(k->head);
	body = k->head_len - (size_t)(end + 4 - k->head);
	if (len <= 0 || body > (size_t)len) {
		hang_up(a, k);
		return;
	}
	k->body_left = (uint64_t)len - body;
	a->bytes += (uint64_t)len;
	a->answers += k->body_left == 0;
	if (!k->body_left)
		send_request(a, k);
}

static ssize_t take(struct asker *k)
{
	size_t room = HEAD_MAX - 1 - k->head_len;

	if (k->body_left)
		return recv(k->fd, NULL, WEIR_MIN(k->body_left, PIECE),
			    MSG_TRUNC | MSG_DONTWAIT);
	return recv(k->fd, k->head + k->head_len, room, MSG_DONTWAIT);
}

static void run(struct ask *a, struct asker *k)
{
	ssize_t n = take(k);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(a, k);
	} else if (k->body_left) {
		k->body_left -= (uint64_t)n;
		a->answers += k->body_left == 0;
		if (!k->body_left)
			send_request(a, k);
	} else {
		k->head_len += (size_t)n;
		take_head(a, k);
	}
}

static void open_asker(struct ask *a, struct asker *k)
{
	const int on = 1;
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = k};

	k->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (k->fd < 0 ||
	    connect(k->fd, (struct sockaddr *)&a->addr, sizeof(a->addr)))
		die("cannot connect");
	setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	epoll_ctl(a->ep, EPOLL_CTL_ADD, k->fd, &e);
	send_request(a, k);
}

/* ---- all of them ---- */

static void run_for(struct ask *a, double seconds)
{
	struct epoll_event ev[64];
	int64_t end_ns = clock_ns() + (int64_t)(seconds * 1e9);

	while (clock_ns() < end_ns) {
		int n = epoll_wait(a->ep, ev, 64, 20);

		for (int i = 0; i < n; i++)
			run(a, ev[i].data.ptr);
	}
}

static void print(const struct ask *a, double window_s, double cpu_s,
		  double own_s)
{
	printf("{\"requests\":%llu,\"bytes\":%llu,\"faults\":%llu,"
	       "\"connections\":%u,\"window_s\":%.3f,"
	       "\"cpu_s\":%.4f,\"load_percent\":%.1f}\n",
	       (unsigned long long)a->answers, (unsigned long long)a->bytes,
	       (unsigned long long)a->faults, a->count, window_s, cpu_s,
	       own_s / window_s * 100);
}

int main(int argc, char **argv)
{
	struct ask a;
	struct usage before, after;
	double own_s;
	int64_t begin_ns;

	parse(&a, argc, argv);
	a.ep = epoll_create1(EPOLL_CLOEXEC);
	a.asker = calloc(a.count, sizeof(*a.asker));
	if (a.ep < 0 || !a.asker)
		die("no memory");
	for (unsigned i = 0; i < a.count; i++) {
		a.asker[i].next = i % a.question_count;
		open_asker(&a, &a.asker[i]);
	}
	run_for(&a, a.rest_s);
	a.answers = a.bytes = 0;
	own_s = usage_own_cpu_s();
	usage_of(&before, a.pid);
	begin_ns = clock_ns();
	run_for(&a, a.window_s);
	usage_of(&after, a.pid);
	print(&a, (double)(clock_ns() - begin_ns) / 1e9,
	      after.cpu_s - before.cpu_s, usage_own_cpu_s() - own_s);
	return a.faults ? 1 : 0;
}
