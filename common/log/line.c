/* common/log/line.c - text of one event, safe whatever a peer wrote. */
#include "common/log/line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"

#define VALUE_BYTES 512 /* of one text; the rest is left out, marked by … */
#define ROOM_AT_END 16  /* for " cut=true" and a newline */

void line_put(struct line *l, const char *text, size_t len)
{
	if (l->is_cut || len > LINE_BYTES - ROOM_AT_END - l->len) {
		l->is_cut = true;
		return;
	}
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

void line_put_str(struct line *l, const char *text)
{
	line_put(l, text, strlen(text));
}

void line_end(struct line *l, const char *last)
{
	static const char cut[] = " cut=true";

	if (l->is_cut) {
		memcpy(l->text + l->len, cut, sizeof(cut) - 1);
		l->len += sizeof(cut) - 1;
	}
	memcpy(l->text + l->len, last, strlen(last));
	l->len += strlen(last);
}

static bool is_plain_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("-._:/+@,[]%~*", c));
}

static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_plain_char(s.data[i]))
			return false;
	return s.len > 0;
}

/* Bytes of the character at the start of `s` if a terminal shows it as one; 0:
 * it is broken, a control, or changes the direction of text. */
static size_t shown_char(struct span s)
{
	struct span rest = s;
	uint32_t code = utf8_next(&rest);

	if (code == UTF8_BAD || code < 0x20 || (code >= 0x7f && code < 0xa0))
		return 0;
	if ((code >= 0x2028 && code <= 0x202e) ||
	    (code >= 0x2066 && code <= 0x2069))
		return 0;
	return s.len - rest.len;
}

static void put_escaped(struct line *l, uint8_t c)
{
	char text[8];

	if (c == '\n' || c == '\r' || c == '\t')
		snprintf(text, sizeof(text), "\\%c",
			 c == '\n'   ? 'n'
			 : c == '\r' ? 'r'
				     : 't');
	else
		snprintf(text, sizeof(text), "\\x%02x", c);
	line_put_str(l, text);
}

static void put_quoted(struct line *l, struct span s)
{
	line_put(l, "\"", 1);
	while (s.len > 0) {
		size_t len = shown_char(s);

		if (s.data[0] == '"' || s.data[0] == '\\')
			line_put(l, "\\", 1);
		if (len > 0)
			line_put(l, (const char *)s.data, len);
		else
			put_escaped(l, s.data[0]);
		s = span_from(s, len ? len : 1);
	}
	line_put(l, "\"", 1);
}

static void put_text(struct line *l, struct span s)
{
	bool is_long = s.len > VALUE_BYTES;

	s = span_first(s, VALUE_BYTES);
	if (is_plain(s))
		line_put(l, (const char *)s.data, s.len);
	else
		put_quoted(l, s);
	if (is_long)
		line_put_str(l, "...");
}

static void put_value(struct line *l, const struct kv *kv)
{
	char text[NET_ADDR_TEXT_SIZE];

	switch (kv->type) {
	case KV_STR:
		put_text(l, kv->text);
		break;
	case KV_INT:
		snprintf(text, sizeof(text), "%" PRId64, kv->i);
		line_put_str(l, text);
		break;
	case KV_UINT:
		snprintf(text, sizeof(text), "%" PRIu64, kv->u);
		line_put_str(l, text);
		break;
	case KV_BOOL:
		line_put_str(l, kv->u ? "true" : "false");
		break;
	case KV_ADDR:
		line_put_str(l, net_addr_text(text, kv->addr));
		break;
	case KV_UUID:
		line_put_str(l, uuid_text(text, kv->uuid));
		break;
	case KV_ERR:
		put_text(l, span_str(weir_strerror((int)kv->i)));
		break;
	}
}

void line_put_kv(struct line *l, const struct kv *kv)
{
	size_t before = l->len;

	line_put(l, " ", 1);
	line_put_str(l, kv->name);
	line_put(l, "=", 1);
	put_value(l, kv);
	if (l->is_cut)
		l->len = before;
}

void line_put_event(struct line *l, const struct log_event *ev,
		    const struct kv *kv, size_t count)
{
	line_put_str(l, ev->name);
	for (size_t i = 0; i < count && !l->is_cut; i++)
		line_put_kv(l, &kv[i]);
}
