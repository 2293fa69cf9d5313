/* proto/hls/playlist.h - HLS playlists: writing and reading.
 *
 * Spec: RFC 8216, section 4; EXT-X-GAP from its second edition. Pure code. The
 * writer makes media playlists; equal structs make equal bytes. The reader
 * takes media and master playlists of any server; tags that it does not know
 * are passed over.
 */
#ifndef WEIR_HLS_PLAYLIST_H
#define WEIR_HLS_PLAYLIST_H

#include "common/base/buf.h"

#define HLS_PLAYLIST_TYPE "application/vnd.apple.mpegurl" /* MIME */
#define HLS_SEGMENT_TYPE  "video/mp2t"                    /* MIME, of TS */
#define HLS_NO_DATE       INT64_MIN

enum hls_type {               /* EXT-X-PLAYLIST-TYPE */
		HLS_LIVE = 0, /* no such tag: segments come and go */
		HLS_EVENT,    /* only appended to */
		HLS_VOD,      /* never changes */
};

struct hls_segment {
	struct span uri;     /* one line without control characters, not empty,
			      * not beginning with '#'; borrowed */
	int64_t duration_us; /* EXTINF, not negative; written with 6 decimals */
	int64_t utc_ms;      /* PROGRAM-DATE-TIME; HLS_NO_DATE: none */
	bool is_discontinuity; /* EXT-X-DISCONTINUITY stands before it */
	bool is_gap;           /* EXT-X-GAP: it is not there */
	uint32_t line; /* reader: where the URI stands, from 1; writer: 0 */
};

struct hls_variant {     /* of a master playlist */
	struct span uri; /* borrowed */
	uint64_t bandwidth_bps;
	uint32_t line;
};

/* For the writer everything is the caller's; after the reader the arrays are
 * the struct's own, and spans are borrowed from the text. */
struct hls_playlist {
	uint32_t version; /* EXT-X-VERSION; writer: 0 means the lowest that
			   * fits: 3, or 8 with a gap */
	uint32_t target_duration_s;
	uint64_t media_sequence; /* of segment[0] */
	/* Number of EXT-X-DISCONTINUITY tags that have left the playlist. Where
	 * segment[0] has the tag, it is one less than the discontinuity number
	 * of that segment (section 4.3.3.3). Written only when not 0, or when
	 * `has_discontinuity_sequence`. */
	uint64_t discontinuity_sequence;
	bool has_discontinuity_sequence;
	bool is_independent; /* EXT-X-INDEPENDENT-SEGMENTS */
	bool is_ended;       /* EXT-X-ENDLIST */
	uint8_t type;        /* enum hls_type */
	struct hls_segment *segment;
	size_t segment_count;

	/* Reader only. A master playlist has variants and no segments. */
	bool is_master;
	bool is_encrypted; /* an EXT-X-KEY other than NONE */
	bool has_map;      /* EXT-X-MAP: segments are fMP4 */
	bool has_ranges;   /* EXT-X-BYTERANGE: segments are parts of files */
	struct hls_variant *variant;
	size_t variant_count;
};

/* Append the whole media playlist. Returns 0; WEIR_EINVAL when a segment's
 * fields are not as said above; or the buffer's error. After an error `out`
 * holds a part of it. */
WEIR_MUST_CHECK int hls_playlist_write(struct buf *out,
				       const struct hls_playlist *pl);

/* What a server may make us hold or read; 0 means the default. */
struct hls_limits {
	size_t text_bytes;     /* 4 MB */
	size_t line_bytes;     /* 8192 */
	uint32_t segments_max; /* 20,000 */
	uint32_t variants_max; /* 200 */
};

struct hls_error {
	uint32_t line;  /* from 1; 0: the playlist as a whole */
	char text[120]; /* "EXTINF is not a number" */
};

/* Read a whole playlist (borrowed; must outlive *out). `limits` may be NULL.
 * Returns 0 and *out, to be ended by hls_playlist_fini(); WEIR_EPROTO or
 * WEIR_ELIMIT, with *error (may be NULL) saying where and why; WEIR_ENOMEM.
 * *out is set only on 0. */
WEIR_MUST_CHECK int hls_playlist_read(struct hls_playlist *out,
				      struct span text,
				      const struct hls_limits *limits,
				      struct hls_error *error);

/* Free the arrays of a playlist that was read; the struct is then empty. */
void hls_playlist_fini(struct hls_playlist *pl);

/* EXTINF rounded to the nearest whole second, as section 4.3.3.1 wants it to
 * be held against the target duration. */
uint32_t hls_rounded_s(int64_t duration_us);

#endif
