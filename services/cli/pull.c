/* services/cli/pull.c - `weir pull`: record a stream by RTMP or HTTP-FLV. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/io/clock.h"
#include "remote/rtmp.h"
#include "services/cli/args.h"
#include "services/cli/commands.h"
#include "services/cli/http_peer.h"
#include "services/cli/recorder.h"
#include "services/cli/signals.h"

#define CONNECT_MS 5000

struct options {
	bool starts_on_key;
	unsigned duration_s, frames, timeout_s, rcvbuf_bytes;
	unsigned stall_after_ms, stall_for_ms;
};

struct pull {
	struct options o;
	const char *url;
	struct loop *loop;
	struct signals signals;
	struct remote_rtmp *rtmp; /* one of the two */
	struct http_peer *http;
	struct flv_reader *reader; /* HTTP */
	struct recorder recorder;
	struct timer *idle, *end, *stall;
	bool is_stalled;
	uint64_t begin_ms;
	/* Since dialing; UINT64_MAX: not yet. */
	uint64_t ready_ms, first_tag_ms, first_key_ms, last_tag_ms;
	uint64_t frame_count;
	const char *reason;
	int status;
};

#define AT(m) offsetof(struct options, m)

static const struct arg args[] = {
	{"duration", ARG_UINT, "SECONDS", 1, 1000000, AT(duration_s),
	 "stop so long after the first tag"},
	{"frames", ARG_UINT, "N", 1, 999999999, AT(frames),
	 "stop after N frames of picture and sound"},
	{"start-on-key", ARG_FLAG, "", 0, 0, AT(starts_on_key),
	 "leave out what comes before the first key frame"},
	{"timeout", ARG_UINT, "SECONDS", 1, 100000, AT(timeout_s),
	 "give up when nothing comes for so long [60]"},
	{"rcvbuf", ARG_UINT, "BYTES", 1024, 1u << 28, AT(rcvbuf_bytes),
	 "receive buffer of the socket"},
	{"stall-after", ARG_UINT, "MS", 1, 1u << 28, AT(stall_after_ms),
	 "stop reading so long after the first tag,"},
	{"stall-for", ARG_UINT, "MS", 1, 1u << 28, AT(stall_for_ms),
	 "for so long, to be a slow viewer"},
};

static const struct arg_table table = {
	.command = "pull",
	.operands = "URL FILE.flv",
	.sentence =
		"Records a stream exactly as it comes: weir pull "
		"rtmp://127.0.0.1/live/test110 a.flv\n"
		"or http://127.0.0.1:8080/live/test110.flv",
	.operand_count = 2,
	.arg = args,
	.arg_count = WEIR_ARRAY_LEN(args),
	.more = "At its end it prints one line: reason=… first_key_ms=… "
		"(from dialing to the\nfirst key frame), frames, bytes. "
		"Status: 0 something was recorded, 1 failed or\nnothing came, "
		"3 refused (the server's words are printed).\n",
};

/* ---- the end ---- */

static void stop(struct pull *p, const char *reason)
{
	if (p->reason)
		return;
	p->reason = reason;
	if (p->rtmp)
		remote_rtmp_stop(p->rtmp);
	else
		http_peer_stop(p->http);
}

static void on_signal(void *ctx)
{
	stop(ctx, "signal");
}

static void on_idle(struct pull *p)
{
	stop(p, "timeout");
}

static void on_duration(struct pull *p)
{
	stop(p, "duration");
}

static void on_end(void *ctx, enum remote_end end)
{
	struct pull *p = ctx;

	if (!p->reason)
		p->reason = remote_end_name(end);
	p->status = p->frame_count ? 0 : 1;
	if (end == REMOTE_REFUSED)
		p->status = STATUS_REFUSED;
	if (end == REMOTE_LOST)
		p->status = 1;
	if (end == REMOTE_REFUSED || end == REMOTE_LOST)
		fprintf(stderr, "weir pull: %s: %s\n", p->url,
			p->rtmp ? remote_rtmp_words(p->rtmp)
				: http_peer_words(p->http));
	loop_stop(p->loop);
}

/* ---- what comes ---- */

static void pause_peer(struct pull *p, bool is_paused)
{
	p->is_stalled = is_paused;
	if (p->rtmp)
		remote_rtmp_pause(p->rtmp, is_paused);
	else
		http_peer_pause(p->http, is_paused);
}

static void on_stall(struct pull *p)
{
	if (p->reason)
		return;
	if (!p->is_stalled)
		timer_start(p->stall, p->o.stall_for_ms);
	pause_peer(p, !p->is_stalled);
	if (p->is_stalled)
		timer_stop(p->idle);
}

static void note_first(struct pull *p)
{
	p->first_tag_ms = io_mono_ms() - p->begin_ms;
	if (p->o.duration_s)
		timer_start(p->end, p->o.duration_s * 1000ULL);
	if (p->o.stall_for_ms)
		timer_start(p->stall, p->o.stall_after_ms);
}

static void take_tag(struct pull *p, uint8_t type, uint32_t timestamp_ms,
		     struct span body)
{
	struct recorded what;

	if (p->reason)
		return;
	if (p->first_tag_ms == UINT64_MAX)
		note_first(p);
	p->last_tag_ms = io_mono_ms() - p->begin_ms;
	if (p->o.timeout_s && !p->is_stalled)
		timer_start(p->idle, p->o.timeout_s * 1000ULL);
	what = recorder_put(&p->recorder, type, timestamp_ms, body);
	if (what.is_key && p->first_key_ms == UINT64_MAX)
		p->first_key_ms = p->last_tag_ms;
	if (p->recorder.err)
		stop(p, "file");
	p->frame_count += what.is_frame && what.is_written;
	if (p->o.frames && p->frame_count >= p->o.frames)
		stop(p, "frames");
}

static void on_ready(void *ctx)
{
	struct pull *p = ctx;

	p->ready_ms = io_mono_ms() - p->begin_ms;
}

static void on_media(void *ctx, const struct rtmp_media *m)
{
	take_tag(ctx, m->type, m->timestamp_ms, m->payload);
}

static int on_header(void *ctx, bool has_audio, bool has_video)
{
	struct pull *p = ctx;

	p->ready_ms = io_mono_ms() - p->begin_ms;
	p->recorder.has_audio = has_audio;
	p->recorder.has_video = has_video;
	return 0;
}

static int on_tag(void *ctx, const struct flv_tag *t)
{
	take_tag(ctx, t->type, t->timestamp_ms, t->body);
	return 0;
}

static void on_body(void *ctx, struct span bytes)
{
	struct pull *p = ctx;
	int err = flv_reader_feed(p->reader, bytes);

	if (!err)
		return;
	fprintf(stderr, "weir pull: %s: this is no FLV: %s\n", p->url,
		weir_strerror(err));
	stop(p, "no FLV");
}

/* ---- life ---- */

static int dial_rtmp(struct pull *p)
{
	static const struct remote_rtmp_events events = {
		.on_ready = on_ready, .on_media = on_media, .on_end = on_end};
	const struct remote_rtmp_options options = {
		.url = p->url,
		.connect_ms = CONNECT_MS,
		.rcvbuf_bytes = (int)p->o.rcvbuf_bytes,
	};

	return remote_rtmp_new(&p->rtmp, p->loop, &options, &events, p);
}

static int dial_http(struct pull *p)
{
	static const struct http_peer_events events = {on_body, on_end};
	const struct flv_events tags = {on_header, on_tag};
	int err = flv_reader_new(&p->reader, NULL, &tags, p);

	if (err)
		return err;
	return http_peer_new(&p->http, p->loop, p->url, CONNECT_MS,
			     (int)p->o.rcvbuf_bytes, &events, p);
}

static int start(struct pull *p)
{
	int err = loop_new(&p->loop);

	if (!err)
		err = timer_new(&p->idle, p->loop, on_idle, p);
	if (!err)
		err = timer_new(&p->end, p->loop, on_duration, p);
	if (!err)
		err = timer_new(&p->stall, p->loop, on_stall, p);
	p->begin_ms = io_mono_ms();
	if (!err)
		err = strncmp(p->url, "http:", 5) ? dial_rtmp(p) : dial_http(p);
	if (!err)
		err = signals_open(&p->signals, p->loop, on_signal, p);
	if (!err && p->o.timeout_s)
		timer_start(p->idle, p->o.timeout_s * 1000ULL);
	return err;
}

static void print_ms(const char *name, uint64_t ms)
{
	if (ms != UINT64_MAX)
		printf(" %s=%" PRIu64, name, ms);
}

static void report(const struct pull *p)
{
	struct flv_reader_stats st = {0};
	const struct recorder *r = &p->recorder;

	if (p->reader)
		flv_reader_stats(p->reader, &st);
	printf("pull.end reason=%s", p->reason);
	print_ms("ready_ms", p->ready_ms);
	print_ms("first_tag_ms", p->first_tag_ms);
	print_ms("first_key_ms", p->first_key_ms);
	print_ms("last_tag_ms", p->last_tag_ms);
	printf(" video=%" PRIu64 " audio=%" PRIu64 " keys=%" PRIu64
	       " tags=%" PRIu64 " bytes=%" PRIu64 " size_mistakes=%" PRIu64
	       "\n",
	       r->video_count, r->audio_count, r->key_count, r->tag_count,
	       r->byte_count, st.size_mistakes);
}

static int record(struct pull *p, const char *file)
{
	int err = recorder_open(&p->recorder, file, p->o.starts_on_key);
	int closed;

	if (err) {
		fprintf(stderr, "weir pull: %s: %s\n", file,
			weir_strerror(err));
		return 1;
	}
	err = loop_run(p->loop);
	closed = recorder_close(&p->recorder);
	if (closed)
		fprintf(stderr, "weir pull: %s: %s\n", file,
			weir_strerror(closed));
	report(p);
	return err || closed ? 1 : p->status;
}

static void finish(struct pull *p)
{
	signals_close(&p->signals);
	remote_rtmp_free(&p->rtmp);
	http_peer_free(&p->http);
	flv_reader_free(&p->reader);
	timer_free(&p->idle);
	timer_free(&p->end);
	timer_free(&p->stall);
	loop_free(&p->loop);
}

int command_pull(int argc, char **argv)
{
	struct pull p = {
		.o = {.timeout_s = 60},
		.ready_ms = UINT64_MAX,
		.first_tag_ms = UINT64_MAX,
		.first_key_ms = UINT64_MAX,
		.last_tag_ms = UINT64_MAX,
	};
	struct arg_rest rest = {0};
	int status, err;

	if (args_take(&p.o, &rest, &table, argc, argv, &status))
		return status;
	p.url = rest.operand[0];
	err = start(&p);
	if (err)
		fprintf(stderr, "weir pull: %s: %s\n", p.url,
			err == WEIR_EINVAL
				? "no address of the form rtmp://host/app/name "
				  "or http://host/app/name.flv"
				: weir_strerror(err));
	status = err ? 1 : record(&p, rest.operand[1]);
	finish(&p);
	return status;
}
