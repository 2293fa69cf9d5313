/* common/media/codec.c - one door to all codecs' headers. */
#include "common/media/codec.h"

#include "common/media/aac.h"
#include "common/media/audio.h"
#include "common/media/h264.h"
#include "common/media/h265.h"

/* What avcC and hvcC have in common. */
struct nal_config {
	uint8_t length_size;
	uint8_t sub_layers; /* H.265; 0: not known */
	struct param_sets sets;
};

static bool has_nals(uint8_t codec)
{
	return codec == CODEC_H264 || codec == CODEC_H265;
}

static int parse_nal_config(struct nal_config *out, uint8_t codec,
			    struct span config)
{
	struct h264_config h264;
	struct h265_config h265;
	int err;

	if (codec == CODEC_H264) {
		err = h264_config_parse(&h264, config);
		if (!err)
			*out = (struct nal_config){h264.length_size, 0,
						   h264.sets};
		return err;
	}
	err = h265_config_parse(&h265, config);
	if (!err)
		*out = (struct nal_config){h265.length_size, h265.sub_layers,
					   h265.sets};
	return err;
}

static int build_nal_config(struct buf *out, uint8_t codec,
			    const struct param_sets *sets)
{
	return codec == CODEC_H264 ? h264_config_build(out, sets)
				   : h265_config_build(out, sets);
}

static int unit_sets(struct param_sets *out, uint8_t codec, struct span unit,
		     uint8_t length_size)
{
	return codec == CODEC_H264 ? h264_unit_sets(out, unit, length_size)
				   : h265_unit_sets(out, unit, length_size);
}

static int param_id(uint32_t *out, uint8_t codec, struct span nal)
{
	return codec == CODEC_H264 ? h264_param_id(out, nal)
				   : h265_param_id(out, nal);
}

/* ---- Frames ---- */

/* numTemporalLayers, without taking the whole hvcC apart for each frame. */
static uint8_t hvcc_sub_layers(struct span config)
{
	return config.len > 21 ? config.data[21] >> 3 & 7 : 0;
}

int codec_unit_classify(struct unit_facts *out, uint8_t codec,
			struct span config, struct span payload)
{
	switch (codec) {
	case CODEC_H264:
		return h264_unit_classify(out, payload);
	case CODEC_H265:
		return h265_unit_classify(out, payload,
					  hvcc_sub_layers(config));
	case CODEC_AAC:
	case CODEC_MP3:
	case CODEC_OPUS:
	case CODEC_PCMA:
	case CODEC_PCMU:
		*out = (struct unit_facts){.is_join = true};
		return 0;
	default:
		return WEIR_EUNSUPPORTED;
	}
}

static uint32_t frame_samples(uint32_t *rate, uint8_t codec, struct span config,
			      struct span payload)
{
	struct aac_config aac;
	struct mp3_header mp3;

	switch (codec) {
	case CODEC_AAC:
		if (aac_config_parse(&aac, config))
			return 0;
		*rate = aac.core_rate;
		return aac.frame_samples;
	case CODEC_MP3:
		if (mp3_header_parse(&mp3, payload))
			return 0;
		*rate = mp3.rate;
		return mp3.frame_samples;
	case CODEC_OPUS:
		*rate = OPUS_RATE;
		return opus_packet_samples(payload);
	case CODEC_PCMA:
	case CODEC_PCMU:
		*rate = G711_RATE;
		return payload.len <= UINT32_MAX ? (uint32_t)payload.len : 0;
	default:
		return 0;
	}
}

int64_t codec_frame_duration_ns(uint8_t codec, struct span config,
				struct span payload)
{
	uint32_t rate = 1;
	uint32_t samples = frame_samples(&rate, codec, config, payload);

	return samples ? ns_from_ticks(samples, rate) : 0;
}

/* ---- Facts ---- */

static void h264_facts(struct track *out, const struct param_sets *sets)
{
	struct h264_sps sps;

	if (!sets->sps_count || h264_sps_parse(&sps, sets->sps[0]))
		return;
	out->width = sps.width;
	out->height = sps.height;
	out->fps_x100 = sps.fps_x100;
}

static void h265_facts(struct track *out, const struct param_sets *sets)
{
	struct h265_sps sps;

	if (!sets->sps_count || h265_sps_parse(&sps, sets->sps[0]))
		return;
	out->width = sps.width;
	out->height = sps.height;
	out->fps_x100 = sps.fps_x100;
	if (!out->fps_x100 && sets->vps_count)
		out->fps_x100 = h265_vps_fps_x100(sets->vps[0]);
}

static int video_config_facts(struct track *out, uint8_t codec,
			      struct span config)
{
	struct nal_config c;
	int err = parse_nal_config(&c, codec, config);

	if (err)
		return err;
	out->width = out->height = out->fps_x100 = 0;
	if (codec == CODEC_H264)
		h264_facts(out, &c.sets);
	else
		h265_facts(out, &c.sets);
	return 0;
}

int codec_config_facts(struct track *out, uint8_t codec, struct span config)
{
	struct aac_config aac;
	int err;

	if (has_nals(codec))
		return video_config_facts(out, codec, config);
	if (codec != CODEC_AAC)
		return WEIR_EUNSUPPORTED;
	err = aac_config_parse(&aac, config);
	if (err)
		return err;
	out->rate = aac.rate;
	out->channels = aac.channels;
	return 0;
}

int codec_frame_facts(struct track *out, uint8_t codec, struct span payload)
{
	struct mp3_header mp3;
	int err;

	switch (codec) {
	case CODEC_MP3:
		err = mp3_header_parse(&mp3, payload);
		if (err)
			return err;
		out->rate = mp3.rate;
		out->channels = mp3.channels;
		return 0;
	case CODEC_OPUS:
		out->rate = OPUS_RATE;
		out->channels = opus_packet_channels(payload);
		return 0;
	case CODEC_PCMA:
	case CODEC_PCMU:
		out->rate = G711_RATE;
		out->channels = 1;
		return 0;
	default:
		return WEIR_EUNSUPPORTED;
	}
}

/* ---- Configs ---- */

/* A set of Annex B parameter sets where a config was expected. */
static int config_from_annexb(struct buf *out, uint8_t codec,
			      struct span config)
{
	struct param_sets sets;
	int err = unit_sets(&sets, codec, config, NAL_ANNEXB);

	return err ? err : build_nal_config(out, codec, &sets);
}

static int normalise_nal_config(struct buf *out, uint8_t *length_size,
				uint8_t codec, struct span config)
{
	size_t length_at = codec == CODEC_H264 ? 4 : 21;
	struct nal_config c;
	int err;

	if (nal_has_start_code(config)) {
		err = config_from_annexb(out, codec, config);
		if (!err)
			*length_size = NAL_ANNEXB;
		return err;
	}
	err = parse_nal_config(&c, codec, config);
	if (err)
		return err;
	buf_put(out, span_first(config, length_at));
	buf_put_u8(out, config.data[length_at] | 3);
	buf_put(out, span_from(config, length_at + 1));
	if (!buf_error(out))
		*length_size = c.length_size;
	return buf_error(out);
}

int codec_config_normalise(struct buf *out, uint8_t *length_size, uint8_t codec,
			   struct span config)
{
	struct aac_config aac;
	int err;

	if (has_nals(codec))
		return normalise_nal_config(out, length_size, codec, config);
	if (codec != CODEC_AAC)
		return WEIR_EUNSUPPORTED;
	err = aac_config_parse(&aac, config);
	if (err)
		return err;
	buf_put(out, config);
	if (!buf_error(out))
		*length_size = 0;
	return buf_error(out);
}

/* Put `nal` in the place of the set with its id, or behind the others. A set
 * whose id cannot be read is passed over. */
static int merge_set(struct param_sets *sets, enum param_kind kind,
		     uint8_t codec, struct span nal)
{
	struct span *list = kind == PARAM_VPS   ? sets->vps
			    : kind == PARAM_SPS ? sets->sps
						: sets->pps;
	uint8_t count = kind == PARAM_VPS   ? sets->vps_count
			: kind == PARAM_SPS ? sets->sps_count
					    : sets->pps_count;
	uint32_t id;
	uint32_t other;

	if (param_id(&id, codec, nal))
		return 0;
	for (uint8_t i = 0; i < count; i++) {
		if (!param_id(&other, codec, list[i]) && other == id) {
			list[i] = nal;
			return 0;
		}
	}
	return param_sets_add(sets, kind, nal);
}

static int merge_sets(struct param_sets *sets, uint8_t codec,
		      const struct param_sets *from)
{
	int err = 0;

	for (uint8_t i = 0; !err && i < from->vps_count; i++)
		err = merge_set(sets, PARAM_VPS, codec, from->vps[i]);
	for (uint8_t i = 0; !err && i < from->sps_count; i++)
		err = merge_set(sets, PARAM_SPS, codec, from->sps[i]);
	for (uint8_t i = 0; !err && i < from->pps_count; i++)
		err = merge_set(sets, PARAM_PPS, codec, from->pps[i]);
	return err;
}

static int update_nal_config(struct buf *out, bool *is_changed, uint8_t codec,
			     struct span config, const struct param_sets *sets)
{
	struct nal_config old = {0};
	struct param_sets merged;
	int err = 0;

	if (config.len)
		err = parse_nal_config(&old, codec, config);
	if (err)
		return err;
	merged = old.sets;
	err = merge_sets(&merged, codec, sets);
	if (err)
		return err;
	if (param_sets_eq(&merged, &old.sets)) {
		*is_changed = false;
		return 0;
	}
	err = build_nal_config(out, codec, &merged);
	if (!err)
		*is_changed = true;
	return err;
}

int codec_config_update(struct buf *out, bool *is_changed, uint8_t codec,
			struct span config, struct span payload)
{
	struct param_sets sets;
	int err;

	if (!has_nals(codec)) {
		*is_changed = false;
		return 0;
	}
	err = unit_sets(&sets, codec, payload, 4);
	if (err)
		return err;
	if (param_sets_is_empty(&sets)) {
		*is_changed = false;
		return 0;
	}
	return update_nal_config(out, is_changed, codec, config, &sets);
}

bool codec_config_eq(uint8_t codec, struct span a, struct span b)
{
	struct nal_config x;
	struct nal_config y;

	if (span_eq(a, b))
		return true;
	if (codec == CODEC_AAC)
		return aac_config_eq(a, b);
	if (!has_nals(codec) || parse_nal_config(&x, codec, a) ||
	    parse_nal_config(&y, codec, b))
		return false;
	return x.length_size == y.length_size &&
	       param_sets_eq(&x.sets, &y.sets);
}
