/* proto/flv/flv.h - FLV: file header, tags, and the bodies that RTMP shares.
 *
 * Spec: Adobe Flash Video File Format 10.1, annex E; H.265 as codec id 12 and
 * Opus as sound format 13, as common in the field (README.md). Pure code: bytes
 * in, events out. Times are milliseconds; a tag's time is 32 bits and wraps.
 */
#ifndef WEIR_FLV_FLV_H
#define WEIR_FLV_FLV_H

#include "common/base/buf.h"
#include "common/media/track.h"

#define FLV_HEADER_BYTES   13 /* file header and PreviousTagSize0 */
#define FLV_TAG_HEAD_BYTES 11
#define FLV_TAG_TAIL_BYTES 4
#define FLV_BODY_MAX       0xffffffu /* bytes: the field has 24 bits */
#define FLV_BODY_HEAD_MAX  16        /* bytes before the payload in a body */

enum flv_type { /* of a tag, and of the RTMP message */
		FLV_AUDIO = 8,
		FLV_VIDEO = 9,
		FLV_SCRIPT = 18,
};

/* ---- Writing ---- */

/* Append the file header; the flags say which kinds `tracks` has. */
void flv_header_write(struct buf *out, const struct tracks *tracks);

/* Append a whole tag: head, body, PreviousTagSize. Returns 0; WEIR_ELIMIT for a
 * body past FLV_BODY_MAX; or the buffer's error. */
WEIR_MUST_CHECK int flv_tag_write(struct buf *out, uint8_t type,
				  uint32_t timestamp_ms, struct span body);

/* The same in parts, for who puts the body there himself. */
WEIR_MUST_CHECK int flv_tag_head_write(struct buf *out, uint8_t type,
				       uint32_t timestamp_ms, size_t body_len);
void flv_tag_tail_write(struct buf *out, size_t body_len);

/* The milliseconds of a stream's time, rounded to nearest. */
int64_t flv_ms(int64_t ns);

/* FLV_AUDIO or FLV_VIDEO for the track's kind; 0 for others. */
uint8_t flv_type_of(const struct track *track);

/* Can this track be written? */
bool flv_can_carry(const struct track *track);

/* Append what stands in a body before the payload of `frame` (VIDEO, AUDIO, or
 * CONFIG of that track); the frame's payload follows it. Composition time is
 * flv_ms(pts) - flv_ms(dts), held within 24 bits signed. Returns 0;
 * WEIR_EUNSUPPORTED; WEIR_EINVAL for other kinds of frames; WEIR_ELIMIT for a
 * payload past FLV_BODY_MAX - FLV_BODY_HEAD_MAX; or the buffer's error. */
WEIR_MUST_CHECK int flv_body_head_from_frame(struct buf *out,
					     const struct track *track,
					     const struct frame *frame);

/* Append the whole body: head and payload. Returns as above. */
WEIR_MUST_CHECK int flv_body_from_frame(struct buf *out,
					const struct track *track,
					const struct frame *frame);

/* Append the body that ends a video track (AVC end of sequence). Returns as
 * flv_body_head_from_frame. */
WEIR_MUST_CHECK int flv_body_end(struct buf *out, const struct track *track);

/* Append the body of a script tag: "onMetaData" and an ECMA array. Keys that
 * follow from `tracks` are generated and win; other keys of the publisher's
 * `meta` (the payload of a META frame, or empty; what cannot be parsed is left
 * out) are kept in their order where they are numbers, booleans, strings or
 * dates: title, encoder, videodatarate, … but never those that speak of a whole
 * file (duration, filesize, …) or of a kind of track that is not there.
 * Returns 0 or the buffer's error. */
WEIR_MUST_CHECK int flv_metadata_write(struct buf *out,
				       const struct tracks *tracks,
				       struct span meta);

/* ---- Reading ---- */

enum flv_what {
	FLV_IGNORE = 0,  /* empty, too short, a command: nothing to carry */
	FLV_CONFIG,      /* decoder configuration: avcC, hvcC, ASC */
	FLV_FRAME,       /* one access unit or packet */
	FLV_END,         /* end of sequence of the video */
	FLV_META,        /* payload: an AMF0 object or ECMA array */
	FLV_DATA,        /* another script tag; payload: all of it */
	FLV_UNSUPPORTED, /* a codec that weir does not carry; name says which */
};

struct flv_unit {
	uint8_t what;           /* enum flv_what */
	uint8_t kind;           /* FRAME_VIDEO, FRAME_AUDIO, else 0 */
	uint8_t codec;          /* enum codec */
	uint8_t form;           /* enum track_form */
	bool is_key;            /* the container's word */
	bool is_disposable;     /* likewise */
	bool is_enhanced;       /* had a FourCC (enhanced RTMP) */
	uint8_t channels;       /* audio: 1 or 2, as the flags say */
	uint8_t sample_bits;    /* audio: 8 or 16 */
	uint32_t rate;          /* audio: samples per second, the flags' word;
				 * AAC and Opus: of no meaning */
	int32_t composition_ms; /* video: pts - dts */
	char name[16];          /* of the codec: "H.264", "VP6", "av01" */
	struct span payload;    /* borrowed from the body */
};

/* Take a tag body or RTMP message apart. Never fails: what cannot be used is
 * FLV_IGNORE or FLV_UNSUPPORTED. H.26x payloads are not looked into. */
void flv_body_parse(struct flv_unit *out, uint8_t type, struct span body);

/* What a peer may make us hold; going past it is WEIR_ELIMIT. */
struct flv_limits {
	uint32_t tag_bytes; /* one body; 0: FLV_BODY_MAX */
};

struct flv_tag {
	uint8_t type;          /* enum flv_type */
	uint32_t timestamp_ms; /* 32 bits, wraps */
	struct span body;      /* borrowed: dies when on_tag returns */
};

/* Return 0 to go on; any other value ends the feed, which returns it. They must
 * not feed or free the reader. on_header may be NULL. */
struct flv_events {
	int (*on_header)(void *ctx, bool has_audio, bool has_video);
	int (*on_tag)(void *ctx, const struct flv_tag *tag);
};

struct flv_reader_stats {
	uint64_t tags;          /* told to on_tag */
	uint64_t skipped_tags;  /* of unknown type, or encrypted */
	uint64_t size_mistakes; /* PreviousTagSize that did not agree */
};

struct flv_reader; /* one per file or pull */

/* `limits` and `events` are copied; NULL limits: the format's own. Returns 0
 * and *out, owned by the caller; or WEIR_ENOMEM. */
WEIR_MUST_CHECK int flv_reader_new(struct flv_reader **out,
				   const struct flv_limits *limits,
				   const struct flv_events *events, void *ctx);

/* Free *rd and set it to NULL; NULL is fine. */
void flv_reader_free(struct flv_reader **rd);

/* Read all of `in` (borrowed, cut anywhere). After an error the reader is
 * spent. Returns 0; WEIR_EPROTO when this is no FLV; WEIR_ELIMIT; WEIR_ENOMEM;
 * or the value with which a callback ended the feed. */
WEIR_MUST_CHECK int flv_reader_feed(struct flv_reader *rd, struct span in);

void flv_reader_stats(const struct flv_reader *rd,
		      struct flv_reader_stats *out);

#endif
