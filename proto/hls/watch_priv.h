/* proto/hls/watch_priv.h - what the files of the watch share. */
#ifndef WEIR_HLS_WATCH_PRIV_H
#define WEIR_HLS_WATCH_PRIV_H

#include "common/base/list.h"
#include "common/base/map.h"
#include "proto/hls/watch.h"

/* What one replica does with a segment. */
struct watch_here {
	bool is_listed;      /* in its newest playlist */
	bool was_listed;     /* ever */
	bool is_asked;       /* told by want */
	bool is_fetched;     /* came whole */
	bool is_asked_again; /* after it was removed */
	int64_t retry_ms;    /* not told before */
	int64_t listed_ms;   /* when it was surely listed last */
	int64_t playlist_us; /* longest playlist that had it */
};

/* A segment, known by its URI. What is said of it is what the first playlist
 * said that listed it. */
struct watch_segment {
	struct list link;                     /* all, oldest first */
	struct watch_segment *before, *after; /* in a playlist; NULL: unknown */
	uint64_t sequence;
	uint64_t discontinuity; /* its number */
	int64_t duration_us;
	int64_t utc_ms;
	bool is_discontinuity, is_gap;
	struct watch_here here[HLS_REPLICAS_MAX];
	unsigned told_by; /* the first replica that listed it */
	bool has_facts;
	unsigned facts_of; /* the replica that they are from */
	struct hls_facts facts;
	size_t uri_len;
	uint8_t uri[];
};

struct watch_replica {
	bool has_playlist, is_answering, is_ended, is_independent, is_late;
	uint64_t text_hash;
	struct watch_segment **listed;
	size_t listed_count;
	int64_t listed_us; /* durations of all listed */
	uint64_t media_sequence;
	uint64_t discontinuity_sequence;
	uint32_t target_s;
	int64_t grown_ms;              /* when the last new segment was seen */
	int64_t asked_ms;              /* of the newest good answer */
	uint64_t told[HLS_RULE_COUNT]; /* hash of the last words */
	struct hls_watch_stats stats;
};

struct hls_watch {
	struct hls_watch_options options;
	hls_complaint_fn *on_complaint;
	void *ctx;
	int64_t now_ms; /* of the call that is under way */
	struct list segments;
	size_t segment_count;
	struct map by_uri;
	struct watch_replica replica[HLS_REPLICAS_MAX];
};

/* The same words twice in a row are told once. */
void watch_complain(struct hls_watch *w, unsigned replica, enum hls_rule rule,
		    const char *fmt, ...) WEIR_PRINTF(4, 5);
void watch_note(struct hls_watch *w, unsigned replica, enum hls_rule rule,
		const char *fmt, ...) WEIR_PRINTF(4, 5);

/* For "%.*s": the last part of a URI, as much as a line can take. */
#define WATCH_NAME(uri) watch_name_len(uri), watch_name(uri)
int watch_name_len(struct span uri);
const char *watch_name(struct span uri);

struct span watch_uri(const struct watch_segment *s);
struct watch_segment *watch_find(const struct hls_watch *w, struct span uri);
struct watch_segment *watch_add(struct hls_watch *w, struct span uri);

/* Does another replica answer at the moment? */
bool watch_has_other(const struct hls_watch *w, unsigned replica);
bool watch_is_absence(const struct hls_watch *w, unsigned replica,
		      unsigned status, bool is_playlist);

/* Until when a removed segment has to be there. */
int64_t watch_kept_until_ms(const struct watch_segment *s, unsigned replica);

/* Complain about headers that are not what they shall be; `what` names it. */
void watch_check_type(struct hls_watch *w, unsigned replica,
		      const struct hls_answer *a, const char *type,
		      const char *what);
void watch_check_cache(struct hls_watch *w, unsigned replica,
		       const struct hls_answer *a, const char *directives,
		       const char *what);
bool watch_is_private(const struct hls_answer *a);

#endif
