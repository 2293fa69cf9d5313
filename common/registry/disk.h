/* common/registry/disk.h - replaces a small file without blocking the loop. */
#ifndef WEIR_REGISTRY_DISK_H
#define WEIR_REGISTRY_DISK_H

#include "common/base/buf.h"
#include "common/io/loop.h"

struct disk;

/* `done` is called on the loop after each write with 0 or -errno. `file` is
 * copied. Returns 0, WEIR_ENOMEM or -errno. */
WEIR_MUST_CHECK int disk_new(struct disk **out, struct loop *loop,
			     const char *file, void (*done)(void *ctx, int err),
			     void *ctx);

/* Waits for a write that is under way. NULL is fine. */
void disk_free(struct disk **d);

/* Write all of it beside the file, then put it in the file's place: readers see
 * the old or the new one. The content of `text` is taken, it is empty
 * afterwards. Returns 0; WEIR_EBUSY: one is under way (nothing was taken);
 * -errno. */
WEIR_MUST_CHECK int disk_write(struct disk *d, struct buf *text);

/* The whole file, at start only: it blocks. Returns 0, WEIR_ELIMIT past
 * limit_bytes, WEIR_ENOMEM or -errno. */
WEIR_MUST_CHECK int disk_read(struct buf *out, const char *file,
			      size_t limit_bytes);

#endif
