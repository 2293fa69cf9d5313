/* proto/hls/facts.c - what is in the bytes of a TS segment. */
#include "proto/hls/facts.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

struct scan {
	struct hls_facts *f;
	bool has_pat_first;
	bool has_pmt_second;
	uint64_t pes_count;
};

static struct hls_track_facts *find_track(struct hls_facts *f, uint16_t pid)
{
	for (uint8_t i = 0; i < f->track_count; i++)
		if (f->track[i].pid == pid)
			return &f->track[i];
	return NULL;
}

static void add_track(struct hls_facts *f, const struct ts_stream *s)
{
	if (find_track(f, s->pid) || f->track_count == HLS_FACTS_TRACKS)
		return;
	f->track[f->track_count++] = (struct hls_track_facts){
		.pid = s->pid,
		.stream_type = s->stream_type,
		.is_video = s->codec == CODEC_H264 || s->codec == CODEC_H265,
	};
}

static int on_pat(void *ctx, uint64_t offset)
{
	struct scan *s = ctx;

	if (offset == 0)
		s->has_pat_first = true;
	return 0;
}

static int on_pmt(void *ctx, const struct ts_program *program, bool is_new,
		  uint64_t offset)
{
	struct scan *s = ctx;

	(void)is_new;
	if (offset == TS_PACKET_BYTES)
		s->has_pmt_second = true;
	for (uint8_t i = 0; i < program->count; i++)
		add_track(s->f, &program->stream[i]);
	return 0;
}

static void begin_track(struct hls_track_facts *t, const struct ts_pes *pes)
{
	t->first_dts_90k = t->last_dts_90k = pes->dts_long_90k;
	t->min_pts_90k = t->max_pts_90k = pes->pts_long_90k;
	t->begins_with_key = pes->is_random_access;
}

static int on_pes(void *ctx, const struct ts_pes *pes)
{
	struct scan *s = ctx;
	struct hls_track_facts *t = find_track(s->f, pes->stream->pid);
	int64_t step;

	if (!t || !pes->has_pts)
		return 0;
	if (!t->pes_count)
		begin_track(t, pes);
	step = pes->dts_long_90k - t->last_dts_90k;
	t->max_step_90k = WEIR_MAX(t->max_step_90k, step);
	t->last_dts_90k = pes->dts_long_90k;
	t->min_pts_90k = WEIR_MIN(t->min_pts_90k, pes->pts_long_90k);
	t->max_pts_90k = WEIR_MAX(t->max_pts_90k, pes->pts_long_90k);
	t->pes_count++;
	s->pes_count++;
	return 0;
}

static int on_mistake(void *ctx, const struct ts_mistake_event *e)
{
	struct scan *s = ctx;

	if (!s->f->mistakes++)
		snprintf(s->f->words, sizeof(s->f->words),
			 "%s (PID %u, byte %" PRIu64 ")", e->text, e->pid,
			 e->offset);
	return 0;
}

static void hash(uint8_t out[HLS_HASH_BYTES], struct span bytes)
{
	static const uint8_t nothing[1];

	if (!EVP_Digest(bytes.len ? bytes.data : nothing, bytes.len, out, NULL,
			EVP_sha256(), NULL))
		memset(out, 0, HLS_HASH_BYTES);
}

int hls_facts_read(struct hls_facts *out, struct span ts)
{
	static const struct ts_reader_events events = {
		.on_pat = on_pat,
		.on_pmt = on_pmt,
		.on_pes = on_pes,
		.on_mistake = on_mistake,
	};
	struct hls_facts f = {.bytes = ts.len};
	struct scan s = {.f = &f};
	struct ts_reader *rd = NULL;
	int err = ts_reader_new(&rd, NULL, &events, &s);

	if (!err)
		err = ts_reader_feed(rd, ts);
	if (!err)
		err = ts_reader_end(rd);
	if (err && err != WEIR_ENOMEM)
		snprintf(f.words, sizeof(f.words), "%s", ts_reader_fault(rd));
	else if (!s.pes_count && !f.mistakes)
		snprintf(f.words, sizeof(f.words), "there is no media in it");
	ts_reader_free(&rd);
	if (err == WEIR_ENOMEM)
		return err;
	f.is_readable = !err && s.pes_count;
	f.begins_with_tables = s.has_pat_first && s.has_pmt_second;
	hash(f.sha256, ts);
	*out = f;
	return 0;
}

const struct hls_track_facts *hls_facts_lead(const struct hls_facts *f)
{
	for (uint8_t i = 0; i < f->track_count; i++)
		if (f->track[i].is_video)
			return &f->track[i];
	return f->track_count ? &f->track[0] : NULL;
}

int64_t hls_track_duration_us(const struct hls_track_facts *t)
{
	int64_t ticks;

	if (t->pes_count < 2)
		return 0;
	ticks = t->max_pts_90k - t->min_pts_90k;
	ticks += (t->last_dts_90k - t->first_dts_90k) / (t->pes_count - 1);
	return ticks * 100 / 9;
}
