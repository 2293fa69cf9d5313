/* common/media/h264_sps.c - the sequence parameter set of H.264. */
#include "common/base/bits.h"
#include "common/media/h264.h"

static void skip_scaling_list(struct bits *b, unsigned size)
{
	int32_t last = 8;
	int32_t next = 8;

	for (unsigned i = 0; i < size && next && !bits_failed(b); i++) {
		next = (int32_t)(((int64_t)last + bits_se(b)) & 0xff);
		if (next)
			last = next;
	}
}

static bool has_chroma_format(uint8_t profile_idc)
{
	static const uint8_t profiles[] = {100, 110, 122, 244, 44,  83, 86,
					   118, 128, 138, 139, 134, 135};

	return memchr(profiles, profile_idc, sizeof(profiles));
}

/* Returns ChromaArrayType. */
static uint8_t read_chroma(struct h264_sps *sps, struct bits *b)
{
	bool is_separate = false;

	sps->chroma_format_idc = (uint8_t)bits_ue_max(b, 3);
	if (sps->chroma_format_idc == 3)
		is_separate = bits_flag(b);
	sps->luma_bits = (uint8_t)(8 + bits_ue_max(b, 6));
	sps->chroma_bits = (uint8_t)(8 + bits_ue_max(b, 6));
	bits_skip(b, 1); /* qpprime_y_zero_transform_bypass_flag */
	if (bits_flag(b))
		for (int i = 0; i < (sps->chroma_format_idc == 3 ? 12 : 8); i++)
			if (bits_flag(b))
				skip_scaling_list(b, i < 6 ? 16 : 64);
	return is_separate ? 0 : sps->chroma_format_idc;
}

static void skip_picture_order(struct bits *b)
{
	uint32_t type = bits_ue_max(b, 2);

	if (type == 0)
		(void)bits_ue_max(b, 12);
	if (type != 1)
		return;
	bits_skip(b, 1);
	(void)bits_se(b);
	(void)bits_se(b);
	for (uint32_t n = bits_ue_max(b, 255); n && !bits_failed(b); n--)
		(void)bits_se(b);
}

static uint16_t shown(uint64_t coded, uint64_t cropped)
{
	if (coded <= cropped || coded - cropped > UINT16_MAX)
		return 0;
	return (uint16_t)(coded - cropped);
}

static void read_size(struct h264_sps *sps, struct bits *b, uint8_t chroma)
{
	uint64_t width = ((uint64_t)bits_ue(b) + 1) * 16;
	uint64_t height = ((uint64_t)bits_ue(b) + 1) * 16;
	uint64_t crop_x = 0;
	uint64_t crop_y = 0;
	unsigned unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
	unsigned unit_y = chroma == 1 ? 2 : 1;

	sps->is_interlaced = !bits_flag(b);
	if (sps->is_interlaced) {
		bits_skip(b, 1); /* mb_adaptive_frame_field_flag */
		height *= 2;
		unit_y *= 2;
	}
	bits_skip(b, 1);    /* direct_8x8_inference_flag */
	if (bits_flag(b)) { /* left, right, top, bottom */
		crop_x = (uint64_t)bits_ue(b) + bits_ue(b);
		crop_y = (uint64_t)bits_ue(b) + bits_ue(b);
	}
	sps->width = shown(width, crop_x * unit_x);
	sps->height = shown(height, crop_y * unit_y);
	if (!sps->width || !sps->height)
		sps->width = sps->height = 0;
}

static void skip_hrd(struct bits *b)
{
	uint32_t count = bits_ue_max(b, 31) + 1;

	bits_skip(b, 8);
	for (; count && !bits_failed(b); count--) {
		(void)bits_ue(b);
		(void)bits_ue(b);
		bits_skip(b, 1);
	}
	bits_skip(b, 20);
}

static void skip_vui_colours(struct bits *b)
{
	if (bits_flag(b) && bits_u(b, 8) == 255) /* aspect_ratio_idc */
		bits_skip(b, 32);
	if (bits_flag(b)) /* overscan */
		bits_skip(b, 1);
	if (bits_flag(b)) { /* video_signal_type */
		bits_skip(b, 4);
		if (bits_flag(b))
			bits_skip(b, 24);
	}
	if (bits_flag(b)) { /* chroma location */
		(void)bits_ue(b);
		(void)bits_ue(b);
	}
}

/* Two ticks are a frame: the VUI counts fields. */
static uint16_t read_timing(struct bits *b)
{
	uint64_t units = bits_u(b, 32);
	uint64_t scale = bits_u(b, 32);
	uint64_t fps_x100;

	bits_skip(b, 1); /* fixed_frame_rate_flag */
	if (bits_failed(b) || !units)
		return 0;
	fps_x100 = (scale * 100 + units) / (units * 2);
	return fps_x100 > UINT16_MAX ? 0 : (uint16_t)fps_x100;
}

static void read_restrictions(struct h264_sps *sps, struct bits *b)
{
	uint32_t reorder;
	uint32_t buffers;

	bits_skip(b, 1);
	for (int i = 0; i < 4; i++)
		(void)bits_ue(b);
	reorder = bits_ue_max(b, 32);
	buffers = bits_ue_max(b, 32);
	if (bits_failed(b))
		return;
	sps->reorder_frames = (int8_t)reorder;
	sps->max_frame_buffers = (int8_t)buffers;
}

static void read_vui(struct h264_sps *sps, struct bits *b)
{
	bool has_nal_hrd;
	bool has_vcl_hrd;

	skip_vui_colours(b);
	if (bits_flag(b))
		sps->fps_x100 = read_timing(b);
	has_nal_hrd = bits_flag(b);
	if (has_nal_hrd)
		skip_hrd(b);
	has_vcl_hrd = bits_flag(b);
	if (has_vcl_hrd)
		skip_hrd(b);
	if (has_nal_hrd || has_vcl_hrd)
		bits_skip(b, 1); /* low_delay_hrd_flag */
	bits_skip(b, 1);         /* pic_struct_present_flag */
	if (bits_flag(b))
		read_restrictions(sps, b);
}

int h264_sps_parse(struct h264_sps *out, struct span nal)
{
	struct bits b = bits_of_rbsp(span_from(nal, 1));
	struct h264_sps sps = {.chroma_format_idc = 1,
			       .luma_bits = 8,
			       .chroma_bits = 8,
			       .reorder_frames = -1,
			       .max_frame_buffers = -1};
	uint8_t chroma = 1;
	bool has_vui;

	sps.profile_idc = (uint8_t)bits_u(&b, 8);
	sps.constraints = (uint8_t)bits_u(&b, 8);
	sps.level_idc = (uint8_t)bits_u(&b, 8);
	sps.id = (uint8_t)bits_ue_max(&b, 31);
	if (has_chroma_format(sps.profile_idc))
		chroma = read_chroma(&sps, &b);
	(void)bits_ue_max(&b, 12); /* log2_max_frame_num_minus4 */
	skip_picture_order(&b);
	sps.max_ref_frames = (uint8_t)bits_ue_max(&b, 32);
	bits_skip(&b, 1); /* gaps_in_frame_num_value_allowed_flag */
	read_size(&sps, &b, chroma);
	has_vui = bits_flag(&b);
	if (bits_failed(&b) || h264_nal_type(nal) != H264_NAL_SPS)
		return WEIR_EPROTO;
	if (has_vui)
		read_vui(&sps, &b);
	*out = sps;
	return 0;
}
