/* common/io/handover_wire.h - the packets of a hand-over, for this room only.
 *
 * Pure. One packet is one datagram; numbers are big-endian:
 *
 *	OFFER  1, version u8, fields     READY  2
 *	NO     3, fields                 PART   4, bytes of the goods
 *	GIVE   5, length of the goods u32; one descriptor travels with it
 *
 *	field of OFFER and NO   tag u8, length u16, bytes
 *	field of the goods      tag u8, length u32, bytes
 */
#ifndef WEIR_IO_HANDOVER_WIRE_H
#define WEIR_IO_HANDOVER_WIRE_H

#include "common/io/handover.h"

#define HANDOVER_VERSION    1
#define HANDOVER_PART_BYTES 32768
#define HANDOVER_GIVE_BYTES 5

enum handover_type {
	HANDOVER_OFFER = 1,
	HANDOVER_READY,
	HANDOVER_NO,
	HANDOVER_PART,
	HANDOVER_GIVE,
};

/* Append a whole packet. Errors are the buffer's. */
void handover_offer_write(struct buf *out, const struct handover_offer *o);
void handover_no_write(struct buf *out, enum reason why, const char *detail);

/* The inverse, of what is behind the type. Return 0; WEIR_EPROTO;
 * WEIR_EUNSUPPORTED: another version. A reason that is not known here is
 * REASON_internal. */
WEIR_MUST_CHECK int handover_offer_read(struct handover_offer *out,
					struct span in);
WEIR_MUST_CHECK int handover_no_read(enum reason *why,
				     char detail[HANDOVER_DETAIL_SIZE],
				     struct span in);

/* The goods as one run of bytes. */
void handover_goods_write(struct buf *out, const struct handover_goods *g);
/* Borrowed from `in`. Returns 0 or WEIR_EPROTO. */
WEIR_MUST_CHECK int handover_goods_read(struct handover_goods *out,
					struct span in);

#endif
