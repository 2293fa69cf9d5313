/* proto/rtmp/url.c - rtmp://host[:port]/app/name?query, taken apart. */
#include "proto/rtmp/url.h"

#include <strings.h>

#define NOT_FOUND SIZE_MAX

static size_t find(struct span s, uint8_t c)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] == c)
			return i;
	return NOT_FOUND;
}

static size_t find_last(struct span s, uint8_t c)
{
	for (size_t i = s.len; i-- > 0;)
		if (s.data[i] == c)
			return i;
	return NOT_FOUND;
}

/* Everything before `at`, which may be NOT_FOUND. */
static struct span before(struct span s, size_t at)
{
	return span_first(s, at);
}

static struct span after(struct span s, size_t at)
{
	return at == NOT_FOUND ? (struct span){0} : span_from(s, at + 1);
}

static bool take_scheme(struct span *url, bool *is_tls)
{
	static const char *const schemes[] = {"rtmp://", "rtmps://"};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (url->len < len ||
		    strncasecmp((const char *)url->data, schemes[i], len) != 0)
			continue;
		*is_tls = i == 1;
		*url = span_from(*url, len);
		return true;
	}
	return false;
}

static bool parse_port(struct span text, uint16_t *port)
{
	uint32_t v = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || v > UINT16_MAX)
			return false;
		v = 10 * v + (text.data[i] - '0');
	}
	*port = (uint16_t)v;
	return v > 0 && v <= UINT16_MAX;
}

/* host, host:port, [v6] or [v6]:port */
static bool parse_authority(struct rtmp_url *u)
{
	struct span s = u->authority;
	struct span behind;
	size_t close;

	if (s.len && s.data[0] == '[') {
		close = find(s, ']');
		if (close == NOT_FOUND)
			return false;
		u->host = span_of(s.data + 1, close - 1);
		behind = span_from(s, close + 1);
	} else {
		u->host = before(s, find(s, ':'));
		behind = span_from(s, u->host.len);
	}
	u->port = u->is_tls ? 443 : 1935;
	if (u->host.len && !behind.len)
		return true;
	return u->host.len && behind.data[0] == ':' &&
	       parse_port(span_from(behind, 1), &u->port);
}

static void take_user(struct rtmp_url *u)
{
	size_t at = find_last(u->authority, '@');
	struct span who = before(u->authority, at);

	if (at == NOT_FOUND)
		return;
	u->user = before(who, find(who, ':'));
	u->password = after(who, find(who, ':'));
	u->authority = after(u->authority, at);
}

static void split_path(struct rtmp_url *u, struct span path)
{
	size_t first = find(path, '?');
	size_t second = find(after(path, first), '?');
	size_t slash;

	if (second != NOT_FOUND)
		slash = find_last(before(path, first + 1 + second), '/');
	else
		slash = find_last(before(path, first), '/');
	u->app = before(path, slash);
	u->name = after(path, slash);
}

int rtmp_url_parse(struct rtmp_url *out, struct span url)
{
	struct rtmp_url u = {0};
	struct span path;

	if (!take_scheme(&url, &u.is_tls))
		return WEIR_EINVAL;
	u.authority = before(url, find(url, '/'));
	path = after(url, find(url, '/'));
	take_user(&u);
	if (!parse_authority(&u))
		return WEIR_EINVAL;
	split_path(&u, path);
	if (!u.app.len)
		return WEIR_EINVAL;
	*out = u;
	return 0;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void rtmp_url_put_decoded(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		const uint8_t *at = text.data + i;
		bool is_code = *at == '%' && text.len - i > 2 &&
			       hex(at[1]) >= 0 && hex(at[2]) >= 0;

		if (is_code)
			i += 2;
		buf_put_u8(out,
			   is_code ? (uint8_t)(hex(at[1]) << 4 | hex(at[2]))
				   : *at);
	}
}

void rtmp_url_put_tc_url(struct buf *out, const struct rtmp_url *url)
{
	buf_put(out, span_str(url->is_tls ? "rtmps://" : "rtmp://"));
	buf_put(out, url->authority);
	buf_put_u8(out, '/');
	buf_put(out, url->app);
}
