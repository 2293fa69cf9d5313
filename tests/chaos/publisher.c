/* tests/chaos/publisher.c - an encoder: it goes on in real time, and dials again
 * when its connection ends. */
#include <stdlib.h>
#include <string.h>

#include "common/io/clock.h"
#include "remote/rtmp.h"
#include "tests/chaos/load.h"

#define FPS_VIDEO   30
#define AUDIO_HZ    44100
#define AUDIO_FRAME 1024
#define AUDIO_KBPS  64
#define KEY_TIMES   6 /* a key frame is so many times as large */
#define CONNECT_MS  1000
#define READY_MS    15000
#define POOL_BYTES  (1u << 18)
#define URLS_MAX    16
#define UNIT_BYTES  (1u << 17)

/* A connection to a server. */
struct line {
	struct publisher *publisher;
	struct remote_rtmp *peer;
};

struct publisher {
	struct loop *loop;
	struct publisher_options o;
	char *url[URLS_MAX];
	struct line line[2];
	struct line *now;    /* the one in use */
	struct line *left;   /* abandoned, and still open; NULL */
	struct timer *timer; /* the next frame, or to dial again */
	struct tracer tracer;
	struct buf written; /* struct trace: of frames on their way to it */
	size_t turn;        /* whose turn it is of the addresses */
	bool is_ready, is_leaving, is_over, has_ended;
	uint32_t session, retries;
	uint32_t video, audio; /* the next counters; they go on over sessions */
	uint32_t frame[2];     /* of this session: pictures, sounds */
	uint64_t start_us;
	char words[160], left_words[160];
	uint8_t *unit;
	uint8_t *pool; /* content, without zero bytes */
};

static const uint8_t avc_head[] = {
	0x17, 0x00, 0x00, 0x00, 0x00, 0x01, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0x00,
	0x19, 0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0x9f, 0x9f, 0x01, 0x10,
	0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42,
	0xa4, 0x80, 0x01, 0x00, 0x05, 0x68, 0xcb, 0x83, 0xcb, 0x20};
static const uint8_t aac_head[] = {0xaf, 0x00, 0x12, 0x10};

static void dial(struct publisher *p);

/* Returns whether it is on its way. */
static bool write_message(struct publisher *p, uint8_t type, uint32_t ms,
			  struct span payload)
{
	const struct rtmp_media m = {
		.type = type, .timestamp_ms = ms, .payload = payload};

	return p->now->peer && !remote_rtmp_write(p->now->peer, &m);
}

/* ---- what the kernel has ---- */

/* It counts as sent when the kernel has taken its last byte: a frame that waits
 * in this process was not handed to anybody. */
static void note_written(struct publisher *p, const struct trace *frame)
{
	buf_put(&p->written, span_of(frame, sizeof(*frame)));
}

static void on_drained(void *ctx)
{
	struct line *line = ctx;
	struct publisher *p = line->publisher;

	if (line != p->now)
		return;
	for (size_t at = 0; at < p->written.len; at += sizeof(struct trace)) {
		struct trace f;

		memcpy(&f, p->written.data + at, sizeof(f));
		tracer_put(&p->tracer, f.kind, f.flags, f.session, f.counter,
			   f.ms);
	}
	buf_clear(&p->written);
}

static struct span content(const struct publisher *p, uint32_t counter,
			   size_t len)
{
	return span_of(p->pool + counter * 977u % (POOL_BYTES - UNIT_BYTES),
		       len);
}

static struct mark mark_of(const struct publisher *p, uint32_t counter)
{
	return (struct mark){.stream = p->o.stream,
			     .session = p->session,
			     .counter = counter};
}

static uint8_t *put_u32(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 24);
	at[1] = (uint8_t)(v >> 16);
	at[2] = (uint8_t)(v >> 8);
	at[3] = (uint8_t)v;
	return at + 4;
}

static uint32_t pictures_per_gop(const struct publisher *p)
{
	return WEIR_MAX(p->o.gop_ms * FPS_VIDEO / 1000, 1u);
}

static size_t picture_bytes(const struct publisher *p, bool is_key)
{
	uint32_t gop = pictures_per_gop(p);
	uint64_t per_s = p->o.kbps * 125ULL;
	uint64_t each = per_s * gop / FPS_VIDEO / (gop + KEY_TIMES - 1);

	each = is_key ? each * KEY_TIMES : each;
	return WEIR_MIN(WEIR_MAX(each, 100u), UNIT_BYTES - 256u);
}

/* SEI with the mark, then a slice. */
static void send_video(struct publisher *p, uint32_t ms)
{
	bool is_key = p->frame[0] % pictures_per_gop(p) == 0;
	size_t len = picture_bytes(p, is_key);
	struct mark m = mark_of(p, p->video);
	uint8_t *at = p->unit;
	uint8_t *slice;

	*at++ = is_key ? 0x17 : 0x27;
	*at++ = 1;
	memset(at, 0, 3);
	at = put_u32(at + 3, 3 + MARK_BYTES + 1);
	*at++ = 0x06;
	*at++ = 0x05;
	*at++ = MARK_BYTES;
	slice = put_u32(at + MARK_BYTES + 1, len);
	memcpy(slice, content(p, p->video, len).data, len);
	slice[0] = is_key ? 0x65 : 0x41;
	slice[1] = is_key ? 0x88 : 0x9a;
	mark_write(at, &m, span_of(slice, len));
	at[MARK_BYTES] = 0x80;
	p->frame[0]++;
	if (write_message(p, 9, ms,
			  span_of(p->unit, (size_t)(slice + len - p->unit))))
		note_written(p, &(struct trace){
					.kind = TRACE_VIDEO,
					.flags = is_key ? TRACE_KEY : 0,
					.session = p->session,
					.counter = p->video++,
					.ms = ms,
				});
}

static void send_audio(struct publisher *p, uint32_t ms)
{
	size_t len = AUDIO_KBPS * 125u * AUDIO_FRAME / AUDIO_HZ - MARK_BYTES;
	struct mark m = mark_of(p, p->audio);
	uint8_t *at = p->unit;

	*at++ = 0xaf;
	*at++ = 1;
	memcpy(at + MARK_BYTES, content(p, p->audio, len).data, len);
	mark_write(at, &m, span_of(at + MARK_BYTES, len));
	p->frame[1]++;
	if (write_message(p, 8, ms, span_of(p->unit, 2 + MARK_BYTES + len)))
		note_written(p, &(struct trace){
					.kind = TRACE_AUDIO,
					.session = p->session,
					.counter = p->audio++,
					.ms = ms,
				});
}

/* ---- time ---- */

static uint64_t due_us(const struct publisher *p, int kind)
{
	if (kind == 0)
		return p->start_us + p->frame[0] * 1000000ULL / FPS_VIDEO;
	return p->start_us +
	       p->frame[1] * (uint64_t)AUDIO_FRAME * 1000000ULL / AUDIO_HZ;
}

/* The kind whose turn it is; pictures first. */
static int next_kind(const struct publisher *p)
{
	if (p->o.kinds != 'b')
		return p->o.kinds == 'a';
	return due_us(p, 1) < due_us(p, 0);
}

static void send_due(struct publisher *p)
{
	uint64_t now = io_mono_us();

	for (;;) {
		int kind = next_kind(p);
		uint64_t due = due_us(p, kind);
		uint32_t ms = (uint32_t)((due - p->start_us + 500) / 1000);

		if (due > now) {
			timer_start(p->timer, (due - now) / 1000 + 1);
			return;
		}
		if (kind)
			send_audio(p, ms);
		else
			send_video(p, ms);
	}
}

static void on_timer(struct publisher *p)
{
	if (p->is_over)
		return;
	if (p->has_ended) {
		p->has_ended = false;
		remote_rtmp_free(&p->now->peer);
		dial(p);
		return;
	}
	if (p->is_ready && !p->is_leaving)
		send_due(p);
}

/* ---- the connection ---- */

static void send_heads(struct publisher *p)
{
	struct buf meta = {0};
	uint8_t codec[] = {0, 0x40, 0x1c, 0, 0, 0, 0, 0, 0}; /* 7.0 */

	buf_put(&meta, SPAN_LIT("\x02\x00\x0aonMetaData\x03"));
	if (p->o.kinds != 'a') {
		buf_put(&meta, SPAN_LIT("\x00\x0cvideocodecid"));
		buf_put(&meta, SPAN(codec));
	}
	if (p->o.kinds != 'v') {
		codec[2] = 0x24; /* 10.0 */
		buf_put(&meta, SPAN_LIT("\x00\x0c"
					"audiocodecid"));
		buf_put(&meta, SPAN(codec));
	}
	buf_put(&meta, SPAN_LIT("\x00\x00\x09"));
	write_message(p, 18, 0, buf_span(&meta));
	buf_fini(&meta);
	if (p->o.kinds != 'a')
		write_message(p, 9, 0, SPAN(avc_head));
	if (p->o.kinds != 'v')
		write_message(p, 8, 0, SPAN(aac_head));
}

static void on_ready(void *ctx)
{
	struct publisher *p = ((struct line *)ctx)->publisher;

	p->session++;
	p->is_ready = true;
	p->frame[0] = p->frame[1] = 0;
	p->start_us = io_mono_us();
	tracer_put(&p->tracer, TRACE_OPEN, 0, p->session, 0, 0);
	send_heads(p);
	timer_start(p->timer, 0);
}

/* The session is over, as its encoder sees it. */
static void end_session(struct publisher *p)
{
	tracer_put(&p->tracer, TRACE_END, p->is_ready, p->session, 0, 0);
	buf_clear(&p->written); /* what nobody was given is not missing */
	p->is_ready = false;
	p->has_ended = true;
	p->is_over = p->is_leaving;
	p->retries++;
	if (!p->is_over)
		timer_start(p->timer, p->o.retry_ms);
}

static void on_end(void *ctx, enum remote_end end)
{
	struct line *line = ctx;
	struct publisher *p = line->publisher;
	bool is_left = line == p->left;

	snprintf(is_left ? p->left_words : p->words, sizeof(p->words),
		 "%s: %.140s", remote_end_name(end),
		 remote_rtmp_words(line->peer));
	if (is_left) {
		p->left = NULL;
		return;
	}
	p->turn += end != REMOTE_REFUSED; /* then the next address */
	end_session(p);
}

static void dial(struct publisher *p)
{
	static const struct remote_rtmp_events events = {
		.on_ready = on_ready,
		.on_drained = on_drained,
		.on_end = on_end,
	};
	const struct remote_rtmp_options options = {
		.url = p->url[p->turn % p->o.url_count],
		.is_publish = true,
		.connect_ms = CONNECT_MS,
		.ready_ms = READY_MS,
	};

	if (!remote_rtmp_new(&p->now->peer, p->loop, &options, &events, p->now))
		return;
	p->has_ended = true;
	p->turn++;
	timer_start(p->timer, p->o.retry_ms);
}

/* ---- life ---- */

static int fill(struct publisher *p, const struct publisher_options *o)
{
	p->unit = malloc(UNIT_BYTES);
	p->pool = malloc(POOL_BYTES);
	if (!p->unit || !p->pool)
		return WEIR_ENOMEM;
	io_random(p->pool, POOL_BYTES);
	for (size_t i = 0; i < POOL_BYTES; i++)
		p->pool[i] |= 0x10;
	for (size_t i = 0; i < o->url_count && i < URLS_MAX; i++) {
		p->url[i] = strdup(o->url[i]);
		if (!p->url[i])
			return WEIR_ENOMEM;
	}
	return 0;
}

int publisher_new(struct publisher **out, struct loop *loop,
		  const struct publisher_options *o)
{
	struct publisher *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return WEIR_ENOMEM;
	p->loop = loop;
	p->line[0].publisher = p->line[1].publisher = p;
	p->now = p->line;
	p->o = *o;
	p->o.url_count = WEIR_MIN(o->url_count, (size_t)URLS_MAX);
	err = fill(p, o);
	if (!err)
		err = timer_new(&p->timer, loop, on_timer, p);
	if (!err)
		err = tracer_open(&p->tracer, o->trace, o->stream);
	if (err) {
		publisher_free(&p);
		return err;
	}
	dial(p);
	*out = p;
	return 0;
}

void publisher_leave(struct publisher *p)
{
	p->is_leaving = true;
	timer_stop(p->timer);
	if (p->now->peer && !p->has_ended)
		remote_rtmp_stop(p->now->peer);
	else
		p->is_over = true;
}

void publisher_abandon(struct publisher *p)
{
	struct line *other = p->now == p->line ? &p->line[1] : &p->line[0];

	if (p->has_ended || !p->is_ready)
		return;
	remote_rtmp_free(&other->peer);
	p->left_words[0] = '\0';
	p->left = p->now;
	p->now = other;
	p->turn++;
	end_session(p);
}

void publisher_say(struct publisher *p, struct buf *out)
{
	buf_printf(out,
		   "{\"stream\":%u,\"ready\":%s,\"over\":%s,\"session\":%u,"
		   "\"retries\":%u,",
		   p->o.stream, p->is_ready ? "true" : "false",
		   p->is_over ? "true" : "false", p->session, p->retries);
	tracer_say(&p->tracer, out);
	buf_printf(out, ",\"words\":\"");
	say_text(out, p->words);
	buf_printf(out, "\",\"left\":\"");
	say_text(out, p->left_words);
	buf_printf(out, "\"}");
}

void publisher_free(struct publisher **pp)
{
	struct publisher *p = *pp;

	if (!p)
		return;
	remote_rtmp_free(&p->line[0].peer);
	remote_rtmp_free(&p->line[1].peer);
	timer_free(&p->timer);
	tracer_close(&p->tracer);
	buf_fini(&p->written);
	for (size_t i = 0; i < URLS_MAX; i++)
		free(p->url[i]);
	free(p->unit);
	free(p->pool);
	free(p);
	*pp = NULL;
}
