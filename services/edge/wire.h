/* services/edge/wire.h - a wire log: exactly the bytes that every viewer of one
 * form (container, codec form, tracks) of a stream gets.
 *
 * Bytes are counted by a u64 offset from the start of the wire. While it shares,
 * payloads of frames stay where they are (bytelog.h), and only what stands
 * around them is written. They come in units (an FLV tag, an RTMP message, a WebSocket frame, the
 * transport packets of one frame): a viewer stops, leaves its place, and gets
 * inserts at unit ends only. Joins are the places
 * where a viewer can begin; what it needs before (headers in force there) is
 * its prefix, made once per join.
 *
 * A wire carries one track of a kind: the first that its format can. It begins
 * with a JOIN. Where a publisher broke off and came back, sound that ended
 * before the picture did goes on in silence (common/media/silence.h). Its time is the stream's in ms, never goes back from one epoch
 * to the next, and starts near 0 when the stream's is far (wire_is_old).
 *
 * Pure: no sockets; the only clock is the stream's own time.
 */
#ifndef WEIR_EDGE_WIRE_H
#define WEIR_EDGE_WIRE_H

#include "common/base/buf.h"
#include "common/media/log.h"
#include "common/media/track.h"

struct wire;

/* When a frame is: the wire's time, and what it is ahead of the stream's. */
struct wire_time {
	uint32_t ms;
	int64_t shift_ns;
};

/* A place in a format's memory. */
struct wire_mark {
	uint64_t data[4];
};

/* How frames become bytes. A format may have a memory, one for each wire. */
struct wire_format {
	const char *name;
	/* Why it cannot carry a track, in words; NULL: it can. */
	const char *(*refusal)(const struct track *track);
	/* Make and free the memory; both NULL: there is none. */
	int (*begin)(void **memory);
	void (*end)(void **memory);
	/* What a connection gets before anything (FLV: the file header); may
	 * be NULL. */
	void (*opening)(struct buf *out, const struct tracks *tracks);
	/* Metadata that agrees with the tracks; meta may be empty. Its time is
	 * 0 wherever it stands: with another one ffmpeg takes it for a track of
	 * its own. Returns 0 or the buffer's error. */
	int (*metadata)(void *memory, struct buf *out,
			const struct tracks *tracks, struct span meta);
	/* One CONFIG, VIDEO or AUDIO frame of a track that it carries, as one
	 * unit. *is_join: may a viewer begin here, as far as the wire knows;
	 * the format may say no. `payload_at` (NULL: not wanted): it may leave
	 * the frame's payload out, where that stands in one piece, and set it
	 * to the length of `out` before that. Returns 0; WEIR_ENOMEM or the
	 * buffer's error; or another: it is left out. */
	int (*unit)(void *memory, struct buf *out, const struct track *track,
		    const struct frame *f, const struct wire_time *at,
		    bool *is_join, size_t *payload_at);
	/* With a memory: the headers stand in the wire, before each join, and
	 * who goes on at another place gets what resume appends instead. mark:
	 * the place behind the last unit. */
	void (*mark)(const void *memory, struct wire_mark *out);
	void (*resume)(struct buf *out, const struct wire_mark *mark);
	/* Make one message of what stands from `at` on, and `more` bytes that
	 * will come in between, by a head in front of it; NULL: it is one.
	 * Errors are the buffer's. */
	void (*wrap)(struct buf *out, size_t at, size_t more);
};

extern const struct wire_format wire_flv;
extern const struct wire_format wire_rtmp;
extern const struct wire_format wire_ts;
extern const struct wire_format wire_ws_flv; /* in frames of WebSocket */
extern const struct wire_format wire_ws_ts;

/* As wrap: a binary frame of WebSocket. */
void wire_ws_wrap(struct buf *out, size_t at, size_t more);

struct wire_limits {
	uint32_t retain_ms;     /* what is older is spare */
	uint64_t max_bytes;     /* what is more than that has to go */
	uint32_t audio_join_ms; /* without video: what a joiner gets */
	struct buf *scratch;    /* shared by wires, outlives them; NULL: each
				 * wire has one of its own */
};

/* Returns 0 or WEIR_ENOMEM. `limits` are copied. */
WEIR_MUST_CHECK int wire_new(struct wire **out,
			     const struct wire_format *format,
			     const struct wire_limits *limits);
void wire_free(struct wire **w); /* NULL is fine; its cursors are then void */

/* Write what the frame at `ordinal` of the log becomes, and before it the
 * headers that changed. Returns 0 or WEIR_ENOMEM: the frame is not in the wire
 * (then call wire_gap). */
WEIR_MUST_CHECK int wire_append(struct wire *w, const struct log *log,
				uint64_t ordinal);

/* What the next append and the next read at its end touch comes nearer: step 0,
 * then 1, with something else in between. */
void wire_ahead(const struct wire *w, unsigned step);

/* From now on refer to payloads, which the log has anyway: half the memory and
 * one copy less, for two spans more in each send. Else (so it begins) copy them,
 * which is better for many viewers. */
void wire_set_sharing(struct wire *w, bool is_on);

/* Frames are missing here: what follows begins with the next JOIN. `frames`
 * and those before that JOIN count as left out. */
void wire_gap(struct wire *w, uint64_t frames);

/* Can a viewer begin (is there a join)? */
bool wire_is_ready(const struct wire *w);

/* Why no viewer will ever begin, in words: the stream has no track that the
 * format carries. NULL: one may. */
const char *wire_refusal(const struct wire *w);

/* New viewers should get a new wire: time has come far (2^30 ms). */
bool wire_is_old(const struct wire *w);
/* It must end now, shortly before 2^31 ms. */
bool wire_is_over(const struct wire *w);

struct wire_stats {
	uint64_t kept_bytes;    /* memory of its blocks */
	uint64_t shared_bytes;  /* payloads that it refers to */
	uint64_t written_bytes; /* ever; also the offset of its end */
	uint64_t frames;        /* ever */
	uint64_t groups;        /* joins with video, ever */
	uint64_t left_out;      /* frames that no viewer got, since it began */
	uint64_t refused;       /* frames of tracks that the format refuses */
	int64_t newest_arrival_us;
};
void wire_get_stats(const struct wire *w, struct wire_stats *out);

/* ---- retention ---- */

/* What is before this offset is spare: older than retain_ms, and before the
 * place where a new viewer begins. */
uint64_t wire_spare_end(const struct wire *w);
/* What is before this offset has to go: the wire holds more than max_bytes. */
uint64_t wire_limit_end(const struct wire *w);
/* Let go what is before `offset` (at a unit's end; at most one of the above).
 * No cursor may stand before it, unless it has left its place. */
void wire_trim(struct wire *w, uint64_t offset);

/* ---- cursors ---- */

/* A place in a wire. All zero: none yet. */
struct wire_cursor {
	uint64_t piece; /* a hint for the wire */
	uint64_t offset;
	uint64_t unit_end;   /* of the unit that offset is in; = offset at a
			      * unit's end */
	uint64_t next_frame; /* number of the next frame that it gets */
	uint32_t state;      /* which headers the viewer has */
	uint64_t left_out;   /* of wire_stats, where it began */
	bool must_join;      /* has left its place; wire_rejoin gives one */
};

/* Is the cursor between two units? */
static inline bool wire_at_unit_end(const struct wire_cursor *c)
{
	return c->offset == c->unit_end;
}

/* Place a cursor at the join where a new viewer begins and give the bytes that
 * it gets before: opening and headers (borrowed until the next append or
 * trim). Returns 0, WEIR_EAGAIN (not ready) or WEIR_ENOMEM. */
WEIR_MUST_CHECK int wire_start(struct wire *w, struct wire_cursor *c,
			       struct span *prefix);

/* The next bytes, as far as they lie together; empty at the end, or without a
 * place. */
struct span wire_peek(const struct wire *w, struct wire_cursor *c);
/* The same, and what stands behind, until there are `max` spans
 * or at least `enough_bytes`. Returns how many spans. */
size_t wire_peek_all(const struct wire *w, struct wire_cursor *c,
		     struct span *out, size_t max, size_t enough_bytes);
/* `len` of those were sent. */
void wire_advance(const struct wire *w, struct wire_cursor *c, size_t len);

/* In the middle of a unit: append what is left of it and move to its end.
 * Returns 0 or the buffer's error, and then nothing happened. */
WEIR_MUST_CHECK int wire_take_rest(const struct wire *w, struct wire_cursor *c,
				   struct buf *out);

/* How much of the stream's time lies between the byte that is `unsent_bytes`
 * before the cursor and the end. 0 without a place. */
uint32_t wire_lag_ms(const struct wire *w, const struct wire_cursor *c,
		     uint64_t unsent_bytes);

/* At a unit's end: give up the place, which pins nothing any more. */
void wire_leave(struct wire_cursor *c);

/* Take a new place at the newest join that is not behind the old place.
 * *skipped: frames left out by that. prefix: headers, if those in force there
 * are not the cursor's (else empty), to be sent first; borrowed until the next
 * append or trim. Returns 0; WEIR_EAGAIN: no such join yet; WEIR_ENOMEM. */
WEIR_MUST_CHECK int wire_rejoin(struct wire *w, struct wire_cursor *c,
				uint64_t *skipped, struct span *prefix);

#endif
