/* common/media/h264.h - H.264 headers: avcC, SPS, and what an access unit is.
 *
 * Spec: ITU-T H.264 sections 7.3 and annexes D, E; ISO/IEC 14496-15 section
 * 5.3.3.1 (AVCDecoderConfigurationRecord, "avcC"). Pure code; nothing is
 * allocated but by struct buf; spans borrow from the input.
 */
#ifndef WEIR_MEDIA_H264_H
#define WEIR_MEDIA_H264_H

#include "common/media/nal.h"
#include "common/media/unit.h"

enum h264_nal_type {
	H264_NAL_SLICE = 1,
	H264_NAL_PARTITION_A = 2,
	H264_NAL_IDR = 5,
	H264_NAL_SEI = 6,
	H264_NAL_SPS = 7,
	H264_NAL_PPS = 8,
	H264_NAL_AUD = 9,
	H264_NAL_END_SEQUENCE = 10,
	H264_NAL_END_STREAM = 11,
	H264_NAL_FILLER = 12,
};

static inline uint8_t h264_nal_type(struct span nal)
{
	return nal.len ? nal.data[0] & 0x1f : 0;
}

struct h264_sps {
	uint8_t profile_idc;
	uint8_t constraints; /* the byte between profile and level */
	uint8_t level_idc;
	uint8_t id;
	uint8_t chroma_format_idc;
	uint8_t luma_bits;
	uint8_t chroma_bits;
	uint8_t max_ref_frames;
	bool is_interlaced; /* not frame_mbs_only */
	uint16_t width;     /* pixels shown (after cropping); 0: not sane */
	uint16_t height;
	uint16_t fps_x100;        /* from the VUI; 0: not told */
	int8_t reorder_frames;    /* from the VUI; -1: not told */
	int8_t max_frame_buffers; /* max_dec_frame_buffering; -1: not told */
};

/* Parse an SPS NAL unit (its header byte first). A broken VUI only leaves its
 * fields unknown. Returns 0, or WEIR_EPROTO (*out untouched). */
WEIR_MUST_CHECK int h264_sps_parse(struct h264_sps *out, struct span nal);

/* avcC. */
struct h264_config {
	uint8_t profile_idc;
	uint8_t constraints;
	uint8_t level_idc;
	uint8_t length_size;    /* of the units that go with it: 1-4 bytes */
	struct param_sets sets; /* borrowed */
};

/* Parse an avcC; its extension for high profiles, and what follows, is passed
 * over. Returns 0, WEIR_EPROTO or WEIR_ELIMIT (more sets than PARAM_…_MAX). */
WEIR_MUST_CHECK int h264_config_parse(struct h264_config *out, struct span in);

/* Append an avcC with 4-byte lengths, made from `sets` (profile and level are
 * those of the first SPS). Returns 0; WEIR_EINVAL without an SPS of at least 4
 * bytes, with more than 31, or with a set of 64 kB or more; or the buffer's
 * error. */
WEIR_MUST_CHECK int h264_config_build(struct buf *out,
				      const struct param_sets *sets);

/* Which id has this SPS or PPS? Returns 0 or WEIR_EPROTO. */
WEIR_MUST_CHECK int h264_param_id(uint32_t *out, struct span nal);

/* Collect the parameter sets in an access unit (plain: length_size 4) into *out
 * (emptied first). Returns 0, WEIR_EPROTO or WEIR_ELIMIT. */
WEIR_MUST_CHECK int h264_unit_sets(struct param_sets *out, struct span unit,
				   uint8_t length_size);

/* What a plain access unit is. Returns 0, or WEIR_EPROTO when its lengths are
 * broken (*out untouched). Broken slices and SEI only leave facts unset. */
WEIR_MUST_CHECK int h264_unit_classify(struct unit_facts *out,
				       struct span unit);

#endif
