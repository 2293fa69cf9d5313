/* common/conf/json.c - escaping, and finding places in a JSON text. */
#include "common/conf/json.h"

#include <json-c/json.h>

#include "common/base/utf8.h"

static void put_char(struct buf *out, uint32_t code, struct span raw)
{
	if (code == UTF8_BAD)
		buf_put(out, SPAN_LIT("\xef\xbf\xbd"));
	else if (code == '"' || code == '\\')
		buf_printf(out, "\\%c", (char)code);
	else if (code < 0x20 || code == 0x7f)
		buf_printf(out, "\\u%04x", (unsigned)code);
	else
		buf_put(out, raw);
}

void json_put_string(struct buf *out, struct span text)
{
	buf_put_u8(out, '"');
	while (text.len > 0) {
		struct span rest = text;
		uint32_t code = utf8_next(&rest);
		size_t len = code == UTF8_BAD ? 1 : text.len - rest.len;

		put_char(out, code, span_first(text, len));
		text = span_from(text, len);
	}
	buf_put_u8(out, '"');
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool begins(struct span text, size_t at, const char *with)
{
	struct span rest = span_from(text, at);

	return span_eq_str(span_first(rest, strlen(with)), with);
}

/* Offset behind the first `what` at or after `at`, or the end. */
static size_t behind(struct span text, size_t at, const char *what)
{
	while (at < text.len && !begins(text, at, what))
		at++;
	return WEIR_MIN(at + strlen(what), text.len);
}

size_t json_skip_blank(struct span text, size_t at)
{
	for (;;) {
		if (at < text.len && is_blank(text.data[at]))
			at++;
		else if (begins(text, at, "//"))
			at = behind(text, at, "\n");
		else if (begins(text, at, "/*"))
			at = behind(text, at + 2, "*/");
		else
			return at;
	}
}

/* The string that begins with the quote at `at`; *at moves behind it. */
static struct span string_at(struct span text, size_t *at)
{
	uint8_t quote = text.data[*at];
	size_t begin = *at + 1;
	size_t end = begin;

	while (end < text.len && text.data[end] != quote)
		end += text.data[end] == '\\' ? 2 : 1;
	end = WEIR_MIN(end, text.len);
	*at = WEIR_MIN(end + 1, text.len);
	return span_first(span_from(text, begin), end - begin);
}

/* Does the path begin with the element `name`? Moves it behind if so. */
static bool take_element(const char **path, struct span name)
{
	size_t len = strcspn(*path, ".");

	/* A key may itself have a dot. */
	while ((*path)[len] && len < name.len)
		len += 1 + strcspn(*path + len + 1, ".");
	if (!span_eq(span_of(*path, len), name))
		return false;
	*path += len + ((*path)[len] == '.');
	return true;
}

#define DEPTH_MAX 17

size_t json_find_key(struct span text, const char *path)
{
	const char *rest[DEPTH_MAX] = {path}; /* of the path, by depth */
	size_t matched = 0; /* this many keys around us are on the path */
	size_t depth = 0;
	size_t at = 0;

	while ((at = json_skip_blank(text, at)) < text.len) {
		uint8_t c = text.data[at];
		size_t begin = at;
		struct span key;

		if (c != '"' && c != '\'') {
			depth += (c == '{' || c == '[');
			depth -= (c == '}' || c == ']') && depth > 0;
			at++;
			continue;
		}
		key = string_at(text, &at);
		at = json_skip_blank(text, at);
		if (at >= text.len || text.data[at] != ':' || depth == 0)
			continue;
		matched = WEIR_MIN(matched, depth - 1);
		if (matched != depth - 1 || matched + 1 >= DEPTH_MAX)
			continue;
		rest[matched + 1] = rest[matched];
		if (!take_element(&rest[matched + 1], key))
			continue;
		matched++;
		if (!*rest[matched])
			return begin;
	}
	return SIZE_MAX;
}

struct json_place json_place_of(struct span text, size_t at)
{
	struct json_place p = {1, 1};

	for (size_t i = 0; i < at && i < text.len; i++) {
		p.column++;
		if (text.data[i] == '\n') {
			p.line++;
			p.column = 1;
		}
	}
	return p;
}

/* ---- objects ---- */

void json_add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

void json_add_int(struct json_object *o, const char *name, int64_t n)
{
	json_object_object_add(o, name, json_object_new_int64(n));
}

void json_add_uint(struct json_object *o, const char *name, uint64_t n)
{
	json_object_object_add(o, name, json_object_new_uint64(n));
}
