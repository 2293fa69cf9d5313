/* common/media/codec_fuzz.c - hostile configs and in-band parameter sets. */
#include "common/media/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t codec = len && data[0] & 1 ? CODEC_H264 : CODEC_H265;
	struct span in = span_from(span_of(data, len), 1);
	struct buf old = {0}, next = {0};
	struct track track = {0};
	uint8_t size;
	bool is_changed;

	if (!codec_config_normalise(&old, &size, codec, in))
		BUG_ON(codec_config_facts(&track, codec, buf_span(&old)));
	if (!codec_config_update(&next, &is_changed, codec, buf_span(&old), in))
		BUG_ON(is_changed != !!next.len);
	buf_fini(&old);
	buf_fini(&next);
	return 0;
}
