/* common/media/unit_text_test.h - unit facts as the vectors write them. */
#ifndef WEIR_MEDIA_UNIT_TEXT_TEST_H
#define WEIR_MEDIA_UNIT_TEXT_TEST_H

#include "common/base/buf.h"
#include "common/media/unit.h"

/* Append " join idr …" for what is set. */
static inline void unit_text(struct buf *out, const struct unit_facts *f)
{
	if (f->is_join)
		buf_printf(out, " join");
	if (f->is_idr)
		buf_printf(out, " idr");
	if (f->is_recovery_point)
		buf_printf(out, " recovery=%d", (int)f->recovery_count);
	if (f->is_disposable)
		buf_printf(out, " disposable");
	if (f->is_leading)
		buf_printf(out, " leading");
	if (f->has_parameter_sets)
		buf_printf(out, " sets");
	if (f->slices)
		buf_printf(out, " slices=%s%s%s",
			   f->slices & UNIT_HAS_I ? "I" : "",
			   f->slices & UNIT_HAS_P ? "P" : "",
			   f->slices & UNIT_HAS_B ? "B" : "");
}

#endif
