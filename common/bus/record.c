/* common/bus/record.c - records of the bus: one table says every layout. */
#include "common/bus/record.h"

#include "common/base/reader.h"
#include "common/base/utf8.h"

/* Times beyond this (73 years in ns) are nobody's; within it differences of two
 * never overflow. */
#define TIME_MAX (INT64_C(1) << 61)

/* In a record's header. */
#define TYPE_AT   4
#define SID_AT    8
#define OFFSET_AT 12

/* Of a frame, behind the header of its first fragment. */
#define FRAME_HEAD_BYTES (RECORD_FRAME_COST - RECORD_HEADER_BYTES)

/* ---- the layouts ---- */

enum field_kind {
	FIELD_NONE = 0,
	FIELD_U8,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64,
	FIELD_TIME, /* i64, within TIME_MAX */
	FIELD_EPOCH,
	FIELD_TERM,
	FIELD_POSITION,
	FIELD_BYTES, /* `size` bytes as they are */
	FIELD_TEXT,  /* u16 length and UTF-8 into an array of `size` */
	FIELD_KEY,   /* a text that is a stream key */
	FIELD_REST,  /* a span: all that is left */
};

struct field {
	uint8_t kind;
	uint16_t size;
	size_t at; /* in struct record */
};

#define FIELD(kind, member)                                                    \
	{                                                                      \
		FIELD_##kind, sizeof(((struct record *)0)->member),            \
			offsetof(struct record, member)                        \
	}
#define FIELDS_MAX 11

struct layout {
	uint16_t type;
	const char *name;
	bool needs_sid;
	struct field field[FIELDS_MAX];
};

/* clang-format off */
static const struct layout layouts[] = {
	/* These two have code of their own; nearly all records are frames. */
	{RECORD_FRAME, "FRAME", true, {{0}}},
	{RECORD_STATE, "STATE", true, {{0}}},
	{RECORD_HELLO, "HELLO", false, {
		FIELD(U16, version), FIELD(U8, connection), FIELD(U8, identity),
		FIELD(BYTES, instance), FIELD(BYTES, boot), FIELD(BYTES, nonce),
		FIELD(TEXT, cluster), FIELD(TEXT, node), FIELD(TEXT, kind),
		FIELD(TEXT, url)}},
	{RECORD_PROOF, "PROOF", false, {FIELD(BYTES, nonce)}},
	{RECORD_PING, "PING", false, {{0}}},
	{RECORD_ACK, "ACK", false, {{0}}},
	{RECORD_PUB, "PUB", true, {
		FIELD(EPOCH, position), FIELD(TERM, term),
		FIELD(TIME, start_us), FIELD(KEY, key), FIELD(TEXT, kind)}},
	{RECORD_RESUME, "RESUME", true, {
		FIELD(TERM, term), FIELD(POSITION, position),
		FIELD(TIME, end_dts_ns), FIELD(U64, incarnation),
		FIELD(U64, segment), FIELD(U64, discontinuity),
		FIELD(U32, target_ms)}},
	{RECORD_FENCED, "FENCED", false, {
		FIELD(U16, reason), FIELD(TERM, term),
		FIELD(EPOCH, position)}},
	{RECORD_END, "END", true, {FIELD(U16, reason), FIELD(U32, ms)}},
	{RECORD_HOME, "HOME", false, {
		FIELD(EPOCH, position), FIELD(TERM, term),
		FIELD(TIME, start_us), FIELD(KEY, key), FIELD(TEXT, node),
		FIELD(TEXT, url)}},
	{RECORD_WANTED, "WANTED", true, {{0}}},
	{RECORD_SUB, "SUB", true, {
		FIELD(POSITION, position), FIELD(U64, count), FIELD(KEY, key)}},
	{RECORD_UNSUB, "UNSUB", true, {{0}}},
	{RECORD_WHERE, "WHERE", true, {FIELD(U64, count), FIELD(KEY, key)}},
	{RECORD_MOVED, "MOVED", true, {
		FIELD(EPOCH, position), FIELD(TERM, term), FIELD(TEXT, node),
		FIELD(TEXT, url)}},
	{RECORD_WRITER_LOST, "WRITER_LOST", true, {FIELD(U32, ms)}},
	{RECORD_SKIP, "SKIP", true, {
		FIELD(U16, reason), FIELD(U64, count),
		FIELD(POSITION, position)}},
	{RECORD_DRAIN, "DRAIN", false, {{0}}},
	{RECORD_FEEDBACK, "FEEDBACK", true, {
		FIELD(U16, track), FIELD(U8, what), FIELD(U32, value)}},
	{RECORD_REQ, "REQ", false, {
		FIELD(U64, id), FIELD(U32, deadline_ms), FIELD(REST, json)}},
	{RECORD_REP, "REP", false, {FIELD(U64, id), FIELD(REST, json)}},
};
/* clang-format on */

static const struct layout *layout_of(uint16_t type)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(layouts); i++)
		if (layouts[i].type == type)
			return &layouts[i];
	return NULL;
}

const char *record_name(uint16_t type)
{
	const struct layout *l = layout_of(type);

	return l ? l->name : "unknown";
}

uint8_t record_connection(uint16_t type)
{
	enum { BOTH = 3, MEDIA = 1, CONTROL = 2 };

	switch (type) {
#define RECORD(name, number, connection, sender, receiver)                     \
	case (number):                                                         \
		return (connection);
#include "common/bus/records.def"
#undef RECORD
	}
	return 0;
}

/* ---- reading ---- */

static void read_epoch(struct reader *r, struct epoch *out)
{
	struct span writer;

	out->counter = read_u64_le(r);
	writer = read_span(r, sizeof(out->writer));
	if (writer.len)
		memcpy(out->writer.byte, writer.data, writer.len);
}

static void read_term(struct reader *r, struct term *out)
{
	struct span by;

	out->number = read_u64_le(r);
	by = read_span(r, sizeof(out->by));
	if (by.len)
		memcpy(out->by.byte, by.data, by.len);
}

/* The addresses of logs and pages are made from these. */
static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < 0x20 || s.data[i] == 0x7f)
			return false;
	return utf8_valid_len(s) == s.len;
}

static bool read_text(struct reader *r, char *out, size_t size)
{
	struct span s = read_span(r, read_u16_le(r));

	if (s.len >= size || !is_printable(s))
		return false;
	if (s.len)
		memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	return true;
}

/* "app/name": what every maker of keys gives, whatever else it allows. */
static bool is_key(const char *text)
{
	const size_t len = strlen(text);

	return len >= 3 && text[0] != '/' && text[len - 1] != '/' &&
	       strchr(text, '/') && !strstr(text, "//");
}

static const char *read_number(struct reader *r, const struct field *f,
			       void *to)
{
	int64_t time;

	switch (f->kind) {
	case FIELD_U8:
		*(uint8_t *)to = read_u8(r);
		break;
	case FIELD_U16:
		*(uint16_t *)to = read_u16_le(r);
		break;
	case FIELD_U32:
		*(uint32_t *)to = read_u32_le(r);
		break;
	case FIELD_U64:
		*(uint64_t *)to = read_u64_le(r);
		break;
	case FIELD_TIME:
		time = (int64_t)read_u64_le(r);
		if (time > TIME_MAX || time < -TIME_MAX)
			return "a time is out of range";
		*(int64_t *)to = time;
		break;
	}
	return NULL;
}

/* Returns NULL or what is wrong; a field that runs past the end is the
 * reader's to say. */
static const char *read_field(struct reader *r, const struct field *f, void *to)
{
	struct position *position = to;
	struct span bytes;

	switch (f->kind) {
	case FIELD_EPOCH:
		read_epoch(r, &position->epoch);
		return NULL;
	case FIELD_TERM:
		read_term(r, to);
		return NULL;
	case FIELD_POSITION:
		read_epoch(r, &position->epoch);
		position->sequence = read_u64_le(r);
		return NULL;
	case FIELD_BYTES:
		bytes = read_span(r, f->size);
		if (bytes.len)
			memcpy(to, bytes.data, bytes.len);
		return NULL;
	case FIELD_TEXT:
		return read_text(r, to, f->size) ? NULL : "a text is not valid";
	case FIELD_KEY:
		return read_text(r, to, f->size) && is_key(to)
			       ? NULL
			       : "a stream key is not valid";
	case FIELD_REST:
		*(struct span *)to = read_rest(r);
		return NULL;
	default:
		return read_number(r, f, to);
	}
}

static const char *read_fields(struct reader *r, const struct layout *l,
			       struct record *out)
{
	for (const struct field *f = l->field;
	     f < l->field + FIELDS_MAX && f->kind; f++) {
		const char *why = read_field(r, f, (char *)out + f->at);

		if (reader_failed(r))
			return "a field runs past the record";
		if (why)
			return why;
	}
	return NULL;
}

static bool is_frame_kind(uint8_t kind)
{
	return (kind >= FRAME_VIDEO && kind <= FRAME_RAW) ||
	       (kind >= FRAME_EPOCH && kind <= FRAME_CUT);
}

static void load_epoch(const uint8_t *at, struct epoch *out)
{
	out->counter = load_u64_le(at);
	memcpy(out->writer.byte, at + 8, sizeof(out->writer.byte));
}

/* Nearly all records are frames: their heads are read, and written, in one go. */
static void read_frame_head(struct reader *r, struct record *out)
{
	const uint8_t *at = read_bytes(r, FRAME_HEAD_BYTES);
	struct frame *f = &out->frame;

	if (!at)
		return;
	load_epoch(at, &f->position.epoch);
	f->kind = at[24];
	f->flags = at[25];
	f->track = load_u16_le(at + 26);
	out->payload_len = load_u32_le(at + 28);
	f->dts_ns = (int64_t)load_u64_le(at + 32);
	f->pts_ns = (int64_t)load_u64_le(at + 40);
	f->arrival_us = (int64_t)load_u64_le(at + 48);
}

static bool is_time(int64_t t)
{
	return t <= TIME_MAX && t >= -TIME_MAX;
}

static const char *check_first_fragment(const struct record *r)
{
	const struct frame *f = &r->frame;

	if (!is_frame_kind(f->kind))
		return "the kind of a frame is not known";
	if (r->type == RECORD_STATE && !frame_is_state(f))
		return "STATE carries a frame that is no state";
	if (!f->position.epoch.counter)
		return "a frame has no epoch";
	if (!is_time(f->dts_ns) || !is_time(f->pts_ns) ||
	    !is_time(f->arrival_us))
		return "a time is out of range";
	if (r->payload_len > FRAME_PAYLOAD_MAX)
		return "a frame is too large";
	if (r->offset || f->payload.len > r->payload_len)
		return "a fragment is out of place";
	if (!(r->flags & FRAME_LAST) != (f->payload.len < r->payload_len))
		return "the last fragment is not where the frame ends";
	return NULL;
}

static const char *read_fragment(struct reader *r, struct record *out)
{
	const bool is_first = out->flags & FRAME_FIRST;
	struct frame *f = &out->frame;

	f->position.sequence = out->sequence;
	if (is_first)
		read_frame_head(r, out);
	f->payload = read_rest(r);
	if (reader_failed(r))
		return "a field runs past the record";
	if (f->payload.len > RECORD_FRAGMENT_BYTES)
		return "a fragment is too large";
	if (!f->payload.len && !(is_first && out->flags & FRAME_LAST))
		return "a fragment is empty";
	if (is_first)
		return check_first_fragment(out);
	if (!out->offset || out->offset > FRAME_PAYLOAD_MAX)
		return "a fragment is out of place";
	return NULL;
}

/* What the fields of a type must not say, whatever their form. */
static const char *check_record(const struct record *r)
{
	switch (r->type) {
	case RECORD_HELLO:
		if (r->connection != 1 && r->connection != 2)
			return "HELLO names no connection";
		if (!r->node[0] || !r->kind[0] || uuid_is_zero(&r->instance))
			return "HELLO names no node";
		return NULL;
	case RECORD_PUB:
		if (!(r->flags & PUB_HOME) == !(r->flags & PUB_REPLICA))
			return "PUB is neither for a home nor for a replica";
		return r->position.epoch.counter ? NULL : "PUB has no epoch";
	case RECORD_HOME:
		return r->position.epoch.counter ? NULL : "HOME has no epoch";
	case RECORD_SUB:
		if (!(r->flags & SUB_FROM_MASK))
			return "SUB does not say from where";
		if ((r->flags & SUB_FROM_MASK) == SUB_FROM_POSITION &&
		    !r->position.epoch.counter)
			return "SUB has no position";
		return NULL;
	}
	return NULL;
}

int record_length(size_t *out_len, struct span in)
{
	struct reader r = reader_of(in);
	const uint32_t len = read_u32_le(&r);

	if (reader_failed(&r))
		return WEIR_ESHORT;
	if (len < RECORD_HEADER_BYTES || len > RECORD_BYTES_MAX)
		return WEIR_EPROTO;
	*out_len = len;
	return 0;
}

static void read_header(struct reader *r, struct record *out)
{
	const uint8_t *at = read_bytes(r, RECORD_HEADER_BYTES);

	if (!at)
		return;
	/* The length in front is known to the caller. */
	out->type = load_u16_le(at + TYPE_AT);
	out->flags = load_u16_le(at + 6);
	out->sid = load_u32_le(at + SID_AT);
	out->offset = load_u32_le(at + OFFSET_AT);
	out->term_number = load_u64_le(at + 16);
	out->sequence = load_u64_le(at + 24);
}

bool record_is_frame(struct span in, uint32_t *sid)
{
	*sid = load_u32_le(in.data + SID_AT);
	return load_u16_le(in.data + TYPE_AT) == RECORD_FRAME &&
	       !load_u32_le(in.data + OFFSET_AT);
}

static const char *read_body(struct reader *r, const struct layout *l,
			     struct record *out)
{
	const char *why;

	if (l->needs_sid && !out->sid)
		return "a record of a stream has no stream id";
	if (out->type == RECORD_FRAME || out->type == RECORD_STATE)
		return read_fragment(r, out);
	why = read_fields(r, l, out);
	return why ? why : check_record(out);
}

/* Nearly all records are frames, and those have few of the fields. */
static void clear(struct record *out, uint16_t type)
{
	if (type != RECORD_FRAME && type != RECORD_STATE) {
		memset(out, 0, sizeof(*out));
		return;
	}
	out->frame = (struct frame){0};
	out->payload_len = 0;
}

int record_read(struct record *out, struct span whole, const char **why)
{
	struct reader r = reader_of(whole);
	const struct layout *l;
	size_t len;

	*why = "the length of a record is out of range";
	if (record_length(&len, whole) || len != whole.len)
		return WEIR_EPROTO;
	clear(out, load_u16_le(whole.data + TYPE_AT));
	read_header(&r, out);
	l = layout_of(out->type);
	if (!l)
		return WEIR_EUNSUPPORTED;
	*why = read_body(&r, l, out);
	return *why ? WEIR_EPROTO : 0;
}

/* ---- writing ---- */

struct header {
	uint32_t len; /* of the record */
	uint16_t type, flags;
	uint32_t sid, offset;
	uint64_t term_number, sequence;
};

static void store_header(uint8_t *at, const struct header *h)
{
	store_u32_le(at, h->len);
	store_u16_le(at + TYPE_AT, h->type);
	store_u16_le(at + 6, h->flags);
	store_u32_le(at + SID_AT, h->sid);
	store_u32_le(at + OFFSET_AT, h->offset);
	store_u64_le(at + 16, h->term_number);
	store_u64_le(at + 24, h->sequence);
}

/* The length is filled in by end_record. */
static void write_header(struct buf *out, const struct record *r)
{
	uint8_t head[RECORD_HEADER_BYTES];

	store_header(head,
		     &(struct header){0, r->type, r->flags, r->sid, r->offset,
				      r->term_number, r->sequence});
	buf_put(out, SPAN(head));
}

static void end_record(struct buf *out, size_t start)
{
	const size_t len = out->len - start;

	if (buf_error(out))
		return;
	if (len > RECORD_BYTES_MAX) {
		out->err = WEIR_ELIMIT;
		return;
	}
	store_u32_le(out->data + start, (uint32_t)len);
}

static void write_epoch(struct buf *out, const struct epoch *e)
{
	buf_put_u64_le(out, e->counter);
	buf_put(out, SPAN(e->writer.byte));
}

static void write_text(struct buf *out, const char *text, size_t size)
{
	const size_t len = strnlen(text, size - 1);

	buf_put_u16_le(out, (uint16_t)len);
	buf_put(out, span_of(text, len));
}

/* An end that was reckoned may lie a little outside of what a frame may say. */
static int64_t clamp_time(int64_t t)
{
	return WEIR_MAX(WEIR_MIN(t, TIME_MAX), -TIME_MAX);
}

static void write_field(struct buf *out, const struct field *f,
			const void *from)
{
	const struct position *position = from;
	const struct term *term = from;

	switch (f->kind) {
	case FIELD_U8:
		buf_put_u8(out, *(const uint8_t *)from);
		break;
	case FIELD_U16:
		buf_put_u16_le(out, *(const uint16_t *)from);
		break;
	case FIELD_U32:
		buf_put_u32_le(out, *(const uint32_t *)from);
		break;
	case FIELD_U64:
		buf_put_u64_le(out, *(const uint64_t *)from);
		break;
	case FIELD_TIME:
		buf_put_u64_le(out,
			       (uint64_t)clamp_time(*(const int64_t *)from));
		break;
	case FIELD_EPOCH:
		write_epoch(out, &position->epoch);
		break;
	case FIELD_TERM:
		buf_put_u64_le(out, term->number);
		buf_put(out, SPAN(term->by.byte));
		break;
	case FIELD_POSITION:
		write_epoch(out, &position->epoch);
		buf_put_u64_le(out, position->sequence);
		break;
	case FIELD_BYTES:
		buf_put(out, span_of(from, f->size));
		break;
	case FIELD_TEXT:
	case FIELD_KEY:
		write_text(out, from, f->size);
		break;
	case FIELD_REST:
		buf_put(out, *(const struct span *)from);
		break;
	}
}

void record_write(struct buf *out, const struct record *r)
{
	const struct layout *l = layout_of(r->type);
	const size_t start = out->len;

	BUG_ON(!l || r->type == RECORD_FRAME || r->type == RECORD_STATE);
	write_header(out, r);
	for (const struct field *f = l->field;
	     f < l->field + FIELDS_MAX && f->kind; f++)
		write_field(out, f, (const char *)r + f->at);
	end_record(out, start);
}

static void store_frame_head(uint8_t *at, const struct frame *f)
{
	const struct epoch *e = &f->position.epoch;

	store_u64_le(at, e->counter);
	memcpy(at + 8, e->writer.byte, sizeof(e->writer.byte));
	at[24] = f->kind;
	at[25] = f->flags;
	store_u16_le(at + 26, f->track);
	store_u32_le(at + 28, (uint32_t)f->payload.len);
	store_u64_le(at + 32, (uint64_t)f->dts_ns);
	store_u64_le(at + 40, (uint64_t)f->pts_ns);
	store_u64_le(at + 48, (uint64_t)f->arrival_us);
}

uint32_t record_write_frame(struct buf *out, uint16_t type, uint32_t sid,
			    uint64_t term_number, const struct frame *f,
			    uint32_t offset)
{
	const struct span part = span_first(span_from(f->payload, offset),
					    RECORD_FRAGMENT_BYTES);
	const bool is_last = offset + part.len >= f->payload.len;
	const size_t head_len =
		offset ? RECORD_HEADER_BYTES : RECORD_FRAME_COST;
	const struct header h = {
		.len = (uint32_t)(head_len + part.len),
		.type = type,
		.flags = (uint16_t)((offset ? 0 : FRAME_FIRST) |
				    (is_last ? FRAME_LAST : 0)),
		.sid = sid,
		.offset = offset,
		.term_number = term_number,
		.sequence = f->position.sequence,
	};
	uint8_t head[RECORD_FRAME_COST];

	/* One growth for all: the parts below then only copy. */
	if (buf_reserve(out, head_len + part.len))
		return 0;
	store_header(head, &h);
	if (!offset)
		store_frame_head(head + RECORD_HEADER_BYTES, f);
	buf_put(out, span_of(head, head_len));
	buf_put(out, part);
	return (uint32_t)part.len;
}

/* ---- putting fragments together ---- */

static int take_first(struct reassembly *ra, struct frame **out,
		      const struct record *r)
{
	if (ra->is_open)
		return WEIR_EPROTO;
	if (r->flags & FRAME_LAST)
		return frame_new(out, &r->frame, r->frame.payload);
	ra->head = r->frame;
	ra->head.payload = (struct span){0};
	ra->type = r->type;
	ra->want = r->payload_len;
	ra->is_open = true;
	buf_clear(&ra->payload);
	buf_put(&ra->payload, r->frame.payload);
	*out = NULL;
	return buf_error(&ra->payload);
}

static bool fits(const struct reassembly *ra, const struct record *r)
{
	const size_t end = (size_t)r->offset + r->frame.payload.len;

	return ra->is_open && r->type == ra->type &&
	       r->sequence == ra->head.position.sequence &&
	       r->offset == ra->payload.len && end <= ra->want &&
	       (end == ra->want) == !!(r->flags & FRAME_LAST);
}

int reassembly_take(struct reassembly *ra, struct frame **out,
		    const struct record *r)
{
	int err;

	if (r->flags & FRAME_FIRST)
		return take_first(ra, out, r);
	if (!fits(ra, r))
		return WEIR_EPROTO;
	buf_put(&ra->payload, r->frame.payload);
	err = buf_error(&ra->payload);
	if (err)
		return err;
	*out = NULL;
	if (!(r->flags & FRAME_LAST))
		return 0;
	err = frame_new(out, &ra->head, buf_span(&ra->payload));
	if (!err)
		reassembly_fini(ra);
	return err;
}

void reassembly_fini(struct reassembly *ra)
{
	buf_fini(&ra->payload);
	*ra = (struct reassembly){0};
}
