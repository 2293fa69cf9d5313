/* common/media/aac.h - AAC headers: AudioSpecificConfig and ADTS.
 *
 * Spec: ISO/IEC 14496-3 sections 1.6 (AudioSpecificConfig, "ASC") and 1.A.2
 * (ADTS). Pure code; nothing is allocated but by struct buf.
 */
#ifndef WEIR_MEDIA_AAC_H
#define WEIR_MEDIA_AAC_H

#include "common/base/buf.h"

enum aac_object {
	AAC_MAIN = 1,
	AAC_LC = 2,
	AAC_SSR = 3,
	AAC_LTP = 4,
	AAC_SBR = 5, /* HE-AAC */
	AAC_PS = 29, /* HE-AAC v2 */
};

struct aac_config {
	uint8_t object_type; /* of the core: 2 for LC, also under SBR */
	bool has_sbr;        /* told explicitly */
	bool has_ps;
	uint8_t channel_config; /* 0: told in a program config element */
	uint8_t channels;       /* that come out of the decoder; 0: not known */
	uint16_t frame_samples; /* per AU at core_rate: 1024 or 960 (LD: 512 or
				 * 480) */
	uint32_t core_rate;     /* samples per second of the core */
	uint32_t rate;          /* that come out: twice core_rate under SBR */
};

/* Parse an ASC; what follows the part that is understood is passed over.
 * Returns 0, or WEIR_EPROTO (too short, rate 0 or reserved). */
WEIR_MUST_CHECK int aac_config_parse(struct aac_config *out, struct span asc);

/* Append an ASC: SBR and PS are signalled explicitly, backward compatible (the
 * form that old decoders ignore). Returns 0; WEIR_EINVAL for an object type,
 * channel_config or frame length that it cannot say; or the buffer's error. */
WEIR_MUST_CHECK int aac_config_build(struct buf *out,
				     const struct aac_config *c);

/* Do two ASCs make the same decoder? Unparsable ones are equal only byte for
 * byte. */
bool aac_config_eq(struct span a, struct span b);

struct aac_adts {
	uint8_t head_bytes;   /* 7, or 9 with a checksum */
	uint16_t frame_bytes; /* header and payload */
	uint8_t block_count;  /* raw data blocks: 1-4; weir carries only 1 */
	struct aac_config config;
};

/* Parse the header at the start of `in`. Returns 0; WEIR_ESHORT when `in` ends
 * within the header; WEIR_EPROTO. The payload may end beyond `in`. */
WEIR_MUST_CHECK int aac_adts_parse(struct aac_adts *out, struct span in);

/* Append a 7-byte header for a payload of `payload_bytes`. Returns 0;
 * WEIR_EINVAL for what ADTS cannot say (object type above 4, a rate that has no
 * index, channel_config above 7, more than 8184 bytes), or the buffer's
 * error. */
WEIR_MUST_CHECK int aac_adts_write(struct buf *out, const struct aac_config *c,
				   size_t payload_bytes);

/* An AU of silence for this decoder (ISO/IEC 14496-3 section 4.4.2.1: one
 * element without any band, and ID_END), of AAC LC with one or two channels;
 * empty: there is none for it here. Static bytes. */
struct span aac_silence(const struct aac_config *c);

#endif
