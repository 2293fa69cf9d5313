/* common/io/handover_fuzz.c - what another process may send with an offer. */
#include "common/io/handover_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct span in = span_of(data, len);
	struct handover_offer offer;
	struct handover_goods goods;
	char detail[HANDOVER_DETAIL_SIZE];
	enum reason why;

	(void)!handover_offer_read(&offer, in);
	(void)!handover_no_read(&why, detail, in);
	(void)!handover_goods_read(&goods, in);
	return 0;
}
