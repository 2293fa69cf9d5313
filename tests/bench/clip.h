/* tests/bench/clip.h - an FLV clip in memory, and the stamps in its pictures.
 *
 * A stamp is an SEI message (user data, unregistered) at the head of an H.264
 * picture that says when it was handed to the publisher's socket, and which it
 * was. It travels through every container as it is.
 */
#ifndef WEIR_BENCH_CLIP_H
#define WEIR_BENCH_CLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

struct clip_tag {
	uint8_t type; /* of FLV */
	uint32_t ms;
	struct span body;
};

struct clip {
	uint8_t *bytes;
	size_t len;
	struct clip_tag *tag;
	size_t count;
	size_t first_media; /* what is before it are headers */
	uint32_t loop_ms;   /* length, when it is repeated */
};

/* Ends the process, with a word, when the file is of no use. */
void clip_load(struct clip *c, const char *path);

/* The tag with which the GOP begins that is the `number`th, counted round and
 * round; the first media tag where there are no pictures. */
size_t clip_gop(const struct clip *c, unsigned number);

/* Nanoseconds of the one clock of this machine. */
int64_t clock_ns(void);

struct stamp {
	int64_t sent_ns;
	uint32_t number;
};

/* Append the body of a tag, with a stamp if it is a picture. */
void clip_stamp(struct buf *out, const struct clip_tag *tag, uint32_t number);

/* Is there a stamp in these bytes? */
bool stamp_find(struct stamp *out, struct span s);

#endif
