/* proto/ts/mux_track.c - tracks and configs in force. */
#include <stdlib.h>

#include "common/media/h264.h"
#include "common/media/h265.h"
#include "proto/ts/mux_priv.h"

/* MPEG-1 has 32, 44.1 and 48 kHz; what is lower came with MPEG-2. */
#define MPEG1_RATE_MIN 32000

static uint8_t stream_type_of(const struct track *t)
{
	switch (t->codec) {
	case CODEC_H264:
		return TS_TYPE_H264;
	case CODEC_H265:
		return TS_TYPE_H265;
	case CODEC_AAC:
		return TS_TYPE_AAC_ADTS;
	case CODEC_MP3:
		return t->rate && t->rate < MPEG1_RATE_MIN
			       ? TS_TYPE_MPEG2_AUDIO
			       : TS_TYPE_MPEG1_AUDIO;
	default:
		return TS_TYPE_PRIVATE;
	}
}

/* How many of each kind there were before. */
struct census {
	uint8_t video;
	uint8_t audio;
	uint8_t more; /* behind the first of each */
};

static uint8_t next_index(struct census *c, bool is_first, uint8_t place)
{
	return (uint8_t)(INDEX_MEDIA + (is_first ? place : 2 + c->more++));
}

static struct ts_es es_of(const struct track *t, struct census *c)
{
	bool is_video = t->kind == FRAME_VIDEO;
	uint8_t nth = is_video ? c->video++ : c->audio++;
	struct ts_es es = {
		.track = t->id,
		.kind = t->kind,
		.codec = t->codec,
		.index = next_index(c, !nth, is_video ? 0 : 1),
		.stream_type = stream_type_of(t),
		.channels = t->channels,
	};

	if (is_video)
		es.stream_id = 0xe0 | nth;
	else /* private_stream_1 stands for any number of streams */
		es.stream_id = t->codec == CODEC_OPUS ? 0xbd : 0xc0 | nth;
	return es;
}

static void es_fini(struct ts_es *es)
{
	buf_fini(&es->sets);
	buf_fini(&es->pending);
}

/* What `from` knows of the decoder goes over. */
static void es_take_config(struct ts_es *es, struct ts_es *from)
{
	es->is_refused = from->is_refused;
	es->has_config = from->has_config;
	memcpy(es->adts, from->adts, sizeof(es->adts));
	es->frame_samples = from->frame_samples;
	es->rate = from->rate;
	es->sets = from->sets;
	es->pending = from->pending;
	from->sets = from->pending = (struct buf){0};
}

struct ts_es *mux_find(struct ts_mux *m, uint16_t track)
{
	for (uint8_t i = 0; i < m->es_count; i++)
		if (m->es[i].track == track)
			return &m->es[i];
	return NULL;
}

static void drop_tracks(struct ts_mux *m)
{
	for (uint8_t i = 0; i < m->es_count; i++)
		es_fini(&m->es[i]);
	m->es_count = 0;
}

int ts_mux_set_tracks(struct ts_mux *m, struct buf *out,
		      const struct tracks *tracks)
{
	struct ts_es list[TRACKS_MAX];
	struct census census = {0};
	uint8_t count = 0;
	int err = ts_mux_flush(m, out);

	if (err)
		return err;
	for (uint8_t i = 0; i < tracks->count; i++) {
		const struct track *t = &tracks->track[i];
		struct ts_es *old = mux_find(m, t->id);

		if (!ts_can_carry(t))
			continue;
		list[count] = es_of(t, &census);
		if (old && old->codec == t->codec)
			es_take_config(&list[count], old);
		count++;
	}
	drop_tracks(m);
	memcpy(m->es, list, count * sizeof(list[0]));
	m->es_count = count;
	m->is_pmt_stale = true;
	return 0;
}

/* ---- Configs ---- */

static void put_sets(struct buf *out, const struct span *list, uint8_t count)
{
	for (uint8_t i = 0; i < count; i++) {
		buf_put_u32(out, 1); /* start code */
		buf_put(out, list[i]);
	}
}

static int parse_sets(struct param_sets *out, uint8_t codec, struct span config)
{
	struct h264_config h264;
	struct h265_config h265;
	int err;

	if (codec == CODEC_H264) {
		err = h264_config_parse(&h264, config);
		if (!err)
			*out = h264.sets;
		return err;
	}
	err = h265_config_parse(&h265, config);
	if (!err)
		*out = h265.sets;
	return err;
}

static int set_video(struct ts_es *es, struct span config)
{
	struct param_sets sets;
	struct buf text = {0};
	int err = parse_sets(&sets, es->codec, config);

	if (!err) {
		put_sets(&text, sets.vps, sets.vps_count);
		put_sets(&text, sets.sps, sets.sps_count);
		put_sets(&text, sets.pps, sets.pps_count);
		err = buf_error(&text);
	}
	if (err == WEIR_ENOMEM) {
		buf_fini(&text);
		return err;
	}
	buf_fini(&es->sets);
	es->sets = text; /* none, if it was broken */
	return err;
}

/* An AU of ADTS has 1024 samples, and a channel_config of 0 would need a
 * program config element that the ASC keeps to itself. */
static bool is_sayable(const struct aac_config *c)
{
	return c->frame_samples == 1024 && c->channel_config != 0;
}

static int make_adts(struct ts_es *es, struct span config)
{
	struct aac_config c;
	struct buf head = {0};
	int err = aac_config_parse(&c, config);

	if (err)
		return err;
	err = is_sayable(&c) ? aac_adts_write(&head, &c, 0) : WEIR_EINVAL;
	if (!err) {
		memcpy(es->adts, head.data, ADTS_HEAD_BYTES);
		es->frame_samples = c.frame_samples;
		es->rate = c.core_rate;
	}
	buf_fini(&head);
	return err == WEIR_EINVAL ? WEIR_EUNSUPPORTED : err;
}

static int set_aac(struct ts_mux *m, struct ts_es *es, struct span config)
{
	int err = make_adts(es, config);

	if (err == WEIR_ENOMEM)
		return err;
	es->has_config = !err;
	es->is_refused = err == WEIR_EUNSUPPORTED;
	m->is_pmt_stale = true;
	return err;
}

int ts_mux_set_config(struct ts_mux *m, struct buf *out, uint16_t track,
		      struct span config)
{
	struct ts_es *es = mux_find(m, track);
	int err;

	if (!es)
		return WEIR_ENOENT;
	if (es->kind == FRAME_VIDEO)
		return set_video(es, config);
	if (es->codec != CODEC_AAC)
		return 0;
	err = ts_mux_flush(m, out);
	return err ? err : set_aac(m, es, config);
}

/* ---- Life ---- */

int ts_mux_new(struct ts_mux **out, const struct ts_mux_options *options)
{
	struct ts_mux *m;

	if (options && options->gather_ms > TS_GATHER_MAX_MS)
		return WEIR_EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return WEIR_ENOMEM;
	if (options)
		m->options = *options;
	*out = m;
	return 0;
}

void ts_mux_free(struct ts_mux **m)
{
	if (!*m)
		return;
	drop_tracks(*m);
	free(*m);
	*m = NULL;
}
