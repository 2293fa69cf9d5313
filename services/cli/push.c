/* services/cli/push.c - `weir push`: publish an FLV file by RTMP. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/flv/flv.h"
#include "remote/rtmp.h"
#include "services/cli/args.h"
#include "services/cli/commands.h"
#include "services/cli/signals.h"

#define READ_BYTES  65536
#define QUEUED_MAX  ((size_t)1 << 20) /* behind what the server takes */
#define LOOP_GAP_MS 40 /* between the last tag and the first one again */
#define CONNECT_MS  5000
#define READY_MS    15000

struct options {
	bool is_loop, has_no_pace;
	unsigned duration_s;
};

struct tag {
	struct tag *next;
	uint8_t type;
	int64_t at_ms; /* from the first tag on, over all rounds */
	size_t len;
	uint8_t body[];
};

struct push {
	struct options o;
	const char *file;
	const char *url;
	struct loop *loop;
	struct signals signals;
	struct remote_rtmp *peer;
	struct timer *timer;
	struct flv_reader *reader;
	int fd;
	bool is_at_end;
	struct tag *first, *last; /* read and not sent */
	/* The file's time, 32 bits that wrap, as a line from 0. */
	bool has_time;
	uint32_t first_ms, last_stamp;
	int64_t last_ms;  /* since the first tag of this round */
	int64_t round_ms; /* when this round began */
	uint64_t started_ms;
	uint64_t tag_count, byte_count;
	int64_t sent_ms;
	int status;
	const char *reason;
};

#define AT(m) offsetof(struct options, m)

static const struct arg args[] = {
	{"loop", ARG_FLAG, "", 0, 0, AT(is_loop),
	 "begin again at the end, with time going on"},
	{"no-pace", ARG_FLAG, "", 0, 0, AT(has_no_pace),
	 "as fast as the server takes it, not in real time"},
	{"duration", ARG_UINT, "SECONDS", 1, 1000000, AT(duration_s),
	 "of the stream's time, then stop"},
};

static const struct arg_table table = {
	.command = "push",
	.operands = "FILE.flv URL",
	.sentence =
		"Publishes an FLV file: weir push a.flv "
		"rtmp://127.0.0.1:1935/live/test110",
	.operand_count = 2,
	.arg = args,
	.arg_count = WEIR_ARRAY_LEN(args),
	.more = "Tags are sent as they stand in the file, with its time "
		"stamps.\nStatus: 0 all sent, 1 failed, 3 refused (the "
		"server's words are printed).\n",
};

/* ---- reading ---- */

static int64_t time_of(struct push *p, uint32_t stamp)
{
	if (!p->has_time) {
		p->has_time = true;
		p->first_ms = p->last_stamp = stamp;
		p->last_ms = 0;
	}
	/* As a signed step, so that a wrap and a step back are both right. */
	p->last_ms += (int32_t)(stamp - p->last_stamp);
	p->last_stamp = stamp;
	return p->round_ms + p->last_ms;
}

static int on_tag(void *ctx, const struct flv_tag *t)
{
	struct push *p = ctx;
	struct tag *tag = malloc(sizeof(*tag) + t->body.len);

	if (!tag)
		return WEIR_ENOMEM;
	tag->type = t->type;
	tag->at_ms = time_of(p, t->timestamp_ms);
	tag->len = t->body.len;
	if (t->body.len)
		memcpy(tag->body, t->body.data, t->body.len);
	tag->next = NULL;
	if (p->first)
		p->last->next = tag;
	else
		p->first = tag;
	p->last = tag;
	return 0;
}

static int open_reader(struct push *p)
{
	const struct flv_events events = {.on_tag = on_tag};

	flv_reader_free(&p->reader);
	return flv_reader_new(&p->reader, NULL, &events, p);
}

/* The end of a round: again from the start, or the end. */
static int at_end_of_file(struct push *p)
{
	if (!p->o.is_loop || !p->has_time) {
		p->is_at_end = true;
		return 0;
	}
	p->round_ms += p->last_ms + LOOP_GAP_MS;
	p->has_time = false;
	if (lseek(p->fd, 0, SEEK_SET) < 0)
		return -errno;
	return open_reader(p);
}

/* Read until there is a tag, or the end. */
static int read_more(struct push *p)
{
	uint8_t part[READ_BYTES];
	int err = 0;

	while (!err && !p->is_at_end && !p->first) {
		ssize_t n = read(p->fd, part, sizeof(part));

		if (n < 0)
			err = -errno;
		else if (n == 0)
			err = at_end_of_file(p);
		else
			err = flv_reader_feed(p->reader,
					      span_of(part, (size_t)n));
	}
	return err;
}

/* ---- sending ---- */

static void stop(struct push *p, const char *reason, int status)
{
	p->reason = reason;
	p->status = status;
	timer_stop(p->timer);
	remote_rtmp_stop(p->peer);
}

static void send_tag(struct push *p, struct tag *tag)
{
	const struct rtmp_media m = {
		.type = tag->type, /* the same numbers in both formats */
		.timestamp_ms = p->first_ms + (uint32_t)tag->at_ms,
		.payload = span_of(tag->body, tag->len),
	};

	p->first = tag->next;
	p->tag_count++;
	p->byte_count += tag->len;
	p->sent_ms = tag->at_ms;
	if (remote_rtmp_write(p->peer, &m))
		stop(p, "lost", 1);
	free(tag);
}

static bool is_over(const struct push *p, const struct tag *tag)
{
	return p->o.duration_s && tag->at_ms >= p->o.duration_s * 1000LL;
}

/* Send what is due; wait for the next, or for the server to take some. */
static void send_due(struct push *p)
{
	while (!p->reason) {
		int64_t now = (int64_t)(loop_now_ms(p->loop) - p->started_ms);
		int err = read_more(p);
		struct tag *tag = p->first;

		if (err) {
			fprintf(stderr, "weir push: %s: %s\n", p->file,
				weir_strerror(err));
			stop(p, "file", 1);
			return;
		}
		if (!tag) {
			stop(p, "end", 0);
			return;
		}
		if (is_over(p, tag)) {
			stop(p, "duration", 0);
			return;
		}
		if (remote_rtmp_queued_bytes(p->peer) > QUEUED_MAX)
			return; /* on_drained goes on */
		if (!p->o.has_no_pace && tag->at_ms > now) {
			timer_start(p->timer, (uint64_t)(tag->at_ms - now));
			return;
		}
		send_tag(p, tag);
	}
}

static void on_ready(void *ctx)
{
	struct push *p = ctx;

	p->started_ms = loop_now_ms(p->loop);
	printf("push.start ready_ms=%" PRIu64 "\n",
	       remote_rtmp_age_ms(p->peer));
	fflush(stdout);
	timer_start(p->timer, 0);
}

static void on_drained(void *ctx)
{
	struct push *p = ctx;

	if (!p->reason && !timer_is_running(p->timer))
		timer_start(p->timer, 0);
}

static void on_end(void *ctx, enum remote_end end)
{
	struct push *p = ctx;

	if (end != REMOTE_DONE || !p->reason) {
		p->reason = remote_end_name(end);
		p->status = end == REMOTE_REFUSED ? STATUS_REFUSED : 1;
		fprintf(stderr, "weir push: %s: %s\n", p->url,
			remote_rtmp_words(p->peer));
	}
	loop_stop(p->loop);
}

static void on_signal(void *ctx)
{
	stop(ctx, "signal", 0);
}

/* ---- life ---- */

static int start(struct push *p)
{
	static const struct remote_rtmp_events events = {
		.on_ready = on_ready,
		.on_drained = on_drained,
		.on_end = on_end,
	};
	const struct remote_rtmp_options options = {
		.url = p->url,
		.is_publish = true,
		.connect_ms = CONNECT_MS,
		.ready_ms = READY_MS,
	};
	int err = open_reader(p);

	if (!err)
		err = timer_new(&p->timer, p->loop, send_due, p);
	if (!err)
		err = remote_rtmp_new(&p->peer, p->loop, &options, &events, p);
	if (!err)
		err = signals_open(&p->signals, p->loop, on_signal, p);
	return err;
}

static int push(struct push *p)
{
	int err;

	p->fd = open(p->file, O_RDONLY | O_CLOEXEC);
	err = p->fd < 0 ? -errno : read_more(p);
	if (!err && !p->first)
		err = WEIR_EPROTO;
	if (err) {
		fprintf(stderr, "weir push: %s: %s\n", p->file,
			err == WEIR_EPROTO ? "this is no FLV file"
					   : weir_strerror(err));
		return 1;
	}
	err = loop_run(p->loop);
	if (err)
		return 1;
	printf("push.end reason=%s tags=%" PRIu64 " bytes=%" PRIu64
	       " ms=%" PRId64 "\n",
	       p->reason, p->tag_count, p->byte_count, p->sent_ms);
	return p->status;
}

static void finish(struct push *p)
{
	while (p->first) {
		struct tag *next = p->first->next;

		free(p->first);
		p->first = next;
	}
	signals_close(&p->signals);
	remote_rtmp_free(&p->peer);
	timer_free(&p->timer);
	flv_reader_free(&p->reader);
	loop_free(&p->loop);
	if (p->fd >= 0)
		close(p->fd);
}

int command_push(int argc, char **argv)
{
	struct push p = {.fd = -1};
	struct arg_rest rest = {0};
	int status, err;

	if (args_take(&p.o, &rest, &table, argc, argv, &status))
		return status;
	p.file = rest.operand[0];
	p.url = rest.operand[1];
	err = loop_new(&p.loop);
	if (!err)
		err = start(&p);
	if (err)
		fprintf(stderr, "weir push: %s: %s\n", p.url,
			err == WEIR_EINVAL ? "no address of the form "
					     "rtmp://host/app/name"
					   : weir_strerror(err));
	status = err ? 1 : push(&p);
	finish(&p);
	return status;
}
