/* proto/hls/watch.h - a live HLS stream watched over time: what it breaks.
 *
 * Spec: RFC 8216, sections 3, 4 and 6.2, and what weir promises beyond it
 * (README.md). Pure code: playlists and segments are brought by the caller, who
 * asks what to fetch. Several replicas of one stream are watched together:
 * what they list and serve under one name must be equal.
 */
#ifndef WEIR_HLS_WATCH_H
#define WEIR_HLS_WATCH_H

#include "proto/hls/facts.h"
#include "proto/hls/playlist.h"

#define HLS_REPLICAS_MAX 4

/* name, section that is broken */
#define HLS_RULES(X)                                                           \
	X(ANSWER, "answer", "RFC 8216 6.2.1")                                  \
	X(MIME, "mime-type", "RFC 8216 4")                                     \
	X(CACHE, "cache-control", "weir")                                      \
	X(SYNTAX, "syntax", "RFC 8216 4.1")                                    \
	X(UNKNOWN, "not-checked", "weir")                                      \
	X(TARGET, "target-duration", "RFC 8216 4.3.3.1")                       \
	X(SEQUENCE, "media-sequence", "RFC 8216 4.3.3.2")                      \
	X(CHANGED, "changed-lines", "RFC 8216 6.2.1")                          \
	X(DISCONTINUITY, "discontinuity-sequence", "RFC 8216 4.3.3.3")         \
	X(SHORT, "three-targets", "RFC 8216 6.2.2")                            \
	X(LATE, "late", "RFC 8216 6.2.1")                                      \
	X(AFTER_END, "after-end", "RFC 8216 4.3.3.4")                          \
	X(DATE, "program-date-time", "RFC 8216 4.3.2.6")                       \
	X(DURATION, "duration", "RFC 8216 4.3.2.1")                            \
	X(TIMES, "time-stamps", "RFC 8216 4.3.2.3")                            \
	X(TRACKS, "tracks", "RFC 8216 4.3.2.3")                                \
	X(TABLES, "tables", "RFC 8216 3.2")                                    \
	X(KEY, "key-frame", "RFC 8216 4.3.5.1")                                \
	X(TS, "transport-stream", "ISO 13818-1 2.4")                           \
	X(GONE, "removed-too-early", "RFC 8216 6.2.2")                         \
	X(BYTES, "equal-bytes", "weir")                                        \
	X(LINES, "equal-lines", "weir")

enum hls_rule {
#define HLS_RULE_ENUM(id, name, section) HLS_RULE_##id,
	HLS_RULES(HLS_RULE_ENUM)
#undef HLS_RULE_ENUM
		HLS_RULE_COUNT
};

const char *hls_rule_name(enum hls_rule rule);    /* "media-sequence" */
const char *hls_rule_section(enum hls_rule rule); /* "RFC 8216 4.3.3.2" */

struct hls_complaint {
	enum hls_rule rule;
	bool is_note;      /* worth knowing, but nothing promised is broken */
	unsigned replica;  /* from 0 */
	int64_t at_ms;     /* the now_ms of the call */
	const char *words; /* one line; borrowed: dies with the call */
};

typedef void hls_complaint_fn(void *ctx, const struct hls_complaint *c);

struct hls_watch_options {
	unsigned replica_count; /* 1 to HLS_REPLICAS_MAX */
	/* By how much a PROGRAM-DATE-TIME may lie beside the one before plus
	 * EXTINF; 0: 150 (a clock that moved by 100 ms is written anew). */
	int64_t date_tolerance_ms;
	/* How much older than the rule says a playlist may be, for caches on
	 * the way; 0: 1000 (max-age=1). */
	int64_t late_slack_ms;
	/* A replica that does not answer (no connection, 5xx, 404 of the
	 * playlist) is no complaint while another one answers. */
	bool may_be_absent;
};

struct hls_watch;

/* Returns 0 and *out, owned by the caller; WEIR_EINVAL or WEIR_ENOMEM. */
WEIR_MUST_CHECK int hls_watch_new(struct hls_watch **out,
				  const struct hls_watch_options *options,
				  hls_complaint_fn *on_complaint, void *ctx);
void hls_watch_free(struct hls_watch **w); /* NULL is fine */

/* What a server answered. */
struct hls_answer {
	int64_t asked_ms; /* when the request went out: the answer is no older;
			   * same clock as now_ms */
	unsigned status;  /* 0: there was no answer */
	struct span content_type;
	struct span cache_control;
	struct span body;
};

/* A playlist came, or did not. now_ms never goes back. Returns 0; WEIR_ENOMEM;
 * WEIR_EUNSUPPORTED: it is a master playlist (nothing else was done; its first
 * variant is what should be watched). */
WEIR_MUST_CHECK int hls_watch_playlist(struct hls_watch *w, unsigned replica,
				       int64_t now_ms,
				       const struct hls_answer *a);

/* What should be fetched next from this replica: each listed segment once, and
 * each removed one again, shortly before it may be gone. */
struct hls_want {
	struct span uri; /* as listed; borrowed: dies with the next call that
			  * brings a playlist */
	uint64_t sequence;
	bool is_removed;
};

/* Returns whether there is something; the same is not told twice. */
bool hls_watch_want(struct hls_watch *w, unsigned replica, int64_t now_ms,
		    struct hls_want *out);

/* What was wanted came, or did not. Returns 0 (also for a URI that is not known
 * any more) or WEIR_ENOMEM. */
WEIR_MUST_CHECK int hls_watch_segment(struct hls_watch *w, unsigned replica,
				      int64_t now_ms, struct span uri,
				      const struct hls_answer *a);

/* Does this replica's playlist say that nothing more comes? */
bool hls_watch_is_ended(const struct hls_watch *w, unsigned replica);

/* The target duration in force there; 0: no playlist yet. */
uint32_t hls_watch_target_s(const struct hls_watch *w, unsigned replica);

struct hls_watch_stats {          /* of one replica */
	uint64_t playlists;       /* good answers */
	uint64_t changes;         /* of the playlist's text */
	uint64_t segments;        /* listed, each once */
	uint64_t gaps;            /* of these, EXT-X-GAP */
	uint64_t fetched;         /* whole segments that could be read */
	uint64_t removed_fetched; /* once more, after they were removed */
	uint64_t compared;        /* segments equal to another replica's */
	uint64_t bytes;
	uint64_t complaints;
	uint64_t notes;
};
void hls_watch_get_stats(const struct hls_watch *w, unsigned replica,
			 struct hls_watch_stats *out);

#endif
