/* services/ingest/pull_meta.h - the clusters that a pulled stream has come
 * through stand in its metadata, as weirVia (common/media/via.h).
 *
 * Pure. So they are in the log with the stream, and whoever pulls it from here
 * hears of them before the first picture.
 */
#ifndef WEIR_INGEST_PULL_META_H
#define WEIR_INGEST_PULL_META_H

#include "common/base/buf.h"
#include "common/media/via.h"

/* A script tag's body that came from the cluster `from` ("": it did not say) to
 * the cluster `self`. If it is metadata, the same with weirVia is appended to
 * `out`; else nothing is. Returns 0; WEIR_EPROTO: it has been here before;
 * WEIR_ELIMIT: through too many clusters; or the buffer's error. */
WEIR_MUST_CHECK int pull_meta_mark(struct buf *out, struct span body,
				   struct span from, const char *self);

#endif
