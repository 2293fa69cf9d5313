/* common/media/amf0.h - AMF0 values: read in place, written onto a buffer.
 *
 * Spec: Adobe "Action Message Format -- AMF 0" (2007), section 2. Reading
 * allocates nothing: a value borrows from the input and dies with it.
 *
 * What odd encoders send is taken: an object whose end is missing at the end of
 * the input, an ECMA array with a wrong count, a property with an empty name.
 */
#ifndef WEIR_MEDIA_AMF0_H
#define WEIR_MEDIA_AMF0_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/span.h"

/* The markers of the wire. */
enum amf0_type {
	AMF0_NUMBER = 0x00,
	AMF0_BOOLEAN = 0x01,
	AMF0_STRING = 0x02,
	AMF0_OBJECT = 0x03,
	AMF0_NULL = 0x05,
	AMF0_UNDEFINED = 0x06,
	AMF0_REFERENCE = 0x07, /* number: the index; never followed */
	AMF0_ECMA_ARRAY = 0x08,
	AMF0_OBJECT_END = 0x09, /* never the type of a value */
	AMF0_STRICT_ARRAY = 0x0a,
	AMF0_DATE = 0x0b, /* number: ms since 1970, UTC */
	AMF0_LONG_STRING = 0x0c,
	AMF0_UNSUPPORTED = 0x0d, /* a value without content */
	AMF0_XML = 0x0f,
	AMF0_TYPED_OBJECT = 0x10, /* text: the class name */
	AMF0_AMF3 = 0x11,         /* refused: WEIR_EUNSUPPORTED */
};

/* What one value may cost; going past any of it is WEIR_ELIMIT. */
struct amf0_limits {
	uint32_t depth_count; /* objects in objects; at most AMF0_DEPTH_MAX */
	uint32_t value_count; /* values in all, at any depth */
	uint32_t bytes;       /* of one outermost value */
};

#define AMF0_DEPTH_MAX 16

/* 16 deep, 4096 values, 1 MiB. */
extern const struct amf0_limits amf0_default_limits;

struct amf0_value {
	uint8_t type;     /* enum amf0_type */
	bool boolean;     /* of BOOLEAN */
	double number;    /* of NUMBER, DATE, REFERENCE */
	struct span text; /* of STRING, LONG_STRING, XML, TYPED_OBJECT */
	struct span body; /* what stands inside an object or array, checked */
};

/* Read the value at the head of *in and move *in behind it. `limits` NULL:
 * amf0_default_limits. Everything inside is checked too, so that walking
 * and finding below cannot fail.
 * Returns 0; WEIR_EPROTO (broken or cut); WEIR_EUNSUPPORTED at a value in AMF3
 * or with an unknown marker; WEIR_ELIMIT. On failure *in and *out are
 * untouched. */
WEIR_MUST_CHECK int amf0_read(struct amf0_value *out, struct span *in,
			      const struct amf0_limits *limits);

static inline bool amf0_is_string(const struct amf0_value *v)
{
	return v->type == AMF0_STRING || v->type == AMF0_LONG_STRING;
}

/* Has it named properties (object, ECMA array, typed object)? */
static inline bool amf0_is_object(const struct amf0_value *v)
{
	return v->type == AMF0_OBJECT || v->type == AMF0_ECMA_ARRAY ||
	       v->type == AMF0_TYPED_OBJECT;
}

/* A walk over what stands inside a value; nothing, for a plain one.
 *	struct amf0_walk w = amf0_walk_of(&object);
 *	while (amf0_walk_next(&w)) use(w.key, &w.value);
 */
struct amf0_walk {
	struct span key; /* empty in a strict array */
	struct amf0_value value;
	struct span left; /* private */
	bool has_keys;    /* private */
};
struct amf0_walk amf0_walk_of(const struct amf0_value *v);
bool amf0_walk_next(struct amf0_walk *w);

/* The first property of that name; false: there is none, or `object` has no
 * properties at all. */
bool amf0_find(const struct amf0_value *object, const char *key,
	       struct amf0_value *out);

/* The property's text (empty when it is missing or no string), and its number
 * (`fallback` when it is missing or neither number nor boolean). */
struct span amf0_find_string(const struct amf0_value *object, const char *key);
double amf0_find_number(const struct amf0_value *object, const char *key,
			double fallback);

/* A double as an integer, safely: NaN and what lies below 0 are 0, what lies
 * above UINT32_MAX is UINT32_MAX. */
uint32_t amf0_to_u32(double number);

/* Writers; errors are the buffer's. Strings beyond 65535 bytes become long
 * strings; keys beyond that are WEIR_ELIMIT.
 *	amf0_put_object(b); amf0_put_key(b, "app"); amf0_put_text(b, "live");
 *	amf0_put_object_end(b);
 */
void amf0_put_number(struct buf *b, double number);
void amf0_put_bool(struct buf *b, bool is_true);
void amf0_put_string(struct buf *b, struct span text);
void amf0_put_text(struct buf *b, const char *text);
void amf0_put_null(struct buf *b);
void amf0_put_undefined(struct buf *b);
void amf0_put_date(struct buf *b, double utc_ms);
void amf0_put_object(struct buf *b); /* ends with amf0_put_object_end */
void amf0_put_ecma_array(struct buf *b, uint32_t count);   /* so does it */
void amf0_put_strict_array(struct buf *b, uint32_t count); /* no end */
void amf0_put_key(struct buf *b, const char *key);         /* then its value */
void amf0_put_key_span(struct buf *b, struct span key);
void amf0_put_object_end(struct buf *b);

#endif
