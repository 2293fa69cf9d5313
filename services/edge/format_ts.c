/* services/edge/format_ts.c - the wire form of HTTP-TS, an endless transport
 * stream; and of WS-TS, the same in frames of WebSocket.
 *
 * Each audio AU has a PES of its own, for gathering holds back sound by as much
 * time as is gathered, and a live wire is for those who want it now. Measured
 * with AAC of 64 kb/s at 44.1 kHz (AUs of 186 bytes): 130 kb/s in packets,
 * 76 when 150 ms are gathered. Segments gather.
 */
#include "proto/ts/mux.h"
#include "services/edge/wire.h"

_Static_assert(sizeof(struct ts_place) <= sizeof(struct wire_mark),
	       "a mark holds a place");

static int ts_begin(void **memory)
{
	struct ts_mux *m;
	int err = ts_mux_new(&m, NULL);

	if (!err)
		*memory = m;
	return err;
}

static void ts_end(void **memory)
{
	struct ts_mux *m = *memory;

	ts_mux_free(&m);
	*memory = NULL;
}

/* A wire carries one track of a kind; a table must not promise more. */
static void put_first(struct tracks *out, const struct tracks *in, uint8_t kind)
{
	for (size_t i = 0; i < in->count; i++) {
		if (in->track[i].kind != kind || !ts_can_carry(&in->track[i]))
			continue;
		out->track[out->count++] = in->track[i];
		return;
	}
}

static int ts_metadata(void *memory, struct buf *out,
		       const struct tracks *tracks, struct span meta)
{
	struct tracks carried = {0};

	(void)meta; /* there is no place for it */
	put_first(&carried, tracks, FRAME_VIDEO);
	put_first(&carried, tracks, FRAME_AUDIO);
	return ts_mux_set_tracks(memory, out, &carried);
}

static int ts_unit(void *memory, struct buf *out, const struct track *track,
		   const struct frame *f, const struct wire_time *at,
		   bool *is_join, size_t *payload_at)
{
	struct frame moved = *f;
	bool can_join = false;
	int err;

	(void)payload_at; /* it is cut into packets */
	if (f->kind == FRAME_CONFIG)
		return ts_mux_set_config(memory, out, track->id, f->payload);
	moved.dts_ns += at->shift_ns;
	moved.pts_ns += at->shift_ns;
	err = ts_mux_write(memory, out, &moved, &can_join);
	*is_join = *is_join && can_join;
	return err;
}

static void ts_mark(const void *memory, struct wire_mark *out)
{
	struct ts_place place;

	ts_mux_place(memory, &place);
	memcpy(out->data, &place, sizeof(place));
}

static void ts_resume(struct buf *out, const struct wire_mark *mark)
{
	struct ts_place place;

	memcpy(&place, mark->data, sizeof(place));
	ts_resume_write(out, &place);
}

const struct wire_format wire_ts = {
	.name = "ts",
	.refusal = ts_refusal,
	.begin = ts_begin,
	.end = ts_end,
	.metadata = ts_metadata,
	.unit = ts_unit,
	.mark = ts_mark,
	.resume = ts_resume,
};

const struct wire_format wire_ws_ts = {
	.name = "ws-ts",
	.refusal = ts_refusal,
	.begin = ts_begin,
	.end = ts_end,
	.metadata = ts_metadata,
	.unit = ts_unit,
	.mark = ts_mark,
	.resume = ts_resume,
	.wrap = wire_ws_wrap,
};
