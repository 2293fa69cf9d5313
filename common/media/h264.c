/* common/media/h264.c - H.264: avcC, parameter sets, access units. The SPS is
 * in h264_sps.c. */
#include "common/media/h264.h"

#include "common/base/bits.h"
#include "common/media/sei.h"

#define NAL_REF_IDC(nal) ((nal).data[0] >> 5 & 3)

/* ---- avcC ---- */

static int read_sets(struct param_sets *sets, enum param_kind kind,
		     struct reader *r, unsigned count)
{
	int err = 0;

	while (count-- && !err && !reader_failed(r))
		err = param_sets_add(sets, kind, read_span(r, read_u16(r)));
	return err;
}

int h264_config_parse(struct h264_config *out, struct span in)
{
	struct reader r = reader_of(in);
	struct h264_config c = {0};
	uint8_t version = read_u8(&r);
	int err;

	c.profile_idc = read_u8(&r);
	c.constraints = read_u8(&r);
	c.level_idc = read_u8(&r);
	c.length_size = (read_u8(&r) & 3) + 1;
	err = read_sets(&c.sets, PARAM_SPS, &r, read_u8(&r) & 0x1f);
	if (!err)
		err = read_sets(&c.sets, PARAM_PPS, &r, read_u8(&r));
	if (reader_failed(&r) || version != 1)
		return WEIR_EPROTO;
	if (!err)
		*out = c;
	return err;
}

static bool are_buildable(const struct span *list, uint8_t count)
{
	for (uint8_t i = 0; i < count; i++)
		if (list[i].len > UINT16_MAX)
			return false;
	return true;
}

static void put_sets(struct buf *out, const struct span *list, uint8_t count)
{
	for (uint8_t i = 0; i < count; i++) {
		buf_put_u16(out, (uint16_t)list[i].len);
		buf_put(out, list[i]);
	}
}

/* The profiles for which avcC has a tail: all that know chroma formats. */
static bool has_config_tail(uint8_t profile_idc)
{
	return profile_idc != 66 && profile_idc != 77 && profile_idc != 88;
}

static void put_config_tail(struct buf *out, struct span sps_nal)
{
	struct h264_sps sps;

	if (!has_config_tail(sps_nal.data[1]) || h264_sps_parse(&sps, sps_nal))
		return;
	buf_put_u8(out, 0xfc | sps.chroma_format_idc);
	buf_put_u8(out, (uint8_t)(0xf8 | (sps.luma_bits - 8)));
	buf_put_u8(out, (uint8_t)(0xf8 | (sps.chroma_bits - 8)));
	buf_put_u8(out, 0); /* no SPS extensions */
}

int h264_config_build(struct buf *out, const struct param_sets *sets)
{
	if (!sets->sps_count || sets->sps_count > 31 || sets->sps[0].len < 4 ||
	    !are_buildable(sets->sps, sets->sps_count) ||
	    !are_buildable(sets->pps, sets->pps_count))
		return WEIR_EINVAL;
	buf_put_u8(out, 1);
	buf_put(out, (struct span){sets->sps[0].data + 1, 3});
	buf_put_u8(out, 0xfc | 3);
	buf_put_u8(out, 0xe0 | sets->sps_count);
	put_sets(out, sets->sps, sets->sps_count);
	buf_put_u8(out, sets->pps_count);
	put_sets(out, sets->pps, sets->pps_count);
	put_config_tail(out, sets->sps[0]);
	return buf_error(out);
}

/* ---- Parameter sets ---- */

int h264_param_id(uint32_t *out, struct span nal)
{
	bool is_sps = h264_nal_type(nal) == H264_NAL_SPS;
	struct bits b = bits_of_rbsp(span_from(nal, 1));
	uint32_t id;

	if (is_sps)
		bits_skip(&b, 24); /* profile and level */
	id = bits_ue_max(&b, is_sps ? 31 : 255);
	if (bits_failed(&b))
		return WEIR_EPROTO;
	*out = id;
	return 0;
}

int h264_unit_sets(struct param_sets *out, struct span unit,
		   uint8_t length_size)
{
	struct nal_iter it = nal_iter_of(unit, length_size);
	struct span nal;
	int err = 0;

	*out = (struct param_sets){0};
	while (!err && nal_next(&it, &nal)) {
		if (h264_nal_type(nal) == H264_NAL_SPS)
			err = param_sets_add(out, PARAM_SPS, nal);
		else if (h264_nal_type(nal) == H264_NAL_PPS)
			err = param_sets_add(out, PARAM_PPS, nal);
	}
	return err ? err : it.err;
}

/* ---- Access units ---- */

static void note_recovery_point(struct unit_facts *facts, struct span nal)
{
	struct sei_iter it = sei_iter_of(span_from(nal, 1));
	struct sei sei;

	while (sei_next(&it, &sei)) {
		uint32_t count;

		if (sei.type != SEI_RECOVERY_POINT)
			continue;
		count = bits_ue_max(&sei.body, INT32_MAX);
		if (bits_failed(&sei.body))
			continue;
		facts->is_recovery_point = true;
		facts->recovery_count = (int32_t)count;
	}
}

/* Types 0-4 mean that slice, 5-9 that all slices of the picture are such. */
static uint8_t slice_kind(struct span nal)
{
	static const uint8_t kind[5] = {UNIT_HAS_P, UNIT_HAS_B, UNIT_HAS_I,
					UNIT_HAS_P, UNIT_HAS_I};
	struct bits b = bits_of_rbsp(span_from(nal, 1));
	uint32_t type;

	(void)bits_ue(&b); /* first_mb_in_slice */
	type = bits_ue_max(&b, 9);
	return bits_failed(&b) ? 0 : kind[type % 5];
}

static void note_slice(struct unit_facts *facts, struct span nal)
{
	uint8_t type = h264_nal_type(nal);

	if (!facts->has_picture)
		facts->is_disposable = true;
	facts->has_picture = true;
	if (NAL_REF_IDC(nal))
		facts->is_disposable = false;
	if (type == H264_NAL_IDR)
		facts->is_idr = true;
	if (type <= H264_NAL_PARTITION_A || type == H264_NAL_IDR)
		facts->slices |= slice_kind(nal);
}

static void note_nal(struct unit_facts *facts, struct span nal)
{
	switch (h264_nal_type(nal)) {
	case H264_NAL_SLICE:
	case H264_NAL_PARTITION_A:
	case 3: /* partitions B and C */
	case 4:
	case H264_NAL_IDR:
		note_slice(facts, nal);
		break;
	case H264_NAL_SEI:
		note_recovery_point(facts, nal);
		break;
	case H264_NAL_SPS:
	case H264_NAL_PPS:
		facts->has_parameter_sets = true;
		break;
	case H264_NAL_END_SEQUENCE:
	case H264_NAL_END_STREAM:
		facts->is_end = true;
		break;
	default:
		break;
	}
}

int h264_unit_classify(struct unit_facts *out, struct span unit)
{
	struct nal_iter it = nal_iter_of(unit, 4);
	struct unit_facts facts = {0};
	struct span nal;

	while (nal_next(&it, &nal))
		note_nal(&facts, nal);
	if (it.err)
		return it.err;
	facts.is_join =
		facts.has_picture && (facts.is_idr || facts.is_recovery_point);
	*out = facts;
	return 0;
}
