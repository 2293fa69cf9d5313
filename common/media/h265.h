/* common/media/h265.h - H.265 headers: hvcC, SPS, and what an access unit is.
 *
 * Spec: ITU-T H.265 section 7.3 and annexes D, E; ISO/IEC 14496-15 section
 * 8.3.3.1 (HEVCDecoderConfigurationRecord, "hvcC"). Pure code; nothing is
 * allocated but by struct buf; spans borrow from the input.
 */
#ifndef WEIR_MEDIA_H265_H
#define WEIR_MEDIA_H265_H

#include "common/media/nal.h"
#include "common/media/unit.h"

enum h265_nal_type {
	H265_NAL_RSV_VCL_N14 = 14, /* up to here: even is sub-layer
				    * non-reference */
	H265_NAL_RASL_N = 8,
	H265_NAL_RASL_R = 9,
	H265_NAL_BLA_W_LP = 16, /* the first IRAP type */
	H265_NAL_IDR_W_RADL = 19,
	H265_NAL_IDR_N_LP = 20,
	H265_NAL_CRA = 21,
	H265_NAL_RSV_IRAP_23 = 23, /* the last IRAP type */
	H265_NAL_VPS = 32,
	H265_NAL_SPS = 33,
	H265_NAL_PPS = 34,
	H265_NAL_AUD = 35,
	H265_NAL_END_SEQUENCE = 36,
	H265_NAL_END_STREAM = 37,
	H265_NAL_FILLER = 38,
	H265_NAL_SEI_PREFIX = 39,
	H265_NAL_SEI_SUFFIX = 40,
};

/* 0-63; 63 (unspecified) for what is shorter than its 2-byte header. */
static inline uint8_t h265_nal_type(struct span nal)
{
	return nal.len >= 2 ? nal.data[0] >> 1 & 0x3f : 63;
}

struct h265_sps {
	uint8_t id;
	uint8_t sub_layers; /* sps_max_sub_layers: 1-7 */
	bool is_temporal_id_nested;
	uint8_t profile_space;
	bool is_high_tier;
	uint8_t profile_idc;
	uint32_t compatibility; /* 32 flags */
	uint64_t constraints;   /* 48 bits */
	uint8_t level_idc;
	uint8_t chroma_format_idc;
	uint8_t luma_bits;
	uint8_t chroma_bits;
	uint8_t reorder_frames;    /* of the highest sub-layer */
	uint8_t max_frame_buffers; /* max_dec_pic_buffering, likewise */
	uint16_t width; /* pixels shown (conformance window); 0: not sane */
	uint16_t height;
	uint16_t fps_x100; /* from the VUI; 0: not told */
};

/* Parse an SPS NAL unit (its 2 header bytes first). What is broken behind the
 * sub-layers' buffering only leaves fps unknown. Returns 0, or WEIR_EPROTO
 * (*out untouched). */
WEIR_MUST_CHECK int h265_sps_parse(struct h265_sps *out, struct span nal);

/* Pictures per 100 s as a VPS tells them; 0 when it does not. */
uint16_t h265_vps_fps_x100(struct span nal);

/* hvcC. */
struct h265_config {
	uint8_t profile_idc;
	bool is_high_tier;
	uint8_t level_idc;
	uint8_t chroma_format_idc;
	uint8_t luma_bits;
	uint8_t chroma_bits;
	uint8_t sub_layers;     /* numTemporalLayers; 0: not known */
	uint8_t length_size;    /* of the units that go with it: 1-4 bytes */
	struct param_sets sets; /* borrowed; other arrays (SEI) passed over */
};

/* Returns 0, WEIR_EPROTO or WEIR_ELIMIT (more sets than PARAM_…_MAX). */
WEIR_MUST_CHECK int h265_config_parse(struct h265_config *out, struct span in);

/* Append an hvcC with 4-byte lengths, made from `sets`. Returns 0; WEIR_EINVAL
 * without an SPS that can be parsed, or with a set of 64 kB or more; or the
 * buffer's error. */
WEIR_MUST_CHECK int h265_config_build(struct buf *out,
				      const struct param_sets *sets);

/* Which id has this VPS, SPS or PPS? Returns 0 or WEIR_EPROTO. */
WEIR_MUST_CHECK int h265_param_id(uint32_t *out, struct span nal);

/* Collect the parameter sets in an access unit (plain: length_size 4) into *out
 * (emptied first). Returns 0, WEIR_EPROTO or WEIR_ELIMIT. */
WEIR_MUST_CHECK int h265_unit_sets(struct param_sets *out, struct span unit,
				   uint8_t length_size);

/* What a plain access unit is. `sub_layers` (as in h265_config; 0: not known)
 * decides about is_disposable: a sub-layer non-reference picture is needed by
 * nobody only in the highest sub-layer. Returns 0, or WEIR_EPROTO when its
 * lengths are broken (*out untouched). Broken SEI only leaves facts unset. */
WEIR_MUST_CHECK int h265_unit_classify(struct unit_facts *out, struct span unit,
				       uint8_t sub_layers);

#endif
