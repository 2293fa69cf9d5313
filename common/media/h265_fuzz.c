/* common/media/h265_fuzz.c - hostile hvcC, SPS and access units. */
#include "common/media/codec.h"
#include "common/media/h265.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_from(span_of(data, len), 1);
	struct buf unit = {0}, config = {0};
	struct unit_facts facts;
	struct track track = {0};
	struct h265_sps sps;
	uint8_t size;
	bool is_changed;

	if (!nal_rewrite(&unit, in, len ? data[0] % 5 : 0))
		BUG_ON(h265_unit_classify(&facts, buf_span(&unit), len % 3));
	if (!codec_config_update(&config, &is_changed, CODEC_H265,
				 (struct span){0}, buf_span(&unit)) &&
	    is_changed)
		BUG_ON(codec_config_facts(&track, CODEC_H265,
					  buf_span(&config)));
	(void)!h265_sps_parse(&sps, in);
	(void)!codec_config_normalise(&config, &size, CODEC_H265, in);
	(void)!codec_config_facts(&track, CODEC_H265, in);
	buf_fini(&unit);
	buf_fini(&config);
	return 0;
}
