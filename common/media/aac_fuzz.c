/* common/media/aac_fuzz.c - hostile ASC, ADTS, MP3 and Opus headers. */
#include "common/media/aac.h"
#include "common/media/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_of(data, len);
	struct buf out = {0};
	struct aac_config c;
	struct aac_adts adts;

	if (!aac_config_parse(&c, in) && !aac_config_build(&out, &c))
		BUG_ON(!aac_config_eq(buf_span(&out), buf_span(&out)));
	if (!aac_adts_parse(&adts, in) && adts.block_count == 1)
		(void)!aac_adts_write(&out, &adts.config, adts.frame_bytes);
	for (int codec = CODEC_AAC; codec <= CODEC_PCMU; codec++)
		BUG_ON(codec_frame_duration_ns((uint8_t)codec, in, in) < 0);
	buf_fini(&out);
	return 0;
}
