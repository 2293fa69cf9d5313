/* tests/bench/clip.c - an FLV clip in memory, and the stamps in its pictures. */
#include "tests/bench/clip.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/flv/flv.h"

#define STAMP_BYTES 24 /* hexadecimal: 16 of the time, 8 of the number */

static const uint8_t mark[16] = "weir-bench-stamp";

int64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void give_up(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(2);
}

static void read_file(struct clip *c, const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f || fseek(f, 0, SEEK_END))
		give_up("the clip cannot be read");
	c->len = (size_t)ftell(f);
	rewind(f);
	c->bytes = malloc(c->len + 1);
	if (!c->bytes || fread(c->bytes, 1, c->len, f) != c->len)
		give_up("the clip cannot be read");
	fclose(f);
}

static uint32_t u24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static bool is_header(const struct clip_tag *t)
{
	return t->type == FLV_SCRIPT ||
	       (t->body.len > 1 && t->body.data[1] == 0);
}

static bool is_key(const struct clip_tag *t)
{
	return t->type == FLV_VIDEO && t->body.len && t->body.data[0] >> 4 == 1;
}

void clip_load(struct clip *c, const char *path)
{
	size_t at = FLV_HEADER_BYTES;
	size_t room;

	*c = (struct clip){0};
	read_file(c, path);
	room = c->len / 16 + 1;
	c->tag = calloc(room, sizeof(*c->tag));
	if (!c->tag)
		give_up("no memory for the clip");
	while (at + FLV_TAG_HEAD_BYTES < c->len && c->count < room) {
		const uint8_t *p = c->bytes + at;
		struct clip_tag *t = &c->tag[c->count++];

		t->type = p[0];
		t->ms = u24(p + 4) | (uint32_t)p[7] << 24;
		t->body = span_of(p + FLV_TAG_HEAD_BYTES, u24(p + 1));
		at += FLV_TAG_HEAD_BYTES + t->body.len + FLV_TAG_TAIL_BYTES;
		if (at > c->len) {
			c->count--;
			break;
		}
		/* The video's end and what belongs to no frame. */
		if (t->type == FLV_VIDEO && t->body.len > 1 &&
		    t->body.data[1] == 2)
			c->count--;
	}
	while (c->first_media < c->count && is_header(&c->tag[c->first_media]))
		c->first_media++;
	if (c->first_media == c->count)
		give_up("there is nothing in the clip");
	c->loop_ms = c->tag[c->count - 1].ms + 33;
}

size_t clip_gop(const struct clip *c, unsigned number)
{
	unsigned gops = 0;

	for (size_t i = c->first_media; i < c->count; i++)
		gops += is_key(&c->tag[i]);
	if (!gops)
		return c->first_media;
	number %= gops;
	for (size_t i = c->first_media;; i++)
		if (is_key(&c->tag[i]) && !number--)
			return i;
}

static bool is_picture(const struct clip_tag *t)
{
	return t->type == FLV_VIDEO && t->body.len > 5 && t->body.data[1] == 1;
}

void clip_stamp(struct buf *out, const struct clip_tag *tag, uint32_t number)
{
	const uint8_t head[] = {0x06, 0x05, sizeof(mark) + STAMP_BYTES};

	if (!is_picture(tag)) {
		buf_put(out, tag->body);
		return;
	}
	buf_put(out, span_first(tag->body, 5));
	buf_put_u32(out, sizeof(head) + sizeof(mark) + STAMP_BYTES + 1);
	buf_put(out, span_of(head, sizeof(head)));
	buf_put(out, span_of(mark, sizeof(mark)));
	buf_printf(out, "%016llx%08x", (unsigned long long)clock_ns(), number);
	buf_put_u8(out, 0x80);
	buf_put(out, span_from(tag->body, 5));
}

static bool read_hex(uint64_t *out, const uint8_t *p, size_t len)
{
	*out = 0;
	for (size_t i = 0; i < len; i++) {
		int digit = p[i] >= '0' && p[i] <= '9'   ? p[i] - '0'
			    : p[i] >= 'a' && p[i] <= 'f' ? p[i] - 'a' + 10
							 : -1;

		if (digit < 0)
			return false;
		*out = *out << 4 | (unsigned)digit;
	}
	return true;
}

bool stamp_find(struct stamp *out, struct span s)
{
	const uint8_t *p = memmem(s.data, s.len, mark, sizeof(mark));
	uint64_t ns, number;

	if (!p || p + sizeof(mark) + STAMP_BYTES > s.data + s.len)
		return false;
	p += sizeof(mark);
	if (!read_hex(&ns, p, 16) || !read_hex(&number, p + 16, 8))
		return false;
	*out = (struct stamp){(int64_t)ns, (uint32_t)number};
	return true;
}
