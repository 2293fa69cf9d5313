/* common/media/h265_fuzz.c - hostile SPS and access units. */
#include "common/media/h265.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_from(span_of(data, len), 1);
	struct unit_facts facts;
	struct h265_sps sps;
	struct buf unit = {0};

	if (!nal_rewrite(&unit, in, len ? data[0] % 5 : 0)) {
		BUG_ON(unit.len && !nal_is_plain(buf_span(&unit)));
		BUG_ON(h265_unit_classify(&facts, buf_span(&unit), 1));
	}
	(void)!h265_sps_parse(&sps, in);
	(void)!h265_vps_fps_x100(in);
	buf_fini(&unit);
	return 0;
}
