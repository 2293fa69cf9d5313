/* common/media/sei.h - the messages inside an SEI NAL unit.
 *
 * Spec: ITU-T H.264 and H.265 section 7.3.2.3/7.3.2.4: both have one grammar.
 */
#ifndef WEIR_MEDIA_SEI_H
#define WEIR_MEDIA_SEI_H

#include "common/base/bits.h"

enum sei_type {
	SEI_RECOVERY_POINT = 6,
};

struct sei_iter {
	struct bits bits;
};

struct sei {
	uint32_t type; /* enum sei_type, and many more */
	uint32_t size_bytes;
	struct bits body; /* stands at its first bit; may run past its end */
};

/* Walk over the messages; `rbsp` is the NAL unit without its header. A message
 * that is cut short ends the walk. */
struct sei_iter sei_iter_of(struct span rbsp);
bool sei_next(struct sei_iter *it, struct sei *out);

#endif
