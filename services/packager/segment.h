/* services/packager/segment.h - one segment of a stream, whole.
 *
 * What it says follows from the frames alone, so two packagers that read the
 * same frames have equal segments under equal names.
 */
#ifndef WEIR_PACKAGER_SEGMENT_H
#define WEIR_PACKAGER_SEGMENT_H

#include "common/base/blob.h"
#include "common/base/list.h"
#include "proto/hls/path.h"
#include "proto/hls/playlist.h"

struct segment {
	struct list link;     /* of its window */
	uint64_t incarnation; /* of the stream: its start, UTC ms */
	uint64_t number;
	uint64_t discontinuity;
	bool is_marked;      /* the first one with that number */
	int64_t duration_us; /* whole ticks of 90 kHz, rounded */
	int64_t utc_ms;      /* of its first frame; HLS_NO_DATE */
	uint32_t target_ms;  /* longest so far, this one included */
	struct blob *body;   /* NULL: a gap */

	/* the window's own */
	bool is_asked;      /* a gap that may still be filled */
	int64_t longest_us; /* of the playlists that listed it */
	int64_t gone_ms;    /* when it left the list */
};

/* Hash of the mux's version and settings: part of every name. */
uint32_t segment_form(void);

/* A segment, all zero and in no list; NULL without memory. */
struct segment *segment_new(void);
/* Free *s and set it to NULL; NULL is fine. It must be in no list. */
void segment_free(struct segment **s);

size_t segment_bytes(const struct segment *s); /* of its body */
struct hls_name segment_name(const struct segment *s);

#endif
