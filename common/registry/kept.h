/* common/registry/kept.h - a small file that keeps what this process knows, for
 * its next life: read at the start, written again soon after it has changed.
 *
 * The loop only makes the text, a part in each of its passes, and another thread
 * writes it (disk.h). The file is always one whole text, of one moment: after a
 * change in between it is begun again.
 */
#ifndef WEIR_REGISTRY_KEPT_H
#define WEIR_REGISTRY_KEPT_H

#include "common/base/buf.h"
#include "common/io/loop.h"
#include "common/log/logger.h"

struct kept;

struct kept_ops {
	/* Append the next part of the text. *at is NULL for the first, and then
	 * yours; what is written must not be changed without kept_changed.
	 * Returns whether that was all. Errors are the buffer's. */
	bool (*write)(void *ctx, struct buf *out, const void **at);
	/* Take the file's text. Returns 0, or why it is none. */
	int (*read)(void *ctx, struct span text);
};

struct kept_options {
	const char *file;   /* copied */
	size_t bytes_max;   /* a longer one is not read */
	uint32_t each_ms;   /* between two files, at least */
	struct logger *log; /* may be NULL */
};

extern const struct log_event kept_bad_file;

/* Returns 0, WEIR_ENOMEM or -errno. Nothing is read yet. */
WEIR_MUST_CHECK int kept_new(struct kept **out, struct loop *loop,
			     const struct kept_options *options,
			     const struct kept_ops *ops, void *ctx);
/* Waits for a write that is under way; what is not begun is not written. NULL is
 * fine. */
void kept_free(struct kept **k);

/* At the start only, for it blocks: read the file. Returns 0; -ENOENT: there is
 * none; or why it cannot be read, which is logged. */
WEIR_MUST_CHECK int kept_load(struct kept *k);

/* What is kept is another one now. NULL is fine. */
void kept_changed(struct kept *k);

#endif
