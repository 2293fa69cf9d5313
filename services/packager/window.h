/* services/packager/window.h - which segments of a stream are listed, and how
 * long the others are kept.
 *
 * Pure. Spec: RFC 8216, sections 4.3 and 6.2. Segments come in order, each with
 * the number behind the last one; another incarnation, or a number that leaves
 * some out, begins a new list. Listed are the newest: `list_count` of them, more
 * while that would be less than three target durations. What leaves the list
 * is kept for its own duration and that of the longest playlist that had it.
 *
 * A gap that is_asked may still be filled: what stands from there on is not
 * listed yet.
 */
#ifndef WEIR_PACKAGER_WINDOW_H
#define WEIR_PACKAGER_WINDOW_H

#include "services/packager/segment.h"

struct window {
	uint32_t list_count;
	struct list
		listed;   /* oldest first; the last ones may wait (is_asked) */
	struct list gone; /* left the list; oldest first */
	bool is_ended;
	uint64_t *all_bytes; /* of all bodies, of all windows; borrowed */
	size_t count;        /* segments, gone ones included */
};

/* Kept so much longer: playlists lie in caches for a second or two. */
#define WINDOW_SPARE_MS 5000

/* *all_bytes is a sum that several have: each adds and takes away its own. */
void window_init(struct window *w, uint32_t list_count, uint64_t *all_bytes);
void window_fini(struct window *w);

/* The newest; takes `s`. A window that had ended goes on. */
void window_take(struct window *w, struct segment *s, int64_t now_ms);

/* One from a sibling, which takes the place of the gap with its name, or stands
 * before the oldest one (without any: before `open`) when that has the next
 * number. Takes `s`. Returns whether it was of use. window_give_up ends a
 * series of these. */
bool window_fill(struct window *w, struct segment *s,
		 const struct hls_name *open);

/* One from a sibling that had left the list there: kept as if it had left ours
 * now. Takes `s`. */
void window_keep(struct window *w, struct segment *s, int64_t now_ms);

/* What is asked for and was not filled is a gap. */
void window_give_up(struct window *w, int64_t now_ms);

/* No more will come: ENDLIST. */
void window_end(struct window *w);
/* List nothing any more; what was listed is kept for its time. */
void window_clear(struct window *w, int64_t now_ms);

/* Drop what was kept long enough. Returns when to come again (INT64_MAX:
 * nothing is kept that has left the list). */
int64_t window_tick(struct window *w, int64_t now_ms);
/* Drop the oldest that has left the list, although it is not its time. Returns
 * false: there is none. */
bool window_shed(struct window *w);

/* The segment of that name, or NULL. */
struct segment *window_find(const struct window *w,
			    const struct hls_name *name);
/* The lowest number of an incarnation that is here; false: there is none. */
bool window_lowest(const struct window *w, uint64_t incarnation, uint64_t *out);
/* The first gap that is asked for, or NULL. */
const struct segment *window_asked(const struct window *w);
const struct segment *window_oldest(const struct window *w); /* listed; NULL */

/* How many a player would be shown, and for how long they last. */
size_t window_listed(const struct window *w, int64_t *out_us);

/* Append the playlist. `folder`: what stands before the names. Returns 0;
 * WEIR_ENOENT: nothing is listed; WEIR_ENOMEM; or the buffer's error. */
WEIR_MUST_CHECK int window_write(struct window *w, struct buf *out,
				 struct span folder);

#endif
