/* tests/bench/publish.c - publishers of a load. */
#include "tests/bench/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proto/flv/flv.h"
#include "proto/rtmp/client.h"

#define OPEN_EACH_NS 3000000 /* at the least: they connect one by one */
#define STEP_NS      1000000
#define GOPS_APART   7 /* who begins after one another, in the clip */

struct publisher {
	struct publish *owner;
	unsigned stream;
	int fd;
	struct rtmp_client *rtmp;
	bool is_ready;
	int64_t start_ns; /* of the stream's time 0 */
	size_t next;      /* tag */
	uint32_t base_ms; /* of the round; of the first it may be below 0 */
	uint32_t number;  /* of the picture */
	struct buf out;   /* what the socket did not take */
	struct buf body;
};

static void lose(struct publisher *p)
{
	if (p->fd < 0)
		return;
	close(p->fd);
	p->fd = -1;
	atomic_fetch_add(&p->owner->lost, 1);
}

static void flush(struct publisher *p)
{
	ssize_t n;

	while (p->fd >= 0 && p->out.len) {
		n = send(p->fd, p->out.data, p->out.len,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			lose(p);
		else
			buf_drop(&p->out, (size_t)n);
	}
}

static int on_send(void *ctx, struct span bytes)
{
	struct publisher *p = ctx;

	buf_put(&p->out, bytes);
	return buf_error(&p->out);
}

static int on_media(void *ctx, const struct rtmp_media *m)
{
	(void)ctx, (void)m;
	return 0;
}

static int on_status(void *ctx, struct span code, struct span level,
		     struct span description)
{
	(void)ctx, (void)code, (void)level, (void)description;
	return 0;
}

static int on_end(void *ctx, enum rtmp_end reason)
{
	(void)ctx, (void)reason;
	return WEIR_ECLOSED;
}

static int write_tag(struct publisher *p, const struct clip_tag *t, uint32_t ms)
{
	struct rtmp_media m = {.type = t->type, .timestamp_ms = ms};

	buf_clear(&p->body);
	clip_stamp(&p->body, t, p->number);
	p->number += t->type == FLV_VIDEO;
	m.payload = buf_span(&p->body);
	atomic_fetch_add(&p->owner->bytes, m.payload.len);
	return rtmp_client_write_media(p->rtmp, &m);
}

/* Strangers do not show the same picture: else a moment of the clip that has more
 * bytes than others is one for all of them. */
static size_t first_tag(const struct publisher *p)
{
	const struct clip *c = p->owner->clip;

	if (!p->owner->over_ms)
		return c->first_media;
	return clip_gop(c, p->stream * GOPS_APART);
}

/* Where an FLV file has onMetaData, a publisher sends @setDataFrame: the client
 * sees to that. */
static int on_ready(void *ctx)
{
	struct publisher *p = ctx;
	const struct clip *c = p->owner->clip;
	int err = 0;

	for (size_t i = 0; !err && i < c->first_media; i++)
		err = write_tag(p, &c->tag[i], 0);
	p->next = first_tag(p);
	p->base_ms = 0 - c->tag[p->next].ms;
	p->is_ready = true;
	p->start_ns = clock_ns();
	atomic_fetch_add(&p->owner->ready, 1);
	return err;
}

static void open_one(struct publisher *p)
{
	const struct viewer_target *t = &p->owner->target;
	const struct rtmp_client_events events = {
		p, on_send, on_ready, on_media, on_status, on_end,
	};
	char url[64], name[16];
	const struct rtmp_client_desc desc = {
		.is_publish = true,
		.app = "live",
		.tc_url = url,
		.name = name,
	};
	int one = 1;

	snprintf(url, sizeof(url), "rtmp://%s/live", t->host);
	snprintf(name, sizeof(name), "s%u", p->stream);
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (p->fd < 0 ||
	    connect(p->fd, (const void *)&t->addr, sizeof(t->addr)) ||
	    rtmp_client_new(&p->rtmp, &desc, &events, 1, 0) ||
	    rtmp_client_start(p->rtmp)) {
		lose(p);
		return;
	}
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Answers of the server, until it lets us publish and now and then later. */
static void hear(struct publisher *p)
{
	uint8_t bytes[8192];
	size_t used;
	ssize_t n = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 ||
	    rtmp_client_feed(p->rtmp, span_of(bytes, (size_t)n), &used))
		lose(p);
}

static void write_due(struct publisher *p, int64_t now_ns)
{
	const struct clip *c = p->owner->clip;

	while (p->fd >= 0) {
		const struct clip_tag *t = &c->tag[p->next];
		uint32_t ms = p->base_ms + t->ms;

		if (p->start_ns + (int64_t)ms * 1000000 > now_ns)
			return;
		if (write_tag(p, t, ms))
			lose(p);
		flush(p);
		if (++p->next < c->count)
			continue;
		p->next = c->first_media;
		p->base_ms += c->loop_ms;
	}
}

static void run_one(struct publisher *p, int64_t now_ns, bool hears)
{
	if (p->fd < 0)
		return;
	if (hears || !p->is_ready)
		hear(p);
	if (p->fd >= 0 && p->is_ready)
		write_due(p, now_ns);
	flush(p);
}

static void sleep_until(int64_t ns)
{
	const struct timespec t = {ns / 1000000000, ns % 1000000000};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

void *publish_run(void *ctx)
{
	struct publish *p = ctx;
	int64_t next_ns = clock_ns(), open_ns = next_ns;
	const int64_t each_ns = (int64_t)p->over_ms * 1000000 / p->streams;
	unsigned opened = 0, round = 0;

	p->all = calloc(p->streams, sizeof(*p->all));
	while (p->all && !atomic_load(&p->is_stopped)) {
		int64_t now_ns = clock_ns();

		if (opened < p->streams && now_ns >= open_ns) {
			p->all[opened].owner = p;
			p->all[opened].stream = opened;
			open_one(&p->all[opened++]);
			open_ns = now_ns + WEIR_MAX(each_ns, OPEN_EACH_NS);
		}
		/* What comes from the server is rarely of interest. */
		for (unsigned i = 0; i < opened; i++)
			run_one(&p->all[i], now_ns, (round + i) % 256 == 0);
		round++;
		next_ns = WEIR_MAX(next_ns + STEP_NS, clock_ns());
		sleep_until(next_ns);
	}
	for (unsigned i = 0; i < opened; i++) {
		lose(&p->all[i]);
		rtmp_client_free(&p->all[i].rtmp);
		buf_fini(&p->all[i].out);
		buf_fini(&p->all[i].body);
	}
	free(p->all);
	return NULL;
}
