/* services/cli/sign_url.c - an address with a signature in its query. */
#include "services/cli/sign_url.h"

#include "proto/hls/path.h"
#include "proto/rtmp/url.h"

/* Up to the query, and what is in it. */
static struct span cut_query(struct span url, struct span *query)
{
	const uint8_t *mark = url.len ? memchr(url.data, '?', url.len) : NULL;
	size_t len = mark ? (size_t)(mark - url.data) : url.len;

	*query = span_from(url, len + 1);
	return span_first(url, len);
}

/* "http://h:8080/live/a.flv" -> "/live/a.flv"; empty: it has none. */
static struct span path_of(struct span url)
{
	static const char *const schemes[] = {
		"http://", "https://", "ws://",    "wss://",
		"rtsp://", "rtsps://", "rtspu://",
	};
	struct span none;
	const uint8_t *slash;

	url = cut_query(url, &none);
	for (size_t i = 0; i < WEIR_ARRAY_LEN(schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (!span_eq_str(span_first(url, len), schemes[i]))
			continue;
		url = span_from(url, len);
		slash = url.len ? memchr(url.data, '/', url.len) : NULL;
		return slash ? span_from(url, (size_t)(slash - url.data))
			     : (struct span){0};
	}
	return (struct span){0};
}

static bool cut_suffix(struct span *path, const char *suffix)
{
	size_t len = strlen(suffix);

	if (path->len < len ||
	    !span_eq_str(span_from(*path, path->len - len), suffix))
		return false;
	*path = span_first(*path, path->len - len);
	return true;
}

int sign_url_key(struct stream_key *out, struct span url)
{
	struct rtmp_url rtmp;
	struct hls_path hls;
	struct span path;
	int fault;

	if (!rtmp_url_parse(&rtmp, url))
		return stream_key_from_rtmp(out, rtmp.app, rtmp.name,
					    IDENTITY_PATH)
			       ? WEIR_EINVAL
			       : 0;
	path = path_of(url);
	if (path.len == 0)
		return WEIR_EINVAL;
	hls_path_read(&hls, path, IDENTITY_PATH);
	if (hls.kind == HLS_PATH_OTHER) {
		if (!cut_suffix(&path, ".flv"))
			(void)cut_suffix(&path, ".ts");
		fault = stream_key_from_path(out, path, IDENTITY_PATH);
	} else {
		fault = hls.fault;
		if (!fault)
			*out = hls.key;
	}
	return fault ? WEIR_EINVAL : 0;
}

int sign_url(struct buf *out, struct span url, const struct sign_claims *claims,
	     struct span secret, const char **why)
{
	struct sign_claims there;
	struct span query;
	struct span bare = cut_query(url, &query);
	int err = sign_read(&there, query, why);

	if (!err)
		*why = "it is signed already";
	if (err != WEIR_ENOENT)
		return WEIR_EINVAL;
	if (memchr(url.data, '#', url.len)) {
		*why = "it has a #";
		return WEIR_EINVAL;
	}
	buf_put(out, bare);
	buf_put_u8(out, '?');
	buf_put(out, query);
	if (query.len)
		buf_put_u8(out, '&');
	return sign_write(out, claims, secret);
}
