/* services/cli/table.c - columns for people. */
#include "services/cli/table.h"

#include <stdarg.h>
#include <stdio.h>

#define CELL_SIZE 512
#define GAP       2

static void put_cell(struct table *t, const char *text)
{
	for (; *text; text++) {
		uint8_t c = (uint8_t)*text;

		buf_put_u8(&t->text, c < 0x20 || c == 0x7f ? '?' : c);
	}
	buf_put_u8(&t->text, 0);
	t->cells++;
}

void table_begin(struct table *t, const char *const *heads)
{
	*t = (struct table){0};
	for (; heads[t->columns]; t->columns++)
		put_cell(t, heads[t->columns]);
	BUG_ON(!t->columns || t->columns > TABLE_COLUMNS_MAX);
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char text[CELL_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_cell(t, text);
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((uint8_t)*text & 0xc0) != 0x80;
	return width;
}

static void measure(const struct table *t, size_t width[TABLE_COLUMNS_MAX])
{
	const char *cell = (const char *)t->text.data;

	for (size_t i = 0; i < t->cells; i++) {
		size_t w = width_of(cell);

		if (w > width[i % t->columns])
			width[i % t->columns] = w;
		cell += strlen(cell) + 1;
	}
}

static void put_row(const struct table *t, const char **cell,
		    const size_t *width, struct buf *out)
{
	for (size_t c = 0; c < t->columns; c++) {
		size_t pad = width[c] + GAP - width_of(*cell);

		buf_put(out, span_str(*cell));
		if (c + 1 < t->columns)
			buf_printf(out, "%*s", (int)pad, "");
		*cell += strlen(*cell) + 1;
	}
	buf_put_u8(out, '\n');
}

void table_end(struct table *t, struct buf *out)
{
	const char *cell = (const char *)t->text.data;
	size_t width[TABLE_COLUMNS_MAX] = {0};

	if (!buf_error(&t->text)) {
		measure(t, width);
		for (size_t i = 0; i + t->columns <= t->cells; i += t->columns)
			put_row(t, &cell, width, out);
	} else {
		out->err = buf_error(&t->text);
	}
	buf_fini(&t->text);
	t->cells = 0;
}

char *table_bps(char out[24], double bps)
{
	if (bps >= 1e9)
		snprintf(out, 24, "%.1f Gb/s", bps / 1e9);
	else if (bps >= 1e6)
		snprintf(out, 24, "%.1f Mb/s", bps / 1e6);
	else
		snprintf(out, 24, "%.0f kb/s", bps / 1e3);
	return out;
}

char *table_age(char out[24], double seconds)
{
	unsigned long s = seconds > 0 ? (unsigned long)seconds : 0;

	if (s >= 86400)
		snprintf(out, 24, "%lu d %lu h", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		snprintf(out, 24, "%lu h %lu min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(out, 24, "%lu min %lu s", s / 60, s % 60);
	else
		snprintf(out, 24, "%lu s", s);
	return out;
}
