/* proto/flv/reader.c - FLV: bytes in, tags out. */
#include <stdlib.h>

#include "common/base/reader.h"
#include "proto/flv/flv.h"
#include "proto/flv/ids.h"

#define FILE_HEAD_BYTES 9
#define FILE_HEAD_MAX   65536 /* DataOffset: what we are ready to skip */
#define TYPE_MASK       0x1f
#define ENCRYPTED       0x20

enum state {
	STATE_FILE_HEAD,
	STATE_SKIP, /* `skip_bytes`, then PreviousTagSize */
	STATE_PREVIOUS_SIZE,
	STATE_TAG_HEAD,
	STATE_BODY,
};

struct flv_reader {
	struct flv_limits limits;
	struct flv_events events;
	void *ctx;
	struct flv_reader_stats stats;
	enum state state;
	size_t need_bytes; /* that the state waits for */
	size_t skip_bytes;
	uint32_t previous_size; /* that should follow */
	struct flv_tag tag;     /* the one that is coming in */
	struct buf held;        /* the part of need_bytes that is here */
	bool is_held_used;      /* and may be dropped */
};

int flv_reader_new(struct flv_reader **out, const struct flv_limits *limits,
		   const struct flv_events *events, void *ctx)
{
	struct flv_reader *rd = calloc(1, sizeof(*rd));

	if (!rd)
		return WEIR_ENOMEM;
	if (limits)
		rd->limits = *limits;
	if (!rd->limits.tag_bytes)
		rd->limits.tag_bytes = FLV_BODY_MAX;
	rd->events = *events;
	rd->ctx = ctx;
	rd->need_bytes = FILE_HEAD_BYTES;
	*out = rd;
	return 0;
}

void flv_reader_free(struct flv_reader **rd)
{
	if (!*rd)
		return;
	buf_fini(&(*rd)->held);
	free(*rd);
	*rd = NULL;
}

void flv_reader_stats(const struct flv_reader *rd, struct flv_reader_stats *out)
{
	*out = rd->stats;
}

static void expect(struct flv_reader *rd, enum state state, size_t bytes)
{
	rd->state = state;
	rd->need_bytes = bytes;
}

/* Pass over `bytes`, after which PreviousTagSize follows. */
static void skip(struct flv_reader *rd, size_t bytes)
{
	rd->skip_bytes = bytes;
	expect(rd, STATE_SKIP, 0);
}

/* Take need_bytes from what is held and from *in: straight from *in if it has
 * them all. Returns 0, WEIR_ESHORT when all of *in is held now, WEIR_ENOMEM. */
static int take(struct flv_reader *rd, struct span *in, struct span *out)
{
	struct span part;

	if (rd->is_held_used)
		buf_clear(&rd->held);
	rd->is_held_used = false;
	part = span_first(*in, rd->need_bytes - rd->held.len);
	*in = span_from(*in, part.len);
	if (!rd->held.len && part.len == rd->need_bytes) {
		*out = part;
		return 0;
	}
	buf_put(&rd->held, part);
	if (buf_error(&rd->held))
		return buf_error(&rd->held);
	if (rd->held.len < rd->need_bytes)
		return WEIR_ESHORT;
	*out = buf_span(&rd->held);
	rd->is_held_used = true;
	return 0;
}

static int on_file_head(struct flv_reader *rd, struct span in)
{
	struct reader r = reader_of(in);
	struct span magic = read_span(&r, 3);
	uint8_t flags;
	uint32_t offset;

	(void)read_u8(&r); /* version: always 1 */
	flags = read_u8(&r);
	offset = read_u32(&r);
	if (!span_eq_str(magic, "FLV") || offset < FILE_HEAD_BYTES)
		return WEIR_EPROTO;
	if (offset > FILE_HEAD_MAX)
		return WEIR_ELIMIT;
	skip(rd, offset - FILE_HEAD_BYTES);
	if (!rd->events.on_header)
		return 0;
	return rd->events.on_header(rd->ctx, flags & FLV_HAS_AUDIO,
				    flags & FLV_HAS_VIDEO);
}

static int on_previous_size(struct flv_reader *rd, struct span in)
{
	struct reader r = reader_of(in);

	if (read_u32(&r) != rd->previous_size)
		rd->stats.size_mistakes++;
	expect(rd, STATE_TAG_HEAD, FLV_TAG_HEAD_BYTES);
	return 0;
}

static bool is_known_type(uint8_t type)
{
	return type == FLV_AUDIO || type == FLV_VIDEO || type == FLV_SCRIPT;
}

static int on_tag_head(struct flv_reader *rd, struct span in)
{
	struct reader r = reader_of(in);
	uint8_t flags = read_u8(&r);
	uint32_t body_bytes = read_u24(&r);
	uint32_t low = read_u24(&r);

	rd->tag.type = flags & TYPE_MASK;
	rd->tag.timestamp_ms = (uint32_t)read_u8(&r) << 24 | low;
	rd->previous_size = FLV_TAG_HEAD_BYTES + body_bytes;
	if (!is_known_type(rd->tag.type) || flags & ENCRYPTED) {
		rd->stats.skipped_tags++;
		skip(rd, body_bytes);
		return 0;
	}
	if (body_bytes > rd->limits.tag_bytes)
		return WEIR_ELIMIT;
	expect(rd, STATE_BODY, body_bytes);
	return 0;
}

static int on_body(struct flv_reader *rd, struct span in)
{
	rd->tag.body = in;
	rd->stats.tags++;
	expect(rd, STATE_PREVIOUS_SIZE, FLV_TAG_TAIL_BYTES);
	return rd->events.on_tag(rd->ctx, &rd->tag);
}

static int on_part(struct flv_reader *rd, struct span part)
{
	switch (rd->state) {
	case STATE_FILE_HEAD:
		return on_file_head(rd, part);
	case STATE_PREVIOUS_SIZE:
		return on_previous_size(rd, part);
	case STATE_TAG_HEAD:
		return on_tag_head(rd, part);
	default:
		return on_body(rd, part);
	}
}

/* Returns false when there is more to skip than bytes. */
static bool skip_from(struct flv_reader *rd, struct span *in)
{
	size_t len = WEIR_MIN(rd->skip_bytes, in->len);

	rd->skip_bytes -= len;
	*in = span_from(*in, len);
	if (rd->skip_bytes)
		return false;
	expect(rd, STATE_PREVIOUS_SIZE, FLV_TAG_TAIL_BYTES);
	return true;
}

int flv_reader_feed(struct flv_reader *rd, struct span in)
{
	struct span part;
	int err = 0;

	while (!err) {
		if (rd->state == STATE_SKIP && !skip_from(rd, &in))
			return 0;
		err = take(rd, &in, &part);
		if (err == WEIR_ESHORT)
			return 0;
		if (!err)
			err = on_part(rd, part);
	}
	return err;
}
