/* proto/ts/reader_fuzz.c - hostile transport streams. */
#include "proto/ts/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_pes(void *ctx, const struct ts_pes *pes)
{
	struct span rest = pes->payload;
	struct span unit;

	(void)ctx;
	while (!ts_audio_next(&unit, &rest, pes->stream->codec))
		BUG_ON(unit.len > pes->payload.len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct ts_reader_limits limits = {100000, 150000};
	struct ts_reader *rd;
	size_t cut = len ? data[len - 1] % len : 0;

	BUG_ON(ts_reader_new(&rd, &limits,
			     &(struct ts_reader_events){.on_pes = on_pes},
			     NULL));
	if (!ts_reader_feed(rd, span_of(data, cut)) &&
	    !ts_reader_feed(rd, span_from(span_of(data, len), cut)))
		(void)!ts_reader_end(rd);
	ts_reader_free(&rd);
	return 0;
}
