/* common/media/unit.h - what the bitstream says about one frame's payload. */
#ifndef WEIR_MEDIA_UNIT_H
#define WEIR_MEDIA_UNIT_H

#include <stdbool.h>
#include <stdint.h>

enum unit_slices { /* slice types seen; a set of bits */
		   UNIT_HAS_I = 1 << 0,
		   UNIT_HAS_P = 1 << 1,
		   UNIT_HAS_B = 1 << 2,
};

struct unit_facts {
	/* A decoder can begin here: H.264 IDR or recovery point (open GOP,
	 * intra-refresh start); H.265 IRAP or recovery point; any audio. */
	bool is_join;
	bool is_idr;            /* and nothing after it refers to before it */
	bool is_recovery_point; /* has that SEI; the picture is whole after: */
	int32_t recovery_count; /* frames (H.264) or picture order (H.265) */
	bool is_disposable;     /* no other frame needs it */
	bool is_leading;        /* H.265 RASL: undecodable after a join at its
				 * CRA */
	bool has_picture;       /* at least one slice of a coded picture */
	bool has_parameter_sets;
	bool is_end;         /* end of sequence or of stream */
	uint8_t slices;      /* enum unit_slices; 0: not known */
	uint8_t temporal_id; /* H.265 */
};

#endif
