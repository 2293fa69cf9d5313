/* common/media/amf0.c - AMF0 values: read in place, written onto a buffer. */
#include "common/media/amf0.h"

#include "common/base/reader.h"

const struct amf0_limits amf0_default_limits = {
	.depth_count = AMF0_DEPTH_MAX,
	.value_count = 4096,
	.bytes = 1024 * 1024,
};

/* For what has been checked before. */
static const struct amf0_limits no_limits = {
	.depth_count = AMF0_DEPTH_MAX,
	.value_count = UINT32_MAX,
	.bytes = UINT32_MAX,
};

static double read_double(struct reader *r)
{
	uint64_t bits = read_u64(r);
	double d;

	memcpy(&d, &bits, sizeof(d));
	return d;
}

static struct span read_text(struct reader *r, unsigned length_bytes)
{
	return read_span(r, (size_t)read_uint(r, length_bytes));
}

/* One container that is open during a scan. */
struct level {
	bool has_keys;
	uint32_t left_count; /* of a strict array */
};

struct scan {
	struct reader r;
	const struct amf0_limits *limits;
	uint32_t values;
	uint32_t depth;
	struct level level[AMF0_DEPTH_MAX];
};

static int open_level(struct scan *s, bool has_keys, uint32_t left_count)
{
	uint32_t limit = WEIR_MIN(s->limits->depth_count, AMF0_DEPTH_MAX);

	if (s->depth >= limit)
		return WEIR_ELIMIT;
	s->level[s->depth++] = (struct level){has_keys, left_count};
	return 0;
}

/* What follows a marker, up to what stands inside a container. */
static int read_head(struct scan *s, struct amf0_value *v)
{
	struct reader *r = &s->r;

	switch (v->type) {
	case AMF0_NUMBER:
		v->number = read_double(r);
		return 0;
	case AMF0_BOOLEAN:
		v->boolean = read_u8(r) != 0;
		return 0;
	case AMF0_STRING:
		v->text = read_text(r, 2);
		return 0;
	case AMF0_LONG_STRING:
	case AMF0_XML:
		v->text = read_text(r, 4);
		return 0;
	case AMF0_REFERENCE:
		v->number = read_u16(r);
		return 0;
	case AMF0_DATE:
		v->number = read_double(r);
		read_u16(r); /* time zone: reserved, zero */
		return 0;
	case AMF0_NULL:
	case AMF0_UNDEFINED:
	case AMF0_UNSUPPORTED:
		return 0;
	case AMF0_OBJECT:
		return open_level(s, true, 0);
	case AMF0_TYPED_OBJECT:
		v->text = read_text(r, 2);
		return open_level(s, true, 0);
	case AMF0_ECMA_ARRAY:
		read_u32(r); /* the count: encoders get it wrong */
		return open_level(s, true, 0);
	case AMF0_STRICT_ARRAY:
		return open_level(s, false, read_u32(r));
	case AMF0_OBJECT_END:
		return WEIR_EPROTO;
	default:
		return WEIR_EUNSUPPORTED;
	}
}

static int read_value(struct scan *s, struct amf0_value *v)
{
	int err;

	*v = (struct amf0_value){.type = read_u8(&s->r)};
	if (reader_failed(&s->r))
		return WEIR_EPROTO;
	if (++s->values > s->limits->value_count)
		return WEIR_ELIMIT;
	err = read_head(s, v);
	if (reader_failed(&s->r))
		return WEIR_EPROTO;
	return err;
}

/* Does the innermost container end here? Moves behind its end. */
static bool at_level_end(struct scan *s)
{
	const struct level *top = &s->level[s->depth - 1];
	struct reader *r = &s->r;

	if (!top->has_keys)
		return top->left_count == 0;
	if (!reader_left(r))
		return true; /* its end was left out */
	if (reader_left(r) < 3 || r->at[0] || r->at[1] ||
	    r->at[2] != AMF0_OBJECT_END)
		return false;
	read_u24(r);
	return true;
}

/* Read one value inside the innermost container, with its key. */
static int read_member(struct scan *s)
{
	struct level *top = &s->level[s->depth - 1];
	struct amf0_value v;

	if (top->has_keys)
		read_text(&s->r, 2);
	else
		top->left_count--;
	return read_value(s, &v);
}

/* Go to the end of the outermost container, which is open, and tell where what
 * stands inside ends. */
static int read_members(struct scan *s, const uint8_t **body_end)
{
	int err;

	while (s->depth) {
		*body_end = s->r.at;
		if (at_level_end(s)) {
			s->depth--;
			continue;
		}
		err = read_member(s);
		if (err)
			return err;
	}
	return 0;
}

int amf0_read(struct amf0_value *out, struct span *in,
	      const struct amf0_limits *limits)
{
	struct scan s = {
		.r = reader_of(*in),
		.limits = limits ? limits : &amf0_default_limits,
	};
	const uint8_t *body, *body_end;
	struct amf0_value v;
	int err;

	err = read_value(&s, &v);
	if (err)
		return err;
	body = body_end = s.r.at;
	err = read_members(&s, &body_end);
	if (err)
		return err;
	if ((size_t)(s.r.at - in->data) > s.limits->bytes)
		return WEIR_ELIMIT;
	v.body = span_of(body, (size_t)(body_end - body));
	*in = span_from(*in, (size_t)(s.r.at - in->data));
	*out = v;
	return 0;
}

struct amf0_walk amf0_walk_of(const struct amf0_value *v)
{
	return (struct amf0_walk){
		.left = v->body,
		.has_keys = amf0_is_object(v),
	};
}

bool amf0_walk_next(struct amf0_walk *w)
{
	struct reader r = reader_of(w->left);

	if (!w->left.len)
		return false;
	w->key = w->has_keys ? read_text(&r, 2) : (struct span){0};
	w->left = read_rest(&r);
	return amf0_read(&w->value, &w->left, &no_limits) == 0;
}

bool amf0_find(const struct amf0_value *object, const char *key,
	       struct amf0_value *out)
{
	struct amf0_walk w = amf0_walk_of(object);

	if (!w.has_keys)
		return false;
	while (amf0_walk_next(&w)) {
		if (!span_eq_str(w.key, key))
			continue;
		*out = w.value;
		return true;
	}
	return false;
}

struct span amf0_find_string(const struct amf0_value *object, const char *key)
{
	struct amf0_value v;

	if (!amf0_find(object, key, &v) || !amf0_is_string(&v))
		return (struct span){0};
	return v.text;
}

double amf0_find_number(const struct amf0_value *object, const char *key,
			double fallback)
{
	struct amf0_value v;

	if (!amf0_find(object, key, &v))
		return fallback;
	if (v.type == AMF0_BOOLEAN)
		return v.boolean;
	return v.type == AMF0_NUMBER ? v.number : fallback;
}

uint32_t amf0_to_u32(double number)
{
	if (!(number > 0)) /* NaN too */
		return 0;
	return number >= UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

void amf0_put_number(struct buf *b, double number)
{
	uint64_t bits;

	memcpy(&bits, &number, sizeof(bits));
	buf_put_u8(b, AMF0_NUMBER);
	buf_put_u64(b, bits);
}

void amf0_put_bool(struct buf *b, bool is_true)
{
	buf_put_u8(b, AMF0_BOOLEAN);
	buf_put_u8(b, is_true);
}

void amf0_put_string(struct buf *b, struct span text)
{
	bool is_long = text.len > UINT16_MAX;

	if (text.len > UINT32_MAX) {
		b->err = b->err ? b->err : WEIR_ELIMIT;
		return;
	}
	buf_put_u8(b, is_long ? AMF0_LONG_STRING : AMF0_STRING);
	buf_put_uint(b, text.len, is_long ? 4 : 2);
	buf_put(b, text);
}

void amf0_put_text(struct buf *b, const char *text)
{
	amf0_put_string(b, span_str(text));
}

void amf0_put_null(struct buf *b)
{
	buf_put_u8(b, AMF0_NULL);
}

void amf0_put_undefined(struct buf *b)
{
	buf_put_u8(b, AMF0_UNDEFINED);
}

void amf0_put_date(struct buf *b, double utc_ms)
{
	uint64_t bits;

	memcpy(&bits, &utc_ms, sizeof(bits));
	buf_put_u8(b, AMF0_DATE);
	buf_put_u64(b, bits);
	buf_put_u16(b, 0);
}

void amf0_put_object(struct buf *b)
{
	buf_put_u8(b, AMF0_OBJECT);
}

void amf0_put_ecma_array(struct buf *b, uint32_t count)
{
	buf_put_u8(b, AMF0_ECMA_ARRAY);
	buf_put_u32(b, count);
}

void amf0_put_strict_array(struct buf *b, uint32_t count)
{
	buf_put_u8(b, AMF0_STRICT_ARRAY);
	buf_put_u32(b, count);
}

void amf0_put_key(struct buf *b, const char *key)
{
	amf0_put_key_span(b, span_str(key));
}

void amf0_put_key_span(struct buf *b, struct span key)
{
	if (key.len > UINT16_MAX) {
		b->err = b->err ? b->err : WEIR_ELIMIT;
		return;
	}
	buf_put_u16(b, (uint16_t)key.len);
	buf_put(b, key);
}

void amf0_put_object_end(struct buf *b)
{
	buf_put_u24(b, AMF0_OBJECT_END);
}
