/* common/base/blob.h - bytes that are shared by reference and never change.
 *
 * For what is sent to many from where it lies: segments, playlists. The count
 * is not atomic: one loop.
 */
#ifndef WEIR_BASE_BLOB_H
#define WEIR_BASE_BLOB_H

#include "common/base/buf.h"

struct blob {
	uint32_t refs; /* blob_ref and blob_unref only */
	struct span bytes;
};

/* Make a blob with one reference out of what `b` holds; its memory is taken,
 * without what is spare, and `b` is empty then (its limit stays). Returns 0;
 * the buffer's error or WEIR_ENOMEM, and then `b` is as it was. */
WEIR_MUST_CHECK int blob_take_buf(struct blob **out, struct buf *b);

/* The same with a copy of `bytes`. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int blob_new(struct blob **out, struct span bytes);

/* One more reference; NULL is fine. */
struct blob *blob_ref(struct blob *b);

/* Give up a reference and set *b to NULL; NULL is fine. */
void blob_unref(struct blob **b);

#endif
