/* common/media/via_meta.c - weirVia in the metadata of a relayed stream. */
#include "common/media/via_meta.h"

#include "common/media/amf0.h"

/* All properties but weirVia, as they stand. */
static uint32_t put_others(struct buf *out, struct span in)
{
	uint32_t count = 0;

	while (in.len > 2) {
		size_t key_len = (size_t)in.data[0] << 8 | in.data[1];
		struct span key = span_first(span_from(in, 2), key_len);
		struct span rest = span_from(in, 2 + key_len);
		struct amf0_value v;

		if (amf0_read(&v, &rest, NULL))
			break; /* a part of what was checked as a whole */
		if (!span_eq_str(key, VIA_KEY)) {
			buf_put(out, span_first(in, in.len - rest.len));
			count++;
		}
		in = rest;
	}
	return count;
}

static bool is_metadata(struct span body, struct amf0_value *object)
{
	struct amf0_value name;

	return !amf0_read(&name, &body, NULL) && amf0_is_string(&name) &&
	       span_eq_str(name.text, "onMetaData") &&
	       !amf0_read(object, &body, NULL) && amf0_is_object(object);
}

/* It comes from where it says, else from whom it was got. */
static int way_of(char via[VIA_SIZE], const struct amf0_value *object,
		  struct span from, const char *self)
{
	struct span told = amf0_find_string(object, VIA_KEY);

	if (!told.len)
		told = from;
	if (via_has(told, self))
		return WEIR_EPROTO;
	return via_add(via, told, self);
}

int via_mark_metadata(struct buf *out, struct span body, struct span from,
		      const char *self)
{
	struct buf others = {0};
	struct amf0_value object;
	char via[VIA_SIZE] = "";
	uint32_t count;
	int err;

	if (!is_metadata(body, &object))
		return 0;
	err = way_of(via, &object, from, self);
	if (err)
		return err;
	count = put_others(&others, object.body);
	amf0_put_text(out, "onMetaData");
	amf0_put_ecma_array(out, count + 1);
	buf_put(out, buf_span(&others));
	amf0_put_key(out, VIA_KEY);
	amf0_put_text(out, via);
	amf0_put_object_end(out);
	err = buf_error(&others) ? buf_error(&others) : buf_error(out);
	buf_fini(&others);
	return err;
}
