/* common/media/nal.c - runs of NAL units, as H.264 and H.265 share them. */
#include "common/media/nal.h"

struct nal_iter nal_iter_of(struct span unit, uint8_t length_size)
{
	struct nal_iter it = {unit, length_size, 0};

	if (length_size > 4)
		it.err = WEIR_EPROTO;
	return it;
}

static bool is_all_zero(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i])
			return false;
	return true;
}

/* Where the next 00 00 01 begins; the length of `s` when there is none. */
static size_t find_start_code(struct span s)
{
	const uint8_t *at = s.data;
	const uint8_t *end = s.len ? s.data + s.len : s.data;

	while (end - at >= 3) {
		at = memchr(at + 2, 1, (size_t)(end - at) - 2);
		if (!at)
			break;
		if (!at[-1] && !at[-2])
			return (size_t)(at - 2 - s.data);
		at--;
	}
	return s.len;
}

static bool next_annexb(struct nal_iter *it, struct span *out)
{
	while (it->rest.len) {
		size_t start = find_start_code(it->rest);
		struct span body = span_from(it->rest, start + 3);
		size_t len = find_start_code(body);

		if (!body.len)
			break;
		it->rest = span_from(body, len);
		/* trailing_zero_8bits, and the first byte of 00 00 00 01 */
		while (len && !body.data[len - 1])
			len--;
		*out = span_first(body, len);
		if (len)
			return true;
	}
	it->rest = (struct span){0};
	return false;
}

static bool next_prefixed(struct nal_iter *it, struct span *out)
{
	while (it->rest.len) {
		struct reader r = reader_of(it->rest);
		size_t len = read_uint(&r, it->length_size);

		/* A tail too short for a length is padding if it is zero. */
		if (reader_failed(&r) && is_all_zero(it->rest))
			return false;
		*out = read_span(&r, len);
		if (reader_failed(&r)) {
			it->err = WEIR_EPROTO;
			return false;
		}
		it->rest = read_rest(&r);
		if (len)
			return true;
	}
	return false;
}

bool nal_next(struct nal_iter *it, struct span *out)
{
	struct span nal;
	bool is_found;

	if (it->err)
		return false;
	if (it->length_size == NAL_ANNEXB)
		is_found = next_annexb(it, &nal);
	else
		is_found = next_prefixed(it, &nal);
	if (is_found)
		*out = nal;
	return is_found;
}

bool nal_has_start_code(struct span unit)
{
	size_t zeros = 0;

	while (zeros < unit.len && zeros < 3 && !unit.data[zeros])
		zeros++;
	return zeros >= 2 && zeros < unit.len && unit.data[zeros] == 1;
}

bool nal_is_plain(struct span unit)
{
	struct reader r = reader_of(unit);

	while (reader_left(&r)) {
		uint32_t len = read_u32(&r);

		if (!len)
			return false;
		(void)read_span(&r, len);
	}
	return unit.len && !reader_failed(&r);
}

static int rewrite(struct buf *out, struct span unit, uint8_t length_size)
{
	struct nal_iter it = nal_iter_of(unit, length_size);
	size_t before = out->len;
	struct span nal;

	while (nal_next(&it, &nal)) {
		if (nal.len > UINT32_MAX)
			return WEIR_EPROTO;
		buf_put_u32(out, (uint32_t)nal.len);
		buf_put(out, nal);
	}
	if (it.err && !buf_error(out))
		out->len = before;
	return it.err ? it.err : buf_error(out);
}

int nal_rewrite(struct buf *out, struct span unit, uint8_t length_size)
{
	int err = rewrite(out, unit, length_size);

	if (err == WEIR_EPROTO && length_size != NAL_ANNEXB &&
	    nal_has_start_code(unit))
		err = rewrite(out, unit, NAL_ANNEXB);
	return err;
}

int nal_to_annexb(struct buf *out, struct span unit)
{
	struct nal_iter it = nal_iter_of(unit, 4);
	size_t before = out->len;
	struct span nal;

	while (nal_next(&it, &nal)) {
		buf_put_u32(out, 1);
		buf_put(out, nal);
	}
	if (it.err && !buf_error(out))
		out->len = before;
	return it.err ? it.err : buf_error(out);
}

static bool has_span(const struct span *list, uint8_t count, struct span s)
{
	for (uint8_t i = 0; i < count; i++)
		if (span_eq(list[i], s))
			return true;
	return false;
}

static int add_span(struct span *list, uint8_t *count, uint8_t max,
		    struct span s)
{
	if (!s.len || has_span(list, *count, s))
		return 0;
	if (*count == max)
		return WEIR_ELIMIT;
	list[(*count)++] = s;
	return 0;
}

int param_sets_add(struct param_sets *sets, enum param_kind kind,
		   struct span nal)
{
	switch (kind) {
	case PARAM_VPS:
		return add_span(sets->vps, &sets->vps_count, PARAM_VPS_MAX,
				nal);
	case PARAM_SPS:
		return add_span(sets->sps, &sets->sps_count, PARAM_SPS_MAX,
				nal);
	default:
		return add_span(sets->pps, &sets->pps_count, PARAM_PPS_MAX,
				nal);
	}
}

static bool spans_eq(const struct span *a, uint8_t a_count,
		     const struct span *b, uint8_t b_count)
{
	if (a_count != b_count)
		return false;
	for (uint8_t i = 0; i < a_count; i++)
		if (!span_eq(a[i], b[i]))
			return false;
	return true;
}

bool param_sets_eq(const struct param_sets *a, const struct param_sets *b)
{
	return spans_eq(a->vps, a->vps_count, b->vps, b->vps_count) &&
	       spans_eq(a->sps, a->sps_count, b->sps, b->sps_count) &&
	       spans_eq(a->pps, a->pps_count, b->pps, b->pps_count);
}
