/* proto/ts/mux.h - frames in, 188-byte transport stream packets out.
 *
 * Spec: ISO/IEC 13818-1 sections 2.4.3 (packets, PES), 2.4.4 (PAT, PMT), 2.7
 * (how often PCR and tables come). Pure code. Bytes are appended to the
 * caller's buffer, always whole packets; nothing is allocated for a frame but
 * by that buffer and, where audio is gathered, by one buffer per audio track.
 *
 * Two ways of use:
 *  - an endless wire: one mux for ever; ts_mux_place before each write, kept
 *    where ts_mux_write tells a join; a viewer that skips to that join gets
 *    ts_resume_write first. Who begins there needs nothing.
 *  - segments: at each cut ts_mux_flush into the old one, then ts_mux_reset.
 *    What follows depends on nothing but the options, the tracks and configs in
 *    force, and the frames written.
 *
 * The mux writes PAT and PMT by itself: before the first frame, before each
 * video frame with FRAME_JOIN, when they change, and at most 500 ms of the
 * stream's time apart; a PCR at the start of each access unit of the PCR track
 * (first video, else first audio), and packets with only a PCR where frames are
 * more than 40 ms apart. Time is that of the frames: PCR is the newest dts so
 * far. A step of more than TS_JUMP_NS either way begins a new time base
 * (discontinuity_indicator). The first packet of each PID, and after a reset
 * again, has discontinuity_indicator.
 */
#ifndef WEIR_TS_MUX_H
#define WEIR_TS_MUX_H

#include "common/base/buf.h"
#include "proto/ts/ts.h"

#define TS_GATHER_MAX_MS 500
#define TS_PCR_GAP_NS    (40 * NS_PER_MS)
#define TS_TABLES_GAP_NS (500 * NS_PER_MS)
#define TS_JUMP_NS       (5 * NS_PER_S)
#define TS_TIME_MAX_NS   (INT64_MAX / 4) /* of dts and pts, either side of 0 */

struct ts_mux;

struct ts_mux_options {
	/* AUs of one audio track in one PES: at most so much time; 0: each its
	 * own. At most TS_GATHER_MAX_MS. */
	uint32_t gather_ms;
};

struct ts_mux_stats {
	uint64_t raised_pts; /* frames whose pts was below their dts */
	uint64_t time_jumps; /* new time bases but the first */
};

/* NULL options: all zero. Returns 0 and *out, owned by the caller; WEIR_EINVAL
 * for an option past its limit; or WEIR_ENOMEM. */
WEIR_MUST_CHECK int ts_mux_new(struct ts_mux **out,
			       const struct ts_mux_options *options);

/* Free *m and set it to NULL; NULL is fine. */
void ts_mux_free(struct ts_mux **m);

/* These tracks are in force from here on (copied); those that TS cannot carry
 * are left out. Gathered audio is written first. Configs of tracks that stay
 * (same id and codec) stay. Returns 0 or the buffer's error, and then nothing
 * happened. */
WEIR_MUST_CHECK int ts_mux_set_tracks(struct ts_mux *m, struct buf *out,
				      const struct tracks *tracks);

/* The payload of the CONFIG frame in force for `track` from here on (copied as
 * needed). Gathered audio of that track is written first. Returns 0;
 * WEIR_ENOENT: no such track is carried; WEIR_EUNSUPPORTED: ADTS cannot say it,
 * the track leaves the tables until a config comes that fits; WEIR_EPROTO or
 * WEIR_ELIMIT: broken, the track has no config now; WEIR_ENOMEM, or the
 * buffer's error: nothing happened. */
WEIR_MUST_CHECK int ts_mux_set_config(struct ts_mux *m, struct buf *out,
				      uint16_t track, struct span config);

/* Append a VIDEO or AUDIO frame, and before it what is due. With gathering, an
 * audio frame may append nothing yet. *is_join (may be NULL): a viewer can
 * begin at the first byte appended, for tables and PCR stand before the frame,
 * which has FRAME_JOIN. Without video not every JOIN is one, but one in 500 ms.
 * Parameter sets in force are put before a JOIN that lacks them; an access unit
 * delimiter before each picture that lacks it; a pts below dts becomes dts.
 * Returns 0. Else the frame is left out and nothing happened: WEIR_ENOENT: no
 * such track is in force; WEIR_EUNSUPPORTED: not carried; WEIR_EAGAIN: AAC
 * before its CONFIG; WEIR_EPROTO: a broken payload; WEIR_ELIMIT: too large for
 * a PES of its kind; WEIR_EINVAL: another kind of frame, or a time past
 * TS_TIME_MAX_NS; or the buffer's error. */
WEIR_MUST_CHECK int ts_mux_write(struct ts_mux *m, struct buf *out,
				 const struct frame *f, bool *is_join);

/* Append PAT and PMT here, though they are not due. Gathered audio stays.
 * Returns 0 or the buffer's error, and then nothing happened. */
WEIR_MUST_CHECK int ts_mux_tables(struct ts_mux *m, struct buf *out);

/* Append the audio that is gathered: at the end, at a cut. Returns 0 or the
 * buffer's error, and then nothing happened. */
WEIR_MUST_CHECK int ts_mux_flush(struct ts_mux *m, struct buf *out);

/* Forget all but options, tracks, configs and stats: counters, clock, gathered
 * audio. */
void ts_mux_reset(struct ts_mux *m);

void ts_mux_get_stats(const struct ts_mux *m, struct ts_mux_stats *out);

/* ---- resuming ---- */

#define TS_PIDS_MAX (2 + 2 + TRACKS_MAX) /* PAT, PMT, tracks */

/* A place between two packets of a wire. Plain bytes: copy it as you like. */
struct ts_place {
	uint32_t used; /* bit set of the PIDs there were, by index */
	uint8_t counter[TS_PIDS_MAX]; /* of the last packet of each */
};

/* The place behind the last byte appended. Gathered audio lies behind it. */
void ts_mux_place(const struct ts_mux *m, struct ts_place *out);

/* The bytes that ts_resume_write appends. */
size_t ts_resume_bytes(const struct ts_place *p);

/* Append what a viewer gets between what he had and the packets behind `p`:
 * for each PID a packet without payload, with discontinuity_indicator, whose
 * counter goes before that of the next one. Errors are the buffer's. */
void ts_resume_write(struct buf *out, const struct ts_place *p);

#endif
