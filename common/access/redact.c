/* common/access/redact.c - queries and addresses without what is secret. */
#include "common/access/redact.h"

#include <strings.h>

#define MASK "***"

static bool ends_with(struct span name, const char *end)
{
	size_t len = strlen(end);

	return name.len >= len &&
	       !strncasecmp((const char *)name.data + name.len - len, end, len);
}

static bool is_secret(struct span name)
{
	static const char *const whole[] = {
		"passwd", "pwd",  "pass", "key",  "apikey",
		"sig",    "sign", "auth", "hash", "jwt",
	};
	static const char *const ends[] = {
		"token", "secret",    "password", "_key",
		"_sig",  "signature", "_sign",    "_auth",
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(whole); i++)
		if (name.len == strlen(whole[i]) && ends_with(name, whole[i]))
			return true;
	for (size_t i = 0; i < WEIR_ARRAY_LEN(ends); i++)
		if (ends_with(name, ends[i]))
			return true;
	return false;
}

/* Length up to the first byte that is one of `stop`. */
static size_t part_len(struct span s, const char *stop)
{
	size_t len = 0;

	while (len < s.len && (!s.data[len] || !strchr(stop, s.data[len])))
		len++;
	return len;
}

static void put_param(struct buf *out, struct span p)
{
	struct span name = span_first(p, part_len(p, "="));

	if (name.len == p.len || !is_secret(name)) {
		buf_put(out, p);
		return;
	}
	buf_put(out, span_first(p, name.len + 1));
	buf_put(out, SPAN_LIT(MASK));
}

void redact_query(struct buf *out, struct span query)
{
	while (query.len) {
		/* A second '?' is what lal's and ffmpeg's users write. */
		size_t len = part_len(query, "&?;");

		put_param(out, span_first(query, len));
		buf_put(out, span_first(span_from(query, len), 1));
		query = span_from(query, len + 1);
	}
}

/* "user:password@host" in front of a path. */
static void put_authority(struct buf *out, struct span s)
{
	size_t at = s.len, colon;

	while (at > 0 && s.data[at - 1] != '@')
		at--;
	colon = part_len(span_first(s, at), ":");
	if (at == 0 || colon >= at) {
		buf_put(out, s);
		return;
	}
	buf_put(out, span_first(s, colon + 1));
	buf_put(out, SPAN_LIT(MASK "@"));
	buf_put(out, span_from(s, at));
}

void redact_push_url(struct buf *out, struct span templ, struct span url)
{
	size_t len = part_len(url, "?");

	if (templ.len && memchr(templ.data, '$', templ.len)) {
		redact_url(out, url);
		return;
	}
	while (len && url.data[len - 1] != '/')
		len--;
	redact_url(out, span_first(url, len));
	buf_put(out, SPAN_LIT(MASK));
}

void redact_url(struct buf *out, struct span url)
{
	size_t scheme = part_len(url, ":/?");
	size_t len;

	if (span_eq_str(span_first(span_from(url, scheme), 3), "://")) {
		buf_put(out, span_first(url, scheme + 3));
		url = span_from(url, scheme + 3);
		len = part_len(url, "/?#");
		put_authority(out, span_first(url, len));
		url = span_from(url, len);
	}
	len = part_len(url, "?");
	buf_put(out, span_first(url, len));
	buf_put(out, span_first(span_from(url, len), 1));
	redact_query(out, span_from(url, len + 1));
}
