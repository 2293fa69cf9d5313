/* common/media/via_meta.h - the clusters that a relayed stream has come through
 * stand in its metadata, as weirVia (common/media/via.h).
 *
 * Pure. So they are in the log with the stream, and whoever it is relayed to
 * hears of them before the first picture.
 */
#ifndef WEIR_MEDIA_VIA_META_H
#define WEIR_MEDIA_VIA_META_H

#include "common/base/buf.h"
#include "common/media/via.h"

/* A script tag's body that came from the cluster `from` ("": it did not say) to
 * the cluster `self`. If it is metadata, the same with weirVia is appended to
 * `out`; else nothing is. Returns 0; WEIR_EPROTO: it has been here before;
 * WEIR_ELIMIT: through too many clusters; or the buffer's error. */
WEIR_MUST_CHECK int via_mark_metadata(struct buf *out, struct span body,
				      struct span from, const char *self);

#endif
