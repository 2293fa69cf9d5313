/* services/packager/segment.c - one segment of a stream. */
#include "services/packager/segment.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "services/packager/cutting.h"

/* Whatever changes the bytes of a segment must change this text. */
#define FORM "ts 2 " SEGMENT_GATHER_TEXT

uint32_t segment_form(void)
{
	return (uint32_t)hash_bytes(0, SPAN_LIT(FORM));
}

struct segment *segment_new(void)
{
	struct segment *s = calloc(1, sizeof(*s));

	if (s)
		list_init(&s->link);
	return s;
}

void segment_free(struct segment **ps)
{
	struct segment *s = *ps;

	*ps = NULL;
	if (!s)
		return;
	BUG_ON(!list_is_empty(&s->link));
	blob_unref(&s->body);
	free(s);
}

size_t segment_bytes(const struct segment *s)
{
	return s->body ? s->body->bytes.len : 0;
}

struct hls_name segment_name(const struct segment *s)
{
	return (struct hls_name){s->incarnation, segment_form(), s->number};
}
