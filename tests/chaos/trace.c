/* tests/chaos/trace.c - what happened when, in a file. */
#include <errno.h>

#include "common/io/clock.h"
#include "common/media/aac.h"
#include "tests/chaos/load.h"

#define ADTS_BYTES_MAX 9

int tracer_open(struct tracer *t, const char *file, uint16_t stream)
{
	*t = (struct tracer){.stream = stream};
	t->file = fopen(file, "we");
	return t->file ? 0 : -errno;
}

void tracer_put(struct tracer *t, uint8_t kind, uint8_t flags, uint32_t session,
		uint32_t counter, uint32_t ms)
{
	struct trace e = {
		.at_us = io_mono_us(),
		.session = session,
		.counter = counter,
		.ms = ms,
		.kind = kind,
		.flags = flags,
		.stream = t->stream,
	};

	if (kind == TRACE_VIDEO || kind == TRACE_AUDIO) {
		t->count++;
		t->last_us = e.at_us;
		t->last[kind == TRACE_AUDIO].session = session;
		t->last[kind == TRACE_AUDIO].counter = counter;
	}
	if (t->file)
		fwrite(&e, sizeof(e), 1, t->file);
}

/* An IDR slice in 4-byte lengths or behind start codes. */
static bool is_key(struct span unit, const struct mark *m)
{
	struct span slice = span_from(unit, unit.len - m->body_bytes);

	return slice.len && (slice.data[0] & 0x1f) == 5;
}

/* What outputs put where a publisher's sound broke off: an AU of silence, maybe
 * behind an ADTS header. */
static bool is_silence(uint8_t kind, struct span unit)
{
	static const struct aac_config config = {
		.object_type = 2, .rate = 44100, .channel_config = 2};
	struct span au = aac_silence(&config);

	return kind == TRACE_AUDIO && au.len && unit.len >= au.len &&
	       unit.len <= au.len + ADTS_BYTES_MAX &&
	       span_eq(span_from(unit, unit.len - au.len), au);
}

void tracer_unit(struct tracer *t, uint8_t kind, uint32_t ms, struct span unit)
{
	uint16_t wanted = t->stream;
	struct mark m;
	bool is_video = kind == TRACE_VIDEO;

	if (is_silence(kind, unit)) {
		tracer_put(t, TRACE_SILENCE, 0, 0, 0, ms);
		return;
	}
	if (!mark_read(&m, unit) || !m.is_whole ||
	    (wanted && m.stream != wanted)) {
		tracer_put(t, TRACE_WRONG, 0, 0, 0, ms);
		return;
	}
	t->stream = (uint16_t)m.stream;
	tracer_put(t, kind, is_video && is_key(unit, &m) ? TRACE_KEY : 0,
		   m.session, m.counter, ms);
	t->stream = wanted;
}

void tracer_close(struct tracer *t)
{
	if (t->file)
		fclose(t->file);
	t->file = NULL;
}

void tracer_say(const struct tracer *t, struct buf *out)
{
	if (t->file)
		fflush(t->file);
	buf_printf(out,
		   "\"count\":%llu,\"last_us\":%llu,"
		   "\"video\":[%u,%u],\"audio\":[%u,%u]",
		   (unsigned long long)t->count, (unsigned long long)t->last_us,
		   t->last[0].session, t->last[0].counter, t->last[1].session,
		   t->last[1].counter);
}

void say_text(struct buf *out, const char *words)
{
	for (const char *c = words; *c; c++)
		if (*c >= ' ' && *c != '"' && *c != '\\')
			buf_put_u8(out, (uint8_t)*c);
}
