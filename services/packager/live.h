/* services/packager/live.h - the live playlist of one stream, and its segments.
 *
 * A cursor on the stream's log cuts segments into a window. With is_on_demand
 * it reads only while somebody fetches playlists; it begins with what the log
 * still has. All lives of a process share one room for their bytes.
 */
#ifndef WEIR_PACKAGER_LIVE_H
#define WEIR_PACKAGER_LIVE_H

#include "common/media/log.h"
#include "services/packager/cutting.h"
#include "services/packager/window.h"

struct live;

struct live_stats {
	uint64_t segments;       /* made here */
	uint64_t copied;         /* taken from siblings */
	uint64_t gaps;           /* listed as such */
	uint64_t left_out;       /* frames that TS cannot carry */
	uint64_t too_long;       /* gaps because of segment_max_bytes */
	uint64_t refused;        /* gaps because of segments_max_bytes */
	uint64_t starved;        /* gaps for lack of memory */
	uint64_t shed;           /* segments that went before their time */
	uint64_t bytes;          /* gauge: of all segments */
	uint64_t kept;           /* gauge: segments */
	uint64_t playlists_made; /* not requests */
};

/* What all lives of a process have in common. */
struct live_room {
	struct list lives;
	uint32_t list_count;
	size_t segment_bytes; /* most of one segment */
	uint64_t max_bytes;   /* of all segments */
	bool is_on_demand;
	uint32_t session_ms; /* a playlist is wanted for so long */
	struct live_stats stats;
};

struct live_events {
	/* Milliseconds of the loop. */
	int64_t (*now_ms)(void *ctx);
	/* Is there anybody who may have segments that are missing here? Then
	 * live_copied must be called some time after on_missing. */
	bool (*has_siblings)(void *ctx);
	/* The beginning of the window, or something in it, is missing. Not to
	 * be answered from inside. */
	void (*on_missing)(void *ctx);
	/* The playlist changed. Not to be read from inside. */
	void (*on_change)(void *ctx);
};

/* A playlist as it is sent. */
struct live_page {
	struct blob *plain, *gzip; /* borrowed; gzip may be NULL */
	const char *etag;          /* borrowed until the next change */
};

void live_room_init(struct live_room *room);
/* Bring the gauges up to date. */
void live_room_measure(struct live_room *room);

/* `room` and `events` are borrowed. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int live_new(struct live **out, struct live_room *room,
			     const struct stream_key *key,
			     const struct live_events *events, void *ctx);
void live_free(struct live **l); /* NULL is fine */

/* Read this log (borrowed) from its beginning on: at first, and for a new life
 * of the stream. NULL: none. */
void live_set_log(struct live *l, struct log *log);
/* All was read that there was when reading began: only from now on the playlist
 * is shown, for it would be an old one. */
void live_set_current(struct live *l);
/* Frames are missing before the next one. */
void live_gap(struct live *l);
/* The stream is over: ENDLIST. Or it is lost to here, and goes on elsewhere:
 * nothing is listed any more. */
void live_end(struct live *l, bool is_over);

/* Somebody fetched the playlist. */
void live_touch(struct live *l);
bool live_is_wanted(const struct live *l);
/* Time passes; returns when to come again. */
int64_t live_tick(struct live *l);
/* How long what was listed must stay after the end, from now on. */
int64_t live_linger_ms(const struct live *l);

/* Returns 0 and *out; WEIR_EAGAIN: there is no segment yet; WEIR_EBUSY: the
 * window is being copied, or what there was is still being read; WEIR_EUNSUPPORTED: nothing of the stream can be in a
 * transport stream; WEIR_ENOMEM. */
WEIR_MUST_CHECK int live_page(struct live *l, struct live_page *out);
/* May what is not here yet still come: is the window being read or copied? */
bool live_is_filling(const struct live *l);
/* Borrowed; NULL: not here. */
struct segment *live_find(struct live *l, const struct hls_name *name);

/* ---- for who copies from siblings ---- */

const struct stream_key *live_key(const struct live *l);
/* Is a segment of that name missing here? */
bool live_lacks(const struct live *l, const struct hls_name *name);
/* The segment before all that are here, while the window is being copied: a
 * sibling may still have it, though it is listed no more. */
bool live_before_all(const struct live *l, struct hls_name *out);
/* Such a one; takes `s`. */
void live_keep(struct live *l, struct segment *s);
/* Is there a gap that waits for one? */
bool live_is_asking(const struct live *l);
/* Takes `s`. */
void live_fill(struct live *l, struct segment *s);
/* That is all there is. */
void live_copied(struct live *l);

#endif
