/* common/media/key.c - one key for a stream, however its address is written. */
#include "common/media/key.h"

#include <stdio.h>

#include "common/base/utf8.h"

#define DEFAULT_APP "live"

/* A path on its way to a key: decoded, '/' folded, none at either end. */
struct draft {
	char text[STREAM_KEY_MAX];
	size_t len;
	bool is_slash_due; /* a '/' was met; written before the next byte */
};

static enum key_fault draft_put(struct draft *d, char c)
{
	if (c == '/') {
		d->is_slash_due = d->len > 0;
		return KEY_OK;
	}
	if (d->len + d->is_slash_due >= sizeof(d->text))
		return KEY_TOO_LONG;
	if (d->is_slash_due)
		d->text[d->len++] = '/';
	d->is_slash_due = false;
	d->text[d->len++] = c;
	return KEY_OK;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte of *in, percent-decoded, is cut off; -1: a broken escape. */
static int next_byte(struct span *in)
{
	struct span s = *in;
	int hi, lo;

	if (s.data[0] != '%') {
		*in = span_from(s, 1);
		return s.data[0];
	}
	if (s.len < 3)
		return -1;
	hi = hex(s.data[1]);
	lo = hex(s.data[2]);
	if (hi < 0 || lo < 0)
		return -1;
	*in = span_from(s, 3);
	return hi << 4 | lo;
}

/* Add a part of an address, up to its query. An escaped '/' is one like any
 * other: players and proxies escape it or not as they please. */
static enum key_fault draft_add(struct draft *d, struct span part)
{
	enum key_fault fault = KEY_OK;

	while (!fault && part.len && part.data[0] != '?') {
		int c = next_byte(&part);

		if (c < 0)
			return KEY_BAD_ESCAPE;
		fault = draft_put(d, (char)c);
	}
	return fault;
}

static struct span draft_span(const struct draft *d)
{
	return span_of(d->text, d->len);
}

static enum key_fault check_characters(struct span s)
{
	while (s.len) {
		uint32_t c = utf8_next(&s);

		if (c == UTF8_BAD)
			return KEY_BAD_UTF8;
		if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
			return KEY_CONTROL;
	}
	return KEY_OK;
}

/* Length of the first element of `s`. */
static size_t element_len(struct span s)
{
	const uint8_t *slash = s.len ? memchr(s.data, '/', s.len) : NULL;

	return slash ? (size_t)(slash - s.data) : s.len;
}

static bool has_dots(struct span s)
{
	while (s.len) {
		struct span e = span_first(s, element_len(s));

		if (span_eq_str(e, ".") || span_eq_str(e, ".."))
			return true;
		s = span_from(s, e.len + 1);
	}
	return false;
}

/* What is left of the path where only the name counts: its last element. */
static struct span last_element(struct span s)
{
	while (element_len(s) < s.len)
		s = span_from(s, element_len(s) + 1);
	return s;
}

static bool is_reserved_app(struct span s)
{
	struct span app = span_first(s, element_len(s));

	return span_eq_str(app, "hls") || span_eq_str(app, "api") ||
	       span_eq_str(app, "-");
}

static enum key_fault finish(struct stream_key *out, const struct draft *d,
			     enum stream_identity identity)
{
	struct span path = draft_span(d);
	bool is_single;
	enum key_fault fault;

	if (!path.len)
		return KEY_EMPTY;
	fault = check_characters(path);
	if (fault)
		return fault;
	if (has_dots(path))
		return KEY_DOTS;
	if (identity == IDENTITY_NAME)
		path = last_element(path);
	is_single = element_len(path) == path.len;
	if (!is_single && is_reserved_app(path))
		return KEY_RESERVED_APP;
	if (is_single && path.len + strlen(DEFAULT_APP "/") > STREAM_KEY_MAX)
		return KEY_TOO_LONG;
	memset(out, 0, sizeof(*out));
	snprintf(out->text, sizeof(out->text), "%s%.*s",
		 is_single ? DEFAULT_APP "/" : "", (int)path.len,
		 (const char *)path.data);
	return KEY_OK;
}

enum key_fault stream_key_from_path(struct stream_key *out, struct span path,
				    enum stream_identity identity)
{
	struct draft d = {.len = 0};
	enum key_fault fault = draft_add(&d, path);

	return fault ? fault : finish(out, &d, identity);
}

enum key_fault stream_key_from_text(struct stream_key *out, struct span text)
{
	struct draft d = {.len = 0};
	enum key_fault fault = KEY_OK;

	for (size_t i = 0; !fault && i < text.len; i++)
		fault = draft_put(&d, (char)text.data[i]);
	return fault ? fault : finish(out, &d, IDENTITY_PATH);
}

enum key_fault stream_key_from_rtmp(struct stream_key *out, struct span app,
				    struct span name,
				    enum stream_identity identity)
{
	struct draft d = {.len = 0};
	enum key_fault fault = draft_add(&d, app);
	size_t app_len = d.len;

	if (!fault)
		fault = draft_put(&d, '/');
	if (!fault)
		fault = draft_add(&d, name);
	if (!fault && d.len == app_len)
		fault = KEY_EMPTY;
	return fault ? fault : finish(out, &d, identity);
}

const char *stream_key_why(enum key_fault fault)
{
	switch (fault) {
	case KEY_OK:
		return "fine";
	case KEY_EMPTY:
		return "the stream has no name";
	case KEY_TOO_LONG:
		return "longer than 512 bytes";
	case KEY_BAD_ESCAPE:
		return "a broken percent escape";
	case KEY_BAD_UTF8:
		return "not UTF-8";
	case KEY_CONTROL:
		return "a control character";
	case KEY_DOTS:
		return "an element is . or ..";
	case KEY_RESERVED_APP:
		return "hls, api and - cannot be apps";
	}
	return "unknown";
}

size_t stream_key_app_len(const struct stream_key *key)
{
	return element_len(span_str(key->text));
}
