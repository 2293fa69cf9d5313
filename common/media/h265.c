/* common/media/h265.c - H.265: hvcC, parameter sets, access units. The SPS and
 * the VPS are in h265_sps.c. */
#include "common/media/h265.h"

#include "common/base/bits.h"
#include "common/media/sei.h"

#define NAL_LAYER_ID(nal)    (((nal).data[0] & 1) << 5 | (nal).data[1] >> 3)
#define NAL_TEMPORAL_ID(nal) (((nal).data[1] & 7) - 1)

static bool param_kind_of(enum param_kind *out, uint8_t nal_type)
{
	if (nal_type < H265_NAL_VPS || nal_type > H265_NAL_PPS)
		return false;
	*out = (enum param_kind)(nal_type - H265_NAL_VPS);
	return true;
}

/* ---- hvcC ---- */

static int read_array(struct param_sets *sets, struct reader *r)
{
	uint8_t type = read_u8(r) & 0x3f;
	unsigned count = read_u16(r);
	enum param_kind kind;
	bool is_wanted = param_kind_of(&kind, type);
	int err = 0;

	while (count-- && !err && !reader_failed(r)) {
		struct span nal = read_span(r, read_u16(r));

		if (is_wanted)
			err = param_sets_add(sets, kind, nal);
	}
	return err;
}

int h265_config_parse(struct h265_config *out, struct span in)
{
	struct reader r = reader_of(in);
	struct h265_config c = {0};
	uint8_t version = read_u8(&r);
	uint8_t byte = read_u8(&r);
	int err = 0;

	c.profile_idc = byte & 0x1f;
	c.is_high_tier = byte >> 5 & 1;
	(void)read_span(&r, 4 + 6); /* compatibility and constraint flags */
	c.level_idc = read_u8(&r);
	(void)read_span(&r, 2 + 1); /* segmentation, parallelism */
	c.chroma_format_idc = read_u8(&r) & 3;
	c.luma_bits = (read_u8(&r) & 7) + 8;
	c.chroma_bits = (read_u8(&r) & 7) + 8;
	(void)read_u16(&r); /* avgFrameRate */
	byte = read_u8(&r);
	c.sub_layers = byte >> 3 & 7;
	c.length_size = (byte & 3) + 1;
	for (unsigned n = read_u8(&r); n && !err && !reader_failed(&r); n--)
		err = read_array(&c.sets, &r);
	/* Old muxers left the version at 0. */
	if (reader_failed(&r) || version > 1)
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

/* array_completeness stays 0: sets may also come in-band. */
static void put_array(struct buf *out, uint8_t type, const struct span *list,
		      uint8_t count)
{
	if (!count)
		return;
	buf_put_u8(out, type);
	buf_put_u16(out, count);
	for (uint8_t i = 0; i < count; i++) {
		buf_put_u16(out, (uint16_t)list[i].len);
		buf_put(out, list[i]);
	}
}

static void put_config_head(struct buf *out, const struct h265_sps *sps)
{
	buf_put_u8(out, 1);
	buf_put_u8(out, (uint8_t)(sps->profile_space << 6 |
				  sps->is_high_tier << 5 | sps->profile_idc));
	buf_put_u32(out, sps->compatibility);
	buf_put_uint(out, sps->constraints, 6);
	buf_put_u8(out, sps->level_idc);
	buf_put_u16(out, 0xf000); /* min_spatial_segmentation: not known */
	buf_put_u8(out, 0xfc);    /* parallelismType: not known */
	buf_put_u8(out, 0xfc | sps->chroma_format_idc);
	buf_put_u8(out, (uint8_t)(0xf8 | (sps->luma_bits - 8)));
	buf_put_u8(out, (uint8_t)(0xf8 | (sps->chroma_bits - 8)));
	buf_put_u16(out, 0); /* avgFrameRate: not known */
	buf_put_u8(out, (uint8_t)(sps->sub_layers << 3 |
				  sps->is_temporal_id_nested << 2 | 3));
}

int h265_config_build(struct buf *out, const struct param_sets *sets)
{
	struct h265_sps sps;

	if (!sets->sps_count || h265_sps_parse(&sps, sets->sps[0]) ||
	    !are_buildable(sets->vps, sets->vps_count) ||
	    !are_buildable(sets->sps, sets->sps_count) ||
	    !are_buildable(sets->pps, sets->pps_count))
		return WEIR_EINVAL;
	put_config_head(out, &sps);
	buf_put_u8(out, !!sets->vps_count + 1 + !!sets->pps_count);
	put_array(out, H265_NAL_VPS, sets->vps, sets->vps_count);
	put_array(out, H265_NAL_SPS, sets->sps, sets->sps_count);
	put_array(out, H265_NAL_PPS, sets->pps, sets->pps_count);
	return buf_error(out);
}

/* ---- Parameter sets ---- */

int h265_unit_sets(struct param_sets *out, struct span unit,
		   uint8_t length_size)
{
	struct nal_iter it = nal_iter_of(unit, length_size);
	struct span nal;
	int err = 0;

	*out = (struct param_sets){0};
	while (!err && nal_next(&it, &nal)) {
		enum param_kind kind;

		if (param_kind_of(&kind, h265_nal_type(nal)))
			err = param_sets_add(out, kind, nal);
	}
	return err ? err : it.err;
}

/* ---- Access units ---- */

static void note_recovery_point(struct unit_facts *facts, struct span nal)
{
	struct sei_iter it = sei_iter_of(span_from(nal, 2));
	struct sei sei;

	while (sei_next(&it, &sei)) {
		int32_t count;

		if (sei.type != SEI_RECOVERY_POINT)
			continue;
		count = bits_se(&sei.body);
		if (bits_failed(&sei.body))
			continue;
		facts->is_recovery_point = true;
		facts->recovery_count = count;
	}
}

static void note_slice(struct unit_facts *facts, struct span nal, uint8_t type)
{
	bool is_reference = type > H265_NAL_RSV_VCL_N14 || type & 1;
	bool is_irap = type >= H265_NAL_BLA_W_LP;

	if (!facts->has_picture)
		facts->is_disposable = true;
	facts->has_picture = true;
	facts->temporal_id = (uint8_t)NAL_TEMPORAL_ID(nal);
	if (is_reference)
		facts->is_disposable = false;
	if (is_irap)
		facts->is_join = true;
	if (is_irap) /* has no other slices; in others the type lies deep */
		facts->slices |= UNIT_HAS_I;
	if (type == H265_NAL_IDR_W_RADL || type == H265_NAL_IDR_N_LP)
		facts->is_idr = true;
	if (type == H265_NAL_RASL_N || type == H265_NAL_RASL_R)
		facts->is_leading = true;
}

/* Reserved types are to be ignored, as decoders do. */
static bool is_slice(uint8_t type)
{
	return type <= H265_NAL_RASL_R ||
	       (type >= H265_NAL_BLA_W_LP && type <= H265_NAL_CRA);
}

static void note_nal(struct unit_facts *facts, struct span nal)
{
	uint8_t type = h265_nal_type(nal);
	enum param_kind kind;

	/* Layers above the base, and a temporal id of -1, are not for us. */
	if (nal.len < 2 || NAL_LAYER_ID(nal) || NAL_TEMPORAL_ID(nal) < 0)
		return;
	if (is_slice(type))
		note_slice(facts, nal, type);
	else if (param_kind_of(&kind, type))
		facts->has_parameter_sets = true;
	else if (type == H265_NAL_SEI_PREFIX)
		note_recovery_point(facts, nal);
	else if (type == H265_NAL_END_SEQUENCE || type == H265_NAL_END_STREAM)
		facts->is_end = true;
}

int h265_unit_classify(struct unit_facts *out, struct span unit,
		       uint8_t sub_layers)
{
	struct nal_iter it = nal_iter_of(unit, 4);
	struct unit_facts facts = {0};
	struct span nal;

	while (nal_next(&it, &nal))
		note_nal(&facts, nal);
	if (it.err)
		return it.err;
	if (facts.has_picture && facts.is_recovery_point)
		facts.is_join = true;
	if (!sub_layers || facts.temporal_id + 1 < sub_layers)
		facts.is_disposable = false;
	*out = facts;
	return 0;
}
