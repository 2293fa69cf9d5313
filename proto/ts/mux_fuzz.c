/* proto/ts/mux_fuzz.c - hostile frames: what is written can always be read. */
#include "common/base/reader.h"
#include "proto/ts/mux.h"
#include "proto/ts/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void put_frame(struct ts_mux *m, struct buf *out, struct reader *r)
{
	struct frame f = {.kind = read_u8(r) & 1 ? FRAME_VIDEO : FRAME_AUDIO,
			  .flags = read_u8(r) & FRAME_JOIN,
			  .track = read_u8(r) & 3};

	f.dts_ns = (int64_t)read_u64(r) >> (read_u8(r) & 63);
	f.pts_ns = (int64_t)((uint64_t)f.dts_ns + read_u32(r) - INT32_MAX);
	f.payload = read_span(r, read_u16(r) & 0x3ff);
	if (f.dts_ns & 1)
		(void)!ts_mux_set_config(m, out, f.track, f.payload);
	(void)!ts_mux_write(m, out, &f, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_of(span_of(data, len));
	struct ts_mux_options options = {read_u8(&r)};
	struct ts_reader *rd = NULL;
	struct tracks tracks;
	struct buf out = {0};
	struct ts_mux *m;

	BUG_ON(ts_mux_new(&m, &options));
	BUG_ON(ts_reader_new(&rd, NULL, &(struct ts_reader_events){0}, NULL));
	if (!tracks_read(&tracks, read_span(&r, read_u8(&r))))
		BUG_ON(ts_mux_set_tracks(m, &out, &tracks));
	while (reader_left(&r))
		put_frame(m, &out, &r);
	BUG_ON(ts_mux_flush(m, &out) || ts_reader_feed(rd, buf_span(&out)) ||
	       ts_reader_end(rd));
	ts_reader_free(&rd);
	ts_mux_free(&m);
	buf_fini(&out);
	return 0;
}
