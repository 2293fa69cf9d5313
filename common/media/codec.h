/* common/media/codec.h - one door to all codecs' headers.
 *
 * `codec` is enum codec; `config` is the payload of a CONFIG frame: avcC, hvcC
 * or ASC, empty where the codec has none; `payload` is that of a VIDEO or AUDIO
 * frame (H.26x: plain, see nal.h). A codec that is only carried (AV1 so far)
 * gives WEIR_EUNSUPPORTED. Names and codec_has_config() are in track.h.
 */
#ifndef WEIR_MEDIA_CODEC_H
#define WEIR_MEDIA_CODEC_H

#include "common/base/buf.h"
#include "common/media/track.h"
#include "common/media/unit.h"

/* What a frame is. `config` is the one in force (H.265 needs it to tell what is
 * disposable; may be empty). Audio is always is_join: whoever makes frames sets
 * FRAME_JOIN on audio only where there is no video. Returns 0; WEIR_EPROTO for
 * a broken payload; WEIR_EUNSUPPORTED. */
WEIR_MUST_CHECK int codec_unit_classify(struct unit_facts *out, uint8_t codec,
					struct span config,
					struct span payload);

/* Fill in what `config` tells: width, height, fps_x100, or rate and channels.
 * What it does not tell becomes 0 (a broken SPS: dimensions unknown); other
 * fields of *out stay. Returns 0; WEIR_EPROTO or WEIR_ELIMIT for a config that
 * cannot be used at all (*out untouched); WEIR_EUNSUPPORTED. */
WEIR_MUST_CHECK int codec_config_facts(struct track *out, uint8_t codec,
				       struct span config);

/* The same from the first frame of a codec without config: MP3, Opus, G.711. */
WEIR_MUST_CHECK int codec_frame_facts(struct track *out, uint8_t codec,
				      struct span payload);

/* Append `config`, as a publisher sent it, in weir's form: the same bytes, but
 * length size 4. Parameter sets in Annex B, as some send them, become an avcC
 * or hvcC. *length_size is what the publisher's units have (NAL_ANNEXB in that
 * case; 0 also for audio). Returns 0; WEIR_EPROTO, WEIR_ELIMIT; WEIR_EINVAL
 * (Annex B without a usable SPS); or the buffer's error. */
WEIR_MUST_CHECK int codec_config_normalise(struct buf *out,
					   uint8_t *length_size, uint8_t codec,
					   struct span config);

/* The config that is in force from `payload` on: in-band parameter sets take
 * the place of those of the same kind and id in `config` (may be empty: then
 * all must be in-band), the others stay. *is_changed tells whether it differs;
 * only then something is appended. Returns 0; WEIR_EPROTO or WEIR_ELIMIT when
 * payload or config is broken; WEIR_EINVAL when no config can be made; or the
 * buffer's error. Codecs without parameter sets never change. */
WEIR_MUST_CHECK int codec_config_update(struct buf *out, bool *is_changed,
					uint8_t codec, struct span config,
					struct span payload);

/* Do two configs make the same decoder? */
bool codec_config_eq(uint8_t codec, struct span a, struct span b);

/* How long an audio frame lasts; 0: not known (and for video). */
int64_t codec_frame_duration_ns(uint8_t codec, struct span config,
				struct span payload);

#endif
