/* proto/hls/date.h - dates as EXT-X-PROGRAM-DATE-TIME has them.
 *
 * Spec: RFC 8216, section 4.3.2.6: ISO 8601, with a time zone. Pure code.
 */
#ifndef WEIR_HLS_DATE_H
#define WEIR_HLS_DATE_H

#include "common/base/buf.h"

#define HLS_DATE_MAX_MS INT64_C(253402300799999) /* the end of year 9999 */

/* Append "2026-11-22T21:16:29.123Z". 0 <= utc_ms <= HLS_DATE_MAX_MS; errors are
 * the buffer's. */
void hls_date_put(struct buf *out, int64_t utc_ms);

/* Read a date: "Z", "+hh:mm", "+hhmm" or "+hh" (also with '-') must stand
 * there; a fraction of any length is rounded to milliseconds. Returns 0 or
 * WEIR_EPROTO. */
WEIR_MUST_CHECK int hls_date_read(int64_t *out_utc_ms, struct span text);

#endif
