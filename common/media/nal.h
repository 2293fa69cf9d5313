/* common/media/nal.h - runs of NAL units, as H.264 and H.265 share them.
 *
 * Spec: ISO/IEC 14496-15 section 5.3.3 (length-prefixed), ITU-T H.264 and H.265
 * annex B (start codes). Inside weir an access unit is NAL units with 4-byte
 * lengths, none of them empty: "plain". Pure code; spans borrow from the input.
 */
#ifndef WEIR_MEDIA_NAL_H
#define WEIR_MEDIA_NAL_H

#include "common/base/buf.h"
#include "common/base/reader.h"

#define NAL_ANNEXB 0 /* as a length size: start codes instead of lengths */

struct nal_iter {
	struct span rest;
	uint8_t length_size; /* bytes: 1-4, or NAL_ANNEXB */
	int err;             /* 0 or WEIR_EPROTO: why the walk ended */
};

/* Walk over the NAL units of `unit`. Empty ones, and zeros behind the last, are
 * passed over. nal_next returns false at the end; `it->err` is then WEIR_EPROTO
 * if a length went past the end of the unit. */
struct nal_iter nal_iter_of(struct span unit, uint8_t length_size);
bool nal_next(struct nal_iter *it, struct span *out);

/* Does it begin with 00 00 01 or 00 00 00 01? */
bool nal_has_start_code(struct span unit);

/* Is it plain already, so that it may be taken as it is? False for what is
 * empty or broken. */
bool nal_is_plain(struct span unit);

/* Append `unit` in plain form. A unit whose lengths are broken, but which
 * begins with a start code, is taken as Annex B (some publishers send that in
 * FLV). Up to 2.5 times as many bytes come out. Returns 0; WEIR_EPROTO for
 * broken lengths (out is as it was), or the buffer's error. */
WEIR_MUST_CHECK int nal_rewrite(struct buf *out, struct span unit,
				uint8_t length_size);

/* Append a plain `unit` with start codes (4 bytes each). Returns as above. */
WEIR_MUST_CHECK int nal_to_annexb(struct buf *out, struct span unit);

#define PARAM_VPS_MAX 16
#define PARAM_SPS_MAX 32
#define PARAM_PPS_MAX 64

enum param_kind { PARAM_VPS, PARAM_SPS, PARAM_PPS };

/* Parameter sets: whole NAL units, borrowed. H.264 has no VPS. */
struct param_sets {
	uint8_t vps_count;
	uint8_t sps_count;
	uint8_t pps_count;
	struct span vps[PARAM_VPS_MAX];
	struct span sps[PARAM_SPS_MAX];
	struct span pps[PARAM_PPS_MAX];
};

/* Add one; empty ones, and repetitions of the same bytes, are passed over.
 * Returns 0 or WEIR_ELIMIT. */
WEIR_MUST_CHECK int param_sets_add(struct param_sets *sets,
				   enum param_kind kind, struct span nal);

static inline bool param_sets_is_empty(const struct param_sets *sets)
{
	return !sets->vps_count && !sets->sps_count && !sets->pps_count;
}

/* The same sets in the same order? */
bool param_sets_eq(const struct param_sets *a, const struct param_sets *b);

#endif
