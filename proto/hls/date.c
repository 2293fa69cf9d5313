/* proto/hls/date.c - dates as EXT-X-PROGRAM-DATE-TIME has them. */
#include "proto/hls/date.h"

#include <inttypes.h>

#include "common/base/reader.h"

#define DAY_MS INT64_C(86400000)
/* Days from 0000-03-01 to 1970-01-01, and in four hundred years. */
#define DAYS_TO_1970 719468
#define DAYS_IN_400  146097

/* Years are counted from March here, so that a leap day ends one: then the
 * months before month m (March is 0) have (153 m + 2) / 5 days. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t m = month <= 2 ? month + 9 : month - 3;

	return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day -
	       1 - DAYS_TO_1970;
}

static void put_day(struct buf *out, int64_t days)
{
	int64_t n = days + DAYS_TO_1970;
	int64_t era = n / DAYS_IN_400;
	int64_t in_era = n % DAYS_IN_400;
	int64_t y = (in_era - in_era / 1460 + in_era / 36524 -
		     in_era / (DAYS_IN_400 - 1)) /
		    365;
	int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * in_year + 2) / 153;
	int64_t day = in_year - (153 * m + 2) / 5 + 1;
	int64_t month = m < 10 ? m + 3 : m - 9;
	int64_t year = era * 400 + y + (month <= 2);

	buf_printf(out, "%04" PRId64 "-%02" PRId64 "-%02" PRId64, year, month,
		   day);
}

void hls_date_put(struct buf *out, int64_t utc_ms)
{
	int64_t ms = utc_ms % DAY_MS;

	put_day(out, utc_ms / DAY_MS);
	buf_printf(out,
		   "T%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%03" PRId64 "Z",
		   ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
}

/* ---- Reading ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Exactly `count` digits. */
static unsigned digits(struct reader *r, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		uint8_t c = read_u8(r);

		if (!is_digit(c))
			r->is_failed = true;
		n = n * 10 + (unsigned)(c - '0');
	}
	return n;
}

static void expect(struct reader *r, const char *any_of)
{
	uint8_t c = read_u8(r);

	if (!c || !strchr(any_of, c))
		r->is_failed = true;
}

static bool next_is(const struct reader *r, const char *any_of)
{
	return reader_left(r) && *r->at && strchr(any_of, *r->at);
}

/* ".123456": rounded to milliseconds, which may be 1000. */
static int64_t fraction_ms(struct reader *r)
{
	int64_t micros = 0;
	int64_t unit = 100000;

	if (!next_is(r, ".,"))
		return 0;
	read_u8(r);
	if (!reader_left(r) || !is_digit(*r->at))
		r->is_failed = true;
	while (reader_left(r) && is_digit(*r->at)) {
		micros += (*r->at - '0') * unit;
		unit /= 10;
		read_u8(r);
	}
	return (micros + 500) / 1000;
}

/* How far the zone is ahead of UTC. */
static int64_t zone_ms(struct reader *r)
{
	uint8_t c = read_u8(r);
	int64_t minutes;

	if (c == 'Z' || c == 'z')
		return 0;
	if (c != '+' && c != '-')
		r->is_failed = true;
	minutes = digits(r, 2) * 60LL;
	if (next_is(r, ":"))
		read_u8(r);
	if (reader_left(r))
		minutes += digits(r, 2);
	return (c == '-' ? -minutes : minutes) * 60000;
}

/* "2026-11-22" */
static int64_t day_ms(struct reader *r)
{
	static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30,
					  31, 31, 30, 31, 30, 31};
	unsigned year = digits(r, 4);
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	unsigned month;
	unsigned day;

	expect(r, "-");
	month = digits(r, 2);
	expect(r, "-");
	day = digits(r, 2);
	if (reader_failed(r) || !month || month > 12 || !day ||
	    day > lengths[month - 1] + (month == 2 && is_leap ? 1u : 0u)) {
		r->is_failed = true;
		return 0;
	}
	return days_of(year, month, day) * DAY_MS;
}

/* "21:16:29.123"; second 60 is a leap second. */
static int64_t clock_ms(struct reader *r)
{
	unsigned hour = digits(r, 2);
	unsigned minute;
	unsigned second;

	expect(r, ":");
	minute = digits(r, 2);
	expect(r, ":");
	second = digits(r, 2);
	if (hour > 23 || minute > 59 || second > 60)
		r->is_failed = true;
	return hour * 3600000LL + minute * 60000LL + second * 1000LL +
	       fraction_ms(r);
}

int hls_date_read(int64_t *out, struct span text)
{
	struct reader r = reader_of(text);
	int64_t ms = day_ms(&r);

	expect(&r, "Tt ");
	ms += clock_ms(&r);
	ms -= zone_ms(&r);
	if (reader_failed(&r) || reader_left(&r) || ms < 0 ||
	    ms > HLS_DATE_MAX_MS)
		return WEIR_EPROTO;
	*out = ms;
	return 0;
}
