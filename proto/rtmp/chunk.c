/* proto/rtmp/chunk.c - RTMP chunk stream: bytes in, whole messages out. */
#include "proto/rtmp/chunk.h"

#include <stdlib.h>

#include "common/base/fetch.h"
#include "proto/rtmp/message.h"

#define EXTENDED_TIME  0xffffff /* the field that says: 4 bytes follow */
#define HEAD_BYTES_MAX (3 + 11 + 4)
#define BACK_BYTES_MAX 8
#define KEPT_BYTES     4096 /* of a lane, from message to message */
#define STATE_SAVED    1    /* version of the saved form */

/* One chunk stream: the latest header, and the message that is on its way. */
struct lane {
	uint32_t csid;
	uint32_t timestamp_ms; /* absolute, of the latest message */
	uint32_t delta_ms;     /* what a fmt 3 that begins a message adds */
	uint32_t extended_ms;  /* the extended field as it was last read */
	uint32_t length_bytes;
	uint32_t stream_id;
	uint8_t type;
	bool has_extended;
	bool is_open;    /* a message has begun and is not whole */
	struct buf body; /* what has come of it */
};

enum stage {
	STAGE_HEADER,
	STAGE_REPEAT, /* is the extended field repeated behind a fmt 3? */
	STAGE_BODY,
};

struct rtmp_chunk_reader {
	struct rtmp_chunk_limits limits;
	rtmp_message_fn *on_message;
	void *ctx;
	uint32_t chunk_bytes;
	uint64_t bytes;
	size_t pending_bytes;
	const char *fault;
	int err; /* sticky */

	uint8_t stage; /* enum stage */
	uint8_t head_len;
	uint8_t back_len;
	uint8_t head[HEAD_BYTES_MAX]; /* a header or extended field, so far */
	uint8_t back[BACK_BYTES_MAX]; /* to be read once more, before all */
	uint32_t current;             /* lane, from STAGE_REPEAT on */
	uint32_t left_bytes;          /* of this chunk, in STAGE_BODY */
	bool omits_repeat; /* the peer was seen to leave the field out */

	uint32_t lane_count;
	uint32_t lane_cap;
	struct lane *lane;
};

int rtmp_chunk_reader_new(struct rtmp_chunk_reader **out,
			  const struct rtmp_chunk_limits *limits,
			  rtmp_message_fn *on_message, void *ctx)
{
	struct rtmp_chunk_reader *rd = calloc(1, sizeof(*rd));

	if (!rd)
		return WEIR_ENOMEM;
	rd->limits = *limits;
	rd->on_message = on_message;
	rd->ctx = ctx;
	rd->chunk_bytes = RTMP_CHUNK_BYTES_DEFAULT;
	rd->fault = "";
	*out = rd;
	return 0;
}

void rtmp_chunk_reader_free(struct rtmp_chunk_reader **out)
{
	struct rtmp_chunk_reader *rd = *out;

	if (!rd)
		return;
	for (uint32_t i = 0; i < rd->lane_count; i++)
		buf_fini(&rd->lane[i].body);
	free(rd->lane);
	free(rd);
	*out = NULL;
}

void rtmp_chunk_reader_limit(struct rtmp_chunk_reader *rd,
			     const struct rtmp_chunk_limits *limits)
{
	rd->limits = *limits;
}

const char *rtmp_chunk_reader_fault(const struct rtmp_chunk_reader *rd)
{
	return rd->fault;
}

uint64_t rtmp_chunk_reader_bytes(const struct rtmp_chunk_reader *rd)
{
	return rd->bytes;
}

void rtmp_chunk_reader_ahead(const struct rtmp_chunk_reader *rd, unsigned step)
{
	if (step == 0)
		FETCH(rd);
	else if (step == 1 && rd->lane_count)
		fetch_bytes(rd->lane, rd->lane_count * sizeof(*rd->lane));
}

size_t rtmp_chunk_reader_pending(const struct rtmp_chunk_reader *rd)
{
	return rd->pending_bytes;
}

static int fail(struct rtmp_chunk_reader *rd, int err, const char *fault)
{
	rd->err = err;
	rd->fault = fault;
	return err;
}

static struct lane *find_lane(struct rtmp_chunk_reader *rd, uint32_t csid)
{
	for (uint32_t i = 0; i < rd->lane_count; i++)
		if (rd->lane[i].csid == csid)
			return &rd->lane[i];
	return NULL;
}

static int add_lane(struct rtmp_chunk_reader *rd, uint32_t csid,
		    struct lane **out)
{
	uint32_t cap = rd->lane_cap ? 2 * rd->lane_cap : 4;
	struct lane *grown;

	if (rd->lane_count >= rd->limits.csid_count)
		return fail(rd, WEIR_ELIMIT, "too many chunk streams");
	if (rd->lane_count == rd->lane_cap) {
		grown = realloc(rd->lane, cap * sizeof(*grown));
		if (!grown)
			return fail(rd, WEIR_ENOMEM, "out of memory");
		rd->lane = grown;
		rd->lane_cap = cap;
	}
	*out = &rd->lane[rd->lane_count++];
	**out = (struct lane){.csid = csid};
	return 0;
}

/* Give up what has come of a lane's message. */
static void drop_body(struct rtmp_chunk_reader *rd, struct lane *l)
{
	rd->pending_bytes -= l->body.len;
	if (l->body.cap > KEPT_BYTES)
		buf_fini(&l->body);
	buf_clear(&l->body);
	l->is_open = false;
}

/* The fields of a chunk's header, as they stood. */
struct header {
	uint8_t fmt;
	uint32_t csid;
	uint32_t time_ms; /* absolute or delta; the extended field, if any */
	bool has_extended;
	uint32_t length_bytes;
	uint8_t type;
	uint32_t stream_id;
};

static const uint8_t header_bytes[4] = {11, 7, 3, 0}; /* by fmt */

static size_t basic_bytes(uint8_t first)
{
	return (first & 63) == 0 ? 2 : (first & 63) == 1 ? 3 : 1;
}

/* How long the header is, as far as its first bytes tell. */
static size_t head_need(const uint8_t *head, size_t have)
{
	size_t basic, need;

	if (!have)
		return 1;
	basic = basic_bytes(head[0]);
	need = basic + header_bytes[head[0] >> 6];
	if (have >= basic + 3 && need > basic && head[basic] == 0xff &&
	    head[basic + 1] == 0xff && head[basic + 2] == 0xff)
		need += 4;
	return need;
}

static uint32_t read_csid(struct reader *r, uint8_t first)
{
	uint32_t low;

	if ((first & 63) > 1)
		return first & 63;
	low = read_u8(r);
	if ((first & 63) == 0)
		return 64 + low;
	return 64 + low + 256u * read_u8(r);
}

static struct header parse_header(struct span head)
{
	struct reader r = reader_of(head);
	uint8_t first = read_u8(&r);
	struct header h = {.fmt = first >> 6};

	h.csid = read_csid(&r, first);
	if (h.fmt <= 2)
		h.time_ms = read_u24(&r);
	if (h.fmt <= 1) {
		h.length_bytes = read_u24(&r);
		h.type = read_u8(&r);
	}
	if (h.fmt == 0)
		h.stream_id = read_u32_le(&r);
	h.has_extended = h.time_ms == EXTENDED_TIME;
	if (h.has_extended)
		h.time_ms = read_u32(&r);
	return h;
}

/* Begin the chunk's body: the rest of the message, or a chunk's length. */
static void begin_body(struct rtmp_chunk_reader *rd, struct lane *l)
{
	uint32_t left = l->length_bytes - (uint32_t)l->body.len;

	l->is_open = true;
	rd->stage = STAGE_BODY;
	rd->left_bytes = WEIR_MIN(left, rd->chunk_bytes);
}

/* A chunk of fmt 0 to 2 may come in the middle of a message, if it says the
 * same as the header before: some encoders never use fmt 3. */
static int continue_message(struct rtmp_chunk_reader *rd, struct lane *l,
			    const struct header *h)
{
	if (h->fmt <= 1 &&
	    (h->length_bytes != l->length_bytes || h->type != l->type))
		return fail(rd, WEIR_EPROTO, "message changed in the middle");
	if (h->fmt == 0 &&
	    (h->time_ms != l->timestamp_ms || h->stream_id != l->stream_id))
		return fail(rd, WEIR_EPROTO, "message begun in the middle");
	begin_body(rd, l);
	return 0;
}

/* A fmt 3 may follow that begins a message: it adds what this header had in its
 * time field, also when that was absolute (section 5.3.1.2.4). */
static int begin_message(struct rtmp_chunk_reader *rd, struct lane *l,
			 const struct header *h)
{
	if (h->fmt <= 1) {
		l->length_bytes = h->length_bytes;
		l->type = h->type;
	}
	if (h->fmt == 0) {
		l->stream_id = h->stream_id;
		l->timestamp_ms = 0;
	}
	if (h->fmt <= 2)
		l->delta_ms = h->time_ms;
	l->timestamp_ms += l->delta_ms;
	if (l->length_bytes > rd->limits.message_bytes)
		return fail(rd, WEIR_ELIMIT, "message too long");
	begin_body(rd, l);
	return 0;
}

static int begin_chunk(struct rtmp_chunk_reader *rd, const struct header *h)
{
	struct lane *l = find_lane(rd, h->csid);
	int err;

	/* fmt 1 may be the first: librtmp begins its pings so */
	if (!l && h->fmt > 1)
		return fail(rd, WEIR_EPROTO, "chunk without a header before");
	if (!l) {
		err = add_lane(rd, h->csid, &l);
		if (err)
			return err;
	}
	rd->current = (uint32_t)(l - rd->lane);
	if (h->fmt == 3 && l->has_extended) {
		rd->stage = STAGE_REPEAT;
		return 0;
	}
	if (h->fmt <= 2) {
		l->has_extended = h->has_extended;
		l->extended_ms = h->time_ms;
	}
	return l->is_open ? continue_message(rd, l, h)
			  : begin_message(rd, l, h);
}

/* Move up to `want` bytes from *in behind rd->head. */
static void take_head(struct rtmp_chunk_reader *rd, struct span *in,
		      size_t want)
{
	struct span s = span_first(*in, want);

	memcpy(rd->head + rd->head_len, s.data, s.len);
	rd->head_len += (uint8_t)s.len;
	rd->bytes += s.len;
	*in = span_from(*in, s.len);
}

static int step_header(struct rtmp_chunk_reader *rd, struct span *in)
{
	size_t need = head_need(rd->head, rd->head_len);
	struct header h;

	if (rd->head_len < need && in->len)
		take_head(rd, in, need - rd->head_len);
	if (rd->head_len < head_need(rd->head, rd->head_len))
		return 0;
	h = parse_header(span_of(rd->head, rd->head_len));
	rd->head_len = 0;
	return begin_chunk(rd, &h);
}

static bool begins_with(uint32_t field, struct span first)
{
	uint8_t wire[4] = {(uint8_t)(field >> 24), (uint8_t)(field >> 16),
			   (uint8_t)(field >> 8), (uint8_t)field};

	return !memcmp(wire, first.data, first.len);
}

/* Could the bytes be a repeated extended field? Most encoders repeat what stood
 * in the header; some write the absolute time instead. */
static bool may_be_extended(const struct lane *l, struct span first)
{
	uint32_t absolute = l->timestamp_ms + (l->is_open ? 0 : l->delta_ms);

	return begins_with(l->extended_ms, first) ||
	       begins_with(absolute, first);
}

/* Would the bytes, if they were body, end the message? Then there may be nothing
 * behind them for long, and a peer that is known to leave the field out is
 * believed to do so here. */
static bool may_be_tail(const struct rtmp_chunk_reader *rd,
			const struct lane *l)
{
	return rd->omits_repeat &&
	       rd->head_len >= l->length_bytes - (uint32_t)l->body.len;
}

/* Whether fmt 3 chunks repeat the extended field is not settled in the field:
 * old librtmp leaves it out. So look: as soon as a byte differs from what would
 * have to stand there, all of them are body, and are read again as such. */
static int step_repeat(struct rtmp_chunk_reader *rd, struct span *in)
{
	const struct header fmt3 = {.fmt = 3};
	struct lane *l = &rd->lane[rd->current];
	bool is_omitted = false;

	while (in->len && rd->head_len < 4 && !is_omitted) {
		take_head(rd, in, 1);
		is_omitted =
			!may_be_extended(l, span_of(rd->head, rd->head_len)) ||
			may_be_tail(rd, l);
	}
	if (!is_omitted && rd->head_len < 4)
		return 0;
	if (is_omitted) {
		memcpy(rd->back, rd->head, rd->head_len);
		rd->back_len = rd->head_len;
		rd->bytes -= rd->head_len;
	}
	rd->omits_repeat = is_omitted;
	rd->head_len = 0;
	return l->is_open ? continue_message(rd, l, &fmt3)
			  : begin_message(rd, l, &fmt3);
}

static int obey(struct rtmp_chunk_reader *rd, const struct rtmp_message *msg)
{
	struct reader r = reader_of(msg->payload);
	uint32_t value = read_u32(&r);
	struct lane *l;

	if (reader_failed(&r))
		return fail(rd, WEIR_EPROTO, "control message too short");
	if (msg->type == RTMP_ABORT) {
		l = find_lane(rd, value);
		if (l && l->is_open)
			drop_body(rd, l);
		return 0;
	}
	if (value == 0 || value > INT32_MAX)
		return fail(rd, WEIR_EPROTO, "chunk size out of range");
	/* no message is longer, so a larger size means the same */
	rd->chunk_bytes = WEIR_MIN(value, RTMP_CHUNK_BYTES_MAX);
	return 0;
}

static int report(struct rtmp_chunk_reader *rd, uint32_t lane,
		  struct span payload)
{
	struct lane *l = &rd->lane[lane];
	const struct rtmp_message msg = {
		.timestamp_ms = l->timestamp_ms,
		.stream_id = l->stream_id,
		.csid = l->csid,
		.type = l->type,
		.payload = payload,
	};
	int err = 0;

	rd->stage = STAGE_HEADER;
	l->is_open = false;
	if (msg.type == RTMP_SET_CHUNK_SIZE || msg.type == RTMP_ABORT)
		err = obey(rd, &msg);
	if (!err)
		err = rd->on_message(rd->ctx, &msg);
	drop_body(rd, &rd->lane[lane]);
	return err;
}

static int append_body(struct rtmp_chunk_reader *rd, struct lane *l,
		       struct span s)
{
	if (s.len > rd->limits.pending_bytes ||
	    rd->pending_bytes > rd->limits.pending_bytes - s.len)
		return fail(rd, WEIR_ELIMIT, "too much half-received");
	buf_put(&l->body, s);
	if (buf_error(&l->body))
		return fail(rd, buf_error(&l->body), "out of memory");
	rd->pending_bytes += s.len;
	rd->left_bytes -= (uint32_t)s.len;
	return 0;
}

static int step_body(struct rtmp_chunk_reader *rd, struct span *in)
{
	struct lane *l = &rd->lane[rd->current];
	struct span s = span_first(*in, rd->left_bytes);
	int err;

	rd->bytes += s.len;
	*in = span_from(*in, s.len);
	if (s.len == l->length_bytes) /* whole in one piece: no copy */
		return report(rd, rd->current, s);
	err = append_body(rd, l, s);
	if (err)
		return err;
	if (l->body.len == l->length_bytes)
		return report(rd, rd->current, buf_span(&l->body));
	if (!rd->left_bytes)
		rd->stage = STAGE_HEADER;
	return 0;
}

/* Does the reader stand before a body without bytes? It needs no input. */
static bool is_at_empty_body(const struct rtmp_chunk_reader *rd)
{
	return rd->stage == STAGE_BODY && rd->left_bytes == 0;
}

/* Read until *in is empty, bytes have to be read again, or something ends it. */
static int run(struct rtmp_chunk_reader *rd, struct span *in)
{
	int err = 0;

	while (!err && !rd->back_len && (in->len || is_at_empty_body(rd))) {
		switch (rd->stage) {
		case STAGE_HEADER:
			err = step_header(rd, in);
			break;
		case STAGE_REPEAT:
			err = step_repeat(rd, in);
			break;
		default:
			err = step_body(rd, in);
			break;
		}
	}
	return err;
}

/* Read rd->back, which a wrong guess gave back. It may give back again; then
 * what was not read yet follows it. */
static int run_back(struct rtmp_chunk_reader *rd)
{
	uint8_t held[BACK_BYTES_MAX] = {0};
	struct span left = span_of(held, rd->back_len);
	int err;

	memcpy(held, rd->back, rd->back_len);
	rd->back_len = 0;
	err = run(rd, &left);
	BUG_ON(rd->back_len + left.len > sizeof(rd->back));
	if (left.len)
		memcpy(rd->back + rd->back_len, left.data, left.len);
	rd->back_len += (uint8_t)left.len;
	return err;
}

int rtmp_chunk_reader_feed(struct rtmp_chunk_reader *rd, struct span in,
			   size_t *used)
{
	struct span left = in;
	int err = rd->err;

	while (!err && (rd->back_len || left.len || is_at_empty_body(rd)))
		err = rd->back_len ? run_back(rd) : run(rd, &left);
	*used = in.len - left.len;
	return err;
}

static void save_lane(const struct lane *l, struct buf *out)
{
	buf_put_u32_le(out, l->csid);
	buf_put_u32_le(out, l->timestamp_ms);
	buf_put_u32_le(out, l->delta_ms);
	buf_put_u32_le(out, l->extended_ms);
	buf_put_u32_le(out, l->length_bytes);
	buf_put_u32_le(out, l->stream_id);
	buf_put_u8(out, l->type);
	buf_put_u8(out, l->has_extended);
	buf_put_u8(out, l->is_open);
	buf_put_u32_le(out, (uint32_t)l->body.len);
	buf_put(out, buf_span(&l->body));
}

void rtmp_chunk_reader_save(const struct rtmp_chunk_reader *rd, struct buf *out)
{
	buf_put_u8(out, STATE_SAVED);
	buf_put_u32_le(out, rd->chunk_bytes);
	buf_put_u64_le(out, rd->bytes);
	buf_put_u8(out, rd->stage);
	buf_put_u8(out, rd->omits_repeat);
	buf_put_u8(out, rd->head_len);
	buf_put(out, span_of(rd->head, rd->head_len));
	buf_put_u8(out, rd->back_len);
	buf_put(out, span_of(rd->back, rd->back_len));
	buf_put_u32_le(out, rd->current);
	buf_put_u32_le(out, rd->left_bytes);
	buf_put_u32_le(out, rd->lane_count);
	for (uint32_t i = 0; i < rd->lane_count; i++)
		save_lane(&rd->lane[i], out);
}

static int load_lane(struct rtmp_chunk_reader *rd, struct reader *in)
{
	struct span body;
	struct lane *l;
	int err;

	err = add_lane(rd, read_u32_le(in), &l);
	if (err)
		return err;
	l->timestamp_ms = read_u32_le(in);
	l->delta_ms = read_u32_le(in);
	l->extended_ms = read_u32_le(in);
	l->length_bytes = read_u32_le(in);
	l->stream_id = read_u32_le(in);
	l->type = read_u8(in);
	l->has_extended = read_u8(in) != 0;
	l->is_open = read_u8(in) != 0;
	body = read_span(in, read_u32_le(in));
	if (reader_failed(in) || body.len > l->length_bytes ||
	    (!l->is_open && body.len))
		return WEIR_EPROTO;
	return append_body(rd, l, body);
}

static void load_bytes(struct reader *in, uint8_t *at, uint8_t *len,
		       size_t room)
{
	struct span s;

	*len = read_u8(in);
	s = read_span(in, *len);
	if (s.len > room)
		in->is_failed = true;
	else if (s.len)
		memcpy(at, s.data, s.len);
}

/* Is what was loaded a state that a reader can be in? */
static bool is_sound(const struct rtmp_chunk_reader *rd)
{
	const struct lane *l;

	if (rd->chunk_bytes == 0 || rd->chunk_bytes > RTMP_CHUNK_BYTES_MAX)
		return false;
	if (rd->stage == STAGE_HEADER)
		return true;
	if (rd->current >= rd->lane_count)
		return false;
	l = &rd->lane[rd->current];
	if (rd->stage == STAGE_REPEAT)
		return rd->head_len < 4;
	return rd->stage == STAGE_BODY && l->is_open &&
	       rd->left_bytes <= l->length_bytes - l->body.len;
}

int rtmp_chunk_reader_load(struct rtmp_chunk_reader *rd, struct reader *in)
{
	uint32_t lanes, left_bytes;
	int err = 0;

	if (read_u8(in) != STATE_SAVED)
		return WEIR_EPROTO;
	rd->chunk_bytes = read_u32_le(in);
	rd->bytes = read_u64_le(in);
	rd->stage = read_u8(in);
	rd->omits_repeat = read_u8(in) != 0;
	load_bytes(in, rd->head, &rd->head_len, sizeof(rd->head));
	load_bytes(in, rd->back, &rd->back_len, sizeof(rd->back) / 2);
	rd->current = read_u32_le(in);
	left_bytes = read_u32_le(in);
	lanes = read_u32_le(in);
	for (uint32_t i = 0; i < lanes && !err && !reader_failed(in); i++)
		err = load_lane(rd, in);
	rd->left_bytes = left_bytes;
	if (err)
		return err;
	return reader_failed(in) || !is_sound(rd) ? WEIR_EPROTO : 0;
}
