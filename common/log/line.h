/* common/log/line.h - one line of text in the making, for this room only.
 *
 * A part either fits as a whole or is left out, and the line says so at its
 * end. What peers wrote cannot leave its quotes.
 */
#ifndef WEIR_LOG_LINE_H
#define WEIR_LOG_LINE_H

#include "common/log/logger.h"

#define LINE_BYTES 4096 /* PIPE_BUF: a pipe takes such a line whole */

struct line {
	size_t len;
	bool is_cut;
	char text[LINE_BYTES];
};

void line_put(struct line *l, const char *text, size_t len);
void line_put_str(struct line *l, const char *text);

/* " name=value" */
void line_put_kv(struct line *l, const struct kv *kv);

/* The event's name and its facts. */
void line_put_event(struct line *l, const struct log_event *ev,
		    const struct kv *kv, size_t count);

/* " cut=true" if something was left out, then `last` (a newline or ""). */
void line_end(struct line *l, const char *last);

#endif
