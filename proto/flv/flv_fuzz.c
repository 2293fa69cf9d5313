/* proto/flv/flv_fuzz.c - hostile FLV files and tag bodies. */
#include "proto/flv/flv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int on_tag(void *ctx, const struct flv_tag *tag)
{
	struct flv_unit unit;

	flv_body_parse(&unit, tag->type, tag->body);
	buf_clear(ctx);
	return flv_metadata_write(ctx, &(struct tracks){0}, unit.payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct flv_reader *rd;
	struct buf out = {0};
	size_t cut = len ? data[0] % len : 0;

	(void)!on_tag(&out, &(struct flv_tag){FLV_SCRIPT, 0, {data, len}});
	(void)!on_tag(&out, &(struct flv_tag){FLV_VIDEO, 0, {data, len}});
	(void)!on_tag(&out, &(struct flv_tag){FLV_AUDIO, 0, {data, len}});
	BUG_ON(flv_reader_new(&rd, NULL, &(struct flv_events){NULL, on_tag},
			      &out));
	if (!flv_reader_feed(rd, span_of(data, cut)))
		(void)!flv_reader_feed(rd, span_from(span_of(data, len), cut));
	flv_reader_free(&rd);
	buf_fini(&out);
	return 0;
}
