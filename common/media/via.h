/* common/media/via.h - the clusters that a stream, or a question for one, has come
 * through: "paris,lyon", nearest last.
 *
 * Carried by RTMP (weirVia in the connect object, its answer and the metadata)
 * and HTTP (X-Weir-Via). Who finds its own name there has been round in a circle.
 * Pure.
 */
#ifndef WEIR_MEDIA_VIA_H
#define WEIR_MEDIA_VIA_H

#include "common/base/err.h"
#include "common/base/span.h"

#define VIA_KEY    "weirVia"    /* in AMF0 objects */
#define VIA_HEADER "X-Weir-Via" /* in HTTP heads */

/* A text with its NUL. What would be longer has too many clusters in it. */
#define VIA_SIZE 512

/* Is `id` (cluster.id) one of them? Case matters; what cannot stand in a list
 * (all but letters, digits, '.', '_', '-') is '_' in it. */
bool via_has(struct span via, const char *id);

/* *out: `via` with `id` behind it, without what is no list of names in it. out
 * may be via's own memory. Returns 0 or WEIR_ELIMIT (out is untouched). */
WEIR_MUST_CHECK int via_add(char out[VIA_SIZE], struct span via,
			    const char *id);

/* *out: the names of `a` that `b` has too. Whoever asks for a stream, and by
 * whatever ways, these clusters need it. out may be a's own memory. */
void via_common(char out[VIA_SIZE], struct span a, struct span b);

#endif
