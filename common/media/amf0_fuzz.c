/* common/media/amf0_fuzz.c - AMF0 values from any bytes: read, walk, find. */
#include "common/media/amf0.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_of(data, len);
	struct amf0_value v;

	while (!amf0_read(&v, &in, NULL)) {
		struct amf0_walk w = amf0_walk_of(&v);

		while (amf0_walk_next(&w))
			BUG_ON(w.value.type == AMF0_OBJECT_END);
		BUG_ON(w.left.len); /* what was checked walks to its end */
		amf0_to_u32(amf0_find_number(&v, "duration", v.number));
	}
	return 0;
}
