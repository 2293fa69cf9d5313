/* proto/hls/path.c - the addresses of HLS. */
#include "proto/hls/path.h"

#include <inttypes.h>
#include <stdio.h>

static const char digits[] = "0123456789abcdef";

/* ---- names of segments ---- */

void hls_name_write(char out[HLS_NAME_SIZE], const struct hls_name *n)
{
	snprintf(out, HLS_NAME_SIZE, "%" PRIu64 "-%08" PRIx32 "-%" PRIu64 ".ts",
		 n->incarnation, n->form, n->number);
}

/* A number in front, at most 20 digits; what is too large becomes wrong, and is
 * found out by writing it again. */
static uint64_t take_number(struct span *in, unsigned base)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 20 && in->len; i++) {
		uint8_t c = in->data[0];
		const char *digit = c ? strchr(digits, c) : NULL;

		if (!digit || (unsigned)(digit - digits) >= base)
			break;
		value = value * base + (uint64_t)(digit - digits);
		*in = span_from(*in, 1);
	}
	return value;
}

bool hls_name_read(struct hls_name *out, struct span text)
{
	struct hls_name n;
	struct span in = text;
	char again[HLS_NAME_SIZE];

	n.incarnation = take_number(&in, 10);
	in = span_from(in, 1);
	n.form = (uint32_t)take_number(&in, 16);
	in = span_from(in, 1);
	n.number = take_number(&in, 10);
	hls_name_write(again, &n);
	if (!span_eq_str(text, again))
		return false;
	*out = n;
	return true;
}

/* ---- paths ---- */

static bool take_front(struct span *s, const char *front)
{
	size_t len = strlen(front);

	if (!span_eq_str(span_first(*s, len), front))
		return false;
	*s = span_from(*s, len);
	return true;
}

static bool take_end(struct span *s, const char *end)
{
	size_t len = strlen(end);

	if (s->len < len || !span_eq_str(span_from(*s, s->len - len), end))
		return false;
	s->len -= len;
	return true;
}

/* The last element, without its slash, is cut off. */
static struct span take_last(struct span *s)
{
	size_t at = s->len;
	struct span last;

	while (at && s->data[at - 1] != '/')
		at--;
	last = span_from(*s, at);
	s->len = at ? at - 1 : 0;
	return last;
}

static void read_segment(struct hls_path *out, struct span *path)
{
	struct span file = take_last(path);

	out->kind = HLS_PATH_SEGMENT;
	out->has_name = hls_name_read(&out->name, file);
}

/* No app is named "-", so that nothing else can begin like this. */
static void read_session(struct hls_path *out, struct span *path)
{
	struct span rest = *path;

	while (rest.len && rest.data[0] != '/')
		rest = span_from(rest, 1);
	out->session = span_first(*path, path->len - rest.len);
	*path = rest;
	if (!out->session.len)
		return;
	if (take_end(path, "/playlist.m3u8"))
		out->kind = HLS_PATH_PLAYLIST;
	else
		read_segment(out, path);
}

static void read_playlist(struct hls_path *out, struct span *path)
{
	bool is_lal = take_front(path, "/hls/");

	out->kind = HLS_PATH_PLAYLIST;
	if (is_lal && take_end(path, "/record"))
		out->kind = HLS_PATH_RECORD;
	else if (is_lal)
		(void)take_end(path, "/playlist");
}

void hls_path_read(struct hls_path *out, struct span path,
		   enum stream_identity identity)
{
	*out = (struct hls_path){.kind = HLS_PATH_OTHER};
	if (take_front(&path, "/-/-/"))
		read_session(out, &path);
	else if (take_front(&path, "/-/"))
		read_segment(out, &path);
	else if (take_end(&path, ".m3u8"))
		read_playlist(out, &path);
	else
		return;
	out->fault = stream_key_from_path(&out->key, path, identity);
}

/* All but what never means anything else in a path (RFC 3986, 2.3). */
static void put_escaped(struct buf *out, const char *text)
{
	for (; *text; text++) {
		uint8_t c = (uint8_t)*text;

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z') || strchr("-._~/", c))
			buf_put_u8(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

void hls_put_folder(struct buf *out, const struct stream_key *key)
{
	buf_put(out, SPAN_LIT("/-/"));
	put_escaped(out, key->text);
	buf_put_u8(out, '/');
}

void hls_put_playlist(struct buf *out, const struct stream_key *key)
{
	buf_put_u8(out, '/');
	put_escaped(out, key->text);
	buf_put(out, SPAN_LIT(".m3u8"));
}

void hls_put_session(struct buf *out, struct span session,
		     const struct stream_key *key)
{
	buf_put(out, SPAN_LIT("/-/-/"));
	buf_put(out, session);
	buf_put_u8(out, '/');
	put_escaped(out, key->text);
	buf_put(out, SPAN_LIT("/playlist.m3u8"));
}

/* With its end; the last one may have none. */
static struct span take_line(struct span *in)
{
	const uint8_t *end = in->len ? memchr(in->data, '\n', in->len) : NULL;
	size_t len = end ? (size_t)(end - in->data) + 1 : in->len;
	struct span line = span_first(*in, len);

	*in = span_from(*in, len);
	return line;
}

int hls_put_relative(struct buf *out, struct span playlist,
		     const struct stream_key *key)
{
	struct buf folder = {0};
	const char *front;
	int err;

	hls_put_folder(&folder, key);
	front = buf_text(&folder);
	err = buf_error(&folder);
	while (!err && playlist.len) {
		struct span line = take_line(&playlist);

		(void)take_front(&line, front);
		buf_put(out, line);
	}
	buf_fini(&folder);
	return err ? err : buf_error(out);
}
