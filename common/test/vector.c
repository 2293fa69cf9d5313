/* common/test/vector.c - golden vectors: bytes from files. */
#include "common/test/vector.h"

#include <stdio.h>

#include "common/test/check.h"

void vector_load(struct buf *out, const char *path)
{
	uint8_t part[4096];
	FILE *f = fopen(path, "rb");
	size_t len;

	if (!f) {
		perror(path);
		CHECK(!"the vector can be read");
		return;
	}
	while ((len = fread(part, 1, sizeof(part), f)))
		buf_put(out, span_of(part, len));
	fclose(f);
	CHECK_EQ(buf_error(out), 0);
}

/* Append `text` without its lines that begin with '#'. */
static void put_facts(struct buf *out, struct span text)
{
	while (text.len) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) + 1 : text.len;

		if (text.data[0] != '#')
			buf_put(out, span_first(text, len));
		text = span_from(text, len);
	}
}

void vector_check(const char *path, struct span text)
{
	struct buf file = {0};
	struct buf facts = {0};

	vector_load(&file, path);
	put_facts(&facts, buf_span(&file));
	CHECK_EQ(buf_error(&facts), 0);
	if (!span_eq(text, buf_span(&facts)))
		fprintf(stderr, "%s has\n%.*sbut here is\n%.*s", path,
			(int)facts.len, (const char *)facts.data, (int)text.len,
			(const char *)text.data);
	CHECK(span_eq(text, buf_span(&facts)));
	buf_fini(&file);
	buf_fini(&facts);
}
