/* tests/bench/limit.c - what the kernel charges: one thread sends the same bytes
 * from one buffer to many sockets, at the clip's pace. One line of JSON.
 *
 *	limit -f clip.flv -n 1000 -e 20 -w 5 [-d] [-t cert.pem,key.pem]
 *
 * -n sockets, -e milliseconds between two sends to one socket (0: at every
 * tag), -w seconds, -t by SSL_write instead of send. The other end throws all
 * away, on the next processor. -d: it puts its ACKs off, as the kernel does for
 * whoever has spoken in turns (a handshake); else it sends one at each segment.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/flv/flv.h"
#include "tests/bench/clip.h"
#include "tests/bench/usage.h"

#define REST_US 2000

struct limit {
	struct clip clip;
	unsigned sockets, each_ms;
	double window_s;
	int server_cpu, sink_cpu;
	bool delays_acks;
	int *fd;
	SSL_CTX *tls; /* NULL: none */
	SSL **ssl;
	size_t *at;  /* offset in the clip, of each socket */
	size_t *end; /* offset behind each tag */
	uint64_t calls, bytes, refused;
};

static void die(const char *why)
{
	fprintf(stderr, "limit: %s\n", why);
	exit(2);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* ---- who throws it away ---- */

/* As the load's viewers do: all that is there, and then a rest, in which nobody
 * waits for a socket that a send could wake. */
static void throw_away(int ep)
{
	struct epoll_event ev[256];
	int n;

	do {
		n = epoll_wait(ep, ev, 256, 0);
		for (int i = 0; i < n; i++)
			if (recv(ev[i].data.fd, NULL, 4 << 20,
				 MSG_TRUNC | MSG_DONTWAIT) == 0)
				exit(0);
	} while (n == 256);
	usleep(REST_US);
}

/* The other end of the handshake; what comes then is thrown away as it is. */
static void greet(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl || !SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1)
		exit(1);
	SSL_free(ssl);
}

static void sink(const struct limit *l, int listener)
{
	SSL_CTX *ctx = l->tls ? SSL_CTX_new(TLS_client_method()) : NULL;
	int ep = epoll_create1(0), zero = 0;

	pin(l->sink_cpu);
	for (unsigned i = 0; i < l->sockets; i++) {
		struct epoll_event e = {.events = EPOLLIN};

		e.data.fd = accept(listener, NULL, NULL);
		if (e.data.fd < 0)
			exit(1);
		if (ctx)
			greet(ctx, e.data.fd);
		if (l->delays_acks)
			setsockopt(e.data.fd, IPPROTO_TCP, TCP_QUICKACK, &zero,
				   sizeof(zero));
		epoll_ctl(ep, EPOLL_CTL_ADD, e.data.fd, &e);
	}
	for (;;)
		throw_away(ep);
}

static pid_t start_sink(struct limit *l, struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t pid;

	*addr = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (listener < 0 || bind(listener, (void *)addr, sizeof(*addr)) ||
	    listen(listener, 4096) || getsockname(listener, (void *)addr, &len))
		die("no socket to listen on");
	pid = fork();
	if (!pid)
		sink(l, listener);
	close(listener);
	return pid;
}

/* ---- sending ---- */

/* As an edge speaks it. */
static void load_identity(struct limit *l, char *files)
{
	const char *cert = strtok(files, ","), *key = strtok(NULL, ",");

	l->tls = SSL_CTX_new(TLS_server_method());
	if (!l->tls || !cert || !key ||
	    SSL_CTX_use_certificate_chain_file(l->tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(l->tls, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_set_ciphersuites(l->tls, "TLS_AES_128_GCM_SHA256") != 1)
		die("-t cert.pem,key.pem");
	SSL_CTX_set_mode(l->tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					 SSL_MODE_RELEASE_BUFFERS);
}

static void accept_tls(struct limit *l, unsigned i)
{
	l->ssl[i] = SSL_new(l->tls);
	if (!l->ssl[i] || !SSL_set_fd(l->ssl[i], l->fd[i]) ||
	    SSL_accept(l->ssl[i]) != 1)
		die("no handshake");
	fcntl(l->fd[i], F_SETFL, O_NONBLOCK);
}

static void connect_all(struct limit *l, const struct sockaddr_in *addr)
{
	int one = 1;

	for (unsigned i = 0; i < l->sockets; i++) {
		l->fd[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (l->fd[i] < 0 ||
		    connect(l->fd[i], (const void *)addr, sizeof(*addr)))
			die("no connection");
		setsockopt(l->fd[i], IPPROTO_TCP, TCP_NODELAY, &one,
			   sizeof(one));
		l->at[i] = FLV_HEADER_BYTES;
		if (l->tls)
			accept_tls(l, i);
	}
}

/* As many records as the kernel takes. */
static ssize_t write_tls(SSL *ssl, const uint8_t *bytes, size_t len)
{
	size_t done = 0, n;

	while (done < len && SSL_write_ex(ssl, bytes + done, len - done, &n))
		done += n;
	return done ? (ssize_t)done : -1;
}

static void send_one(struct limit *l, unsigned i, size_t end)
{
	ssize_t n;

	if (l->at[i] >= end)
		return;
	n = l->tls ? write_tls(l->ssl[i], l->clip.bytes + l->at[i],
			       end - l->at[i])
		   : send(l->fd[i], l->clip.bytes + l->at[i], end - l->at[i],
			  MSG_NOSIGNAL | MSG_DONTWAIT);
	l->calls++;
	l->refused += n < 0;
	if (n <= 0)
		return;
	l->at[i] += (size_t)n;
	l->bytes += (uint64_t)n;
}

static void sleep_until(int64_t ns)
{
	const struct timespec t = {ns / 1000000000, ns % 1000000000};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* When the next sends are due, in ms of the clip. */
static uint32_t next_ms(const struct limit *l, uint32_t ms, size_t tag)
{
	return l->each_ms ? ms + l->each_ms : l->clip.tag[tag].ms;
}

static void run(struct limit *l)
{
	int64_t begin_ns = clock_ns();
	uint32_t ms = 0, last_ms = (uint32_t)(l->window_s * 1000);
	size_t tag = 0, end = FLV_HEADER_BYTES;

	while (tag < l->clip.count) {
		ms = next_ms(l, ms, tag);
		if (ms > last_ms)
			return;
		sleep_until(begin_ns + (int64_t)ms * 1000000);
		do
			end = l->end[tag++];
		while (tag < l->clip.count && l->each_ms &&
		       l->clip.tag[tag].ms <= ms);
		for (unsigned i = 0; i < l->sockets; i++)
			send_one(l, i, end);
	}
}

static void prepare(struct limit *l)
{
	struct rlimit files = {65536, 65536};

	setrlimit(RLIMIT_NOFILE, &files);
	l->fd = calloc(l->sockets, sizeof(*l->fd));
	l->ssl = calloc(l->sockets, sizeof(*l->ssl));
	l->at = calloc(l->sockets, sizeof(*l->at));
	l->end = calloc(l->clip.count, sizeof(*l->end));
	if (!l->fd || !l->ssl || !l->at || !l->end)
		die("no memory");
	for (size_t i = 0; i < l->clip.count; i++)
		l->end[i] = (size_t)(l->clip.tag[i].body.data - l->clip.bytes) +
			    l->clip.tag[i].body.len + FLV_TAG_TAIL_BYTES;
}

static void parse(struct limit *l, int argc, char **argv)
{
	int c;

	*l = (struct limit){.sockets = 1000, .window_s = 5, .sink_cpu = 1};
	while ((c = getopt(argc, argv, "f:n:e:w:t:d")) != -1) {
		if (c == 'f')
			clip_load(&l->clip, optarg);
		else if (c == 'n')
			l->sockets = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'e')
			l->each_ms = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'w')
			l->window_s = atof(optarg);
		else if (c == 't')
			load_identity(l, optarg);
		else if (c == 'd')
			l->delays_acks = true;
		else
			die("see the head of tests/bench/limit.c");
	}
	if (!l->clip.count || !l->sockets)
		die("-f and -n are needed");
}

int main(int argc, char **argv)
{
	static struct limit l;
	struct sockaddr_in addr;
	double cpu_s;
	pid_t pid;

	parse(&l, argc, argv);
	prepare(&l);
	pid = start_sink(&l, &addr);
	pin(l.server_cpu);
	connect_all(&l, &addr);
	usleep(300000);
	cpu_s = usage_own_cpu_s();
	run(&l);
	cpu_s = usage_own_cpu_s() - cpu_s;
	printf("{\"viewers\":%u,\"each_ms\":%u,\"window_s\":%.3f,\"gb\":%.5f,"
	       "\"cpu_s\":%.4f,\"sends\":%llu,\"refused\":%llu}\n",
	       l.sockets, l.each_ms, l.window_s, (double)l.bytes / 1e9, cpu_s,
	       (unsigned long long)l.calls, (unsigned long long)l.refused);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}
