/* services/cli/table.h - columns for people. Pure. */
#ifndef WEIR_CLI_TABLE_H
#define WEIR_CLI_TABLE_H

#include "common/base/buf.h"

#define TABLE_COLUMNS_MAX 12

/* All zero is an empty table of no columns. */
struct table {
	struct buf text; /* all cells, each with its NUL */
	size_t columns;
	size_t cells;
};

/* The heads: "NODE", "ROLE", …; ends with NULL. */
void table_begin(struct table *t, const char *const *heads);

/* The next cell, from left to right, row by row. */
void table_cell(struct table *t, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* Append the whole, each column as wide as its widest cell. Bytes that could
 * steer a terminal are shown as '?'. Frees the table's memory. Errors are
 * `out`'s. */
void table_end(struct table *t, struct buf *out);

/* "12.3 Mb/s" */
char *table_bps(char out[24], double bps);

/* "3 h 20 min", "42 s" */
char *table_age(char out[24], double seconds);

#endif
