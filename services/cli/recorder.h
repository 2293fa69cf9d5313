/* services/cli/recorder.h - writes what comes into an FLV file, tag by tag, and
 * counts it. Time stamps and bodies stay exactly as they came.
 */
#ifndef WEIR_CLI_RECORDER_H
#define WEIR_CLI_RECORDER_H

#include "common/base/err.h"
#include "proto/flv/flv.h"

struct recorder {
	int fd;
	bool starts_on_key; /* nothing of the media before the first key frame */
	bool has_started;   /* media is written */
	bool has_video, has_audio; /* for the file's head */
	struct buf out;
	uint64_t video_count, audio_count, key_count, tag_count;
	uint64_t byte_count; /* of the file */
	int err;             /* of writing; sticky */
};

/* What a tag turned out to be. */
struct recorded {
	bool is_frame; /* a picture or sound, no header */
	bool is_key;
	bool is_written;
};

/* Create or cut the file. Returns 0 or -errno. */
WEIR_MUST_CHECK int recorder_open(struct recorder *r, const char *file,
				  bool starts_on_key);

/* One tag; what cannot be written is kept in r->err. */
struct recorded recorder_put(struct recorder *r, uint8_t type,
			     uint32_t timestamp_ms, struct span body);

/* Write the rest and the true head. Returns 0 or what went wrong first. */
WEIR_MUST_CHECK int recorder_close(struct recorder *r);

#endif
