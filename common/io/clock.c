/* common/io/clock.c - wall clock and randomness from the system. */
#include "common/io/clock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static uint64_t clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

int64_t io_utc_us(void)
{
	return (int64_t)clock_us(CLOCK_REALTIME);
}

uint64_t io_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t io_mono_ms(void)
{
	return io_mono_us() / 1000;
}

void io_random(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		BUG_ON(n < 0 && errno != EINTR);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
}

struct uuid io_uuid(void)
{
	struct uuid u;

	io_random(u.byte, sizeof(u.byte));
	u.byte[6] = (uint8_t)((u.byte[6] & 0x0f) | 0x40);
	u.byte[8] = (uint8_t)((u.byte[8] & 0x3f) | 0x80);
	return u;
}

char *io_utc_text(char out[IO_UTC_TEXT_SIZE], int64_t utc_us)
{
	/* 9999-12-31T23:59:59.999Z */
	const int64_t last_us = 253402300799999999;
	char text[64];
	struct tm tm;
	time_t s;

	utc_us = WEIR_MAX(utc_us, 0);
	utc_us = WEIR_MIN(utc_us, last_us);
	s = (time_t)(utc_us / 1000000);
	gmtime_r(&s, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		 tm.tm_min, tm.tm_sec, (int)(utc_us / 1000 % 1000));
	memcpy(out, text, IO_UTC_TEXT_SIZE - 1);
	out[IO_UTC_TEXT_SIZE - 1] = '\0';
	return out;
}
