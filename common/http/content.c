/* common/http/content.c - answering with bytes that many ask for. */
#include "common/http/content.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

#define HEADERS_MAX (HTTP_CONTENT_HEADERS_MAX + 8)

/* ---- fields of requests ---- */

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* At most 18 digits, at least one. */
static bool take_digits(const char **s, uint64_t *out)
{
	size_t len = strspn(*s, "0123456789");

	if (!len || len > 18)
		return false;
	*out = strtoull(*s, NULL, 10);
	*s += len;
	return true;
}

/* "500": the last 500 bytes. */
static int suffix_range(struct http_range *out, const char *s, uint64_t total)
{
	uint64_t count;

	if (!take_digits(&s, &count) || *skip_blanks(s))
		return WEIR_ENOENT;
	if (!count || !total)
		return WEIR_EINVAL;
	count = WEIR_MIN(count, total);
	*out = (struct http_range){total - count, count};
	return 0;
}

int http_range_read(struct http_range *out, const char *field, uint64_t total)
{
	uint64_t first, last = UINT64_MAX;
	const char *s;

	if (!field || strncasecmp(field, "bytes=", 6) != 0)
		return WEIR_ENOENT;
	s = skip_blanks(field + 6);
	if (*s == '-')
		return suffix_range(out, s + 1, total);
	if (!take_digits(&s, &first) || *s++ != '-')
		return WEIR_ENOENT;
	if (*skip_blanks(s) && !take_digits(&s, &last))
		return WEIR_ENOENT;
	if (*skip_blanks(s) || last < first)
		return WEIR_ENOENT;
	if (first >= total)
		return WEIR_EINVAL;
	last = WEIR_MIN(last, total - 1);
	*out = (struct http_range){first, last - first + 1};
	return 0;
}

/* Is this member of a list "gzip", and not with a weight of 0? */
static bool takes_it(struct span member)
{
	const char *s = (const char *)member.data;
	const char *q;

	if (member.len < 4 || strncasecmp(s, "gzip", 4) != 0)
		return false;
	if (member.len > 4 && !strchr(" \t;", s[4]))
		return false;
	q = memchr(s, '=', member.len);
	if (!q)
		return true;
	for (q++; q < s + member.len; q++)
		if (*q >= '1' && *q <= '9')
			return true;
	return false;
}

bool http_accepts_gzip(const char *field)
{
	const char *s = field ? field : "";

	while (*s) {
		size_t len;

		s += strspn(s, " \t,");
		len = strcspn(s, ",");
		if (takes_it(span_of(s, len)))
			return true;
		s += len;
	}
	return false;
}

bool http_matches(const char *field, const char *etag)
{
	const char *s = field ? field : "";

	while (*s) {
		size_t len;

		s += strspn(s, " \t,");
		len = strcspn(s, ", \t");
		if (len == 1 && *s == '*')
			return true;
		/* The comparison is the weak one. */
		if (len > 2 && !strncmp(s, "W/", 2)) {
			s += 2;
			len -= 2;
		}
		if (len == strlen(etag) && !strncmp(s, etag, len))
			return true;
		s += len;
	}
	return false;
}

/* ---- gzip ---- */

/* The header that zlib writes has no time in it: equal in, equal out. */
static bool deflate_all(struct buf *out, struct span in)
{
	z_stream z = {0};
	size_t room;
	int status;

	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + 16, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	room = deflateBound(&z, in.len);
	z.next_in = (Bytef *)(uintptr_t)in.data;
	z.avail_in = (uInt)in.len;
	z.next_out = buf_grow(out, room);
	z.avail_out = (uInt)room;
	status = z.next_out ? deflate(&z, Z_FINISH) : Z_MEM_ERROR;
	deflateEnd(&z);
	if (status == Z_STREAM_END)
		out->len = z.total_out;
	return status == Z_STREAM_END;
}

int http_gzip(struct blob **out, struct span in)
{
	struct buf b = {0};
	int err = deflate_all(&b, in) ? 0 : WEIR_ENOMEM;

	if (!err)
		err = blob_take_buf(out, &b);
	buf_fini(&b);
	return err;
}

/* ---- answers ---- */

struct header_list {
	struct http_header item[HEADERS_MAX];
	size_t count;
};

static void add(struct header_list *h, const char *name, const char *value)
{
	BUG_ON(h->count == HEADERS_MAX);
	if (value)
		h->item[h->count++] = (struct http_header){name, value};
}

static void release(void *ctx)
{
	struct blob *b = ctx;

	blob_unref(&b);
}

static void common_headers(struct header_list *h, const struct http_content *c)
{
	BUG_ON(c->header_count > HTTP_CONTENT_HEADERS_MAX);
	*h = (struct header_list){0};
	for (size_t i = 0; i < c->header_count; i++)
		add(h, c->headers[i].name, c->headers[i].value);
	add(h, "Cache-Control", c->cache_control);
	add(h, "ETag", c->etag);
	if (c->takes_ranges)
		add(h, "Accept-Ranges", "bytes");
}

static size_t give(struct http_request *req, const struct http_answer *a)
{
	size_t bytes = strcmp(http_method(req), "HEAD") ? a->body.len : 0;

	http_answer(req, a);
	return bytes;
}

static size_t answer_part(struct http_request *req,
			  const struct http_content *c, struct header_list *h,
			  struct span part)
{
	const struct http_answer a = {
		.status = 206,
		.content_type = c->content_type,
		.body = part,
		.body_free = release,
		.body_ctx = blob_ref(c->body),
		.headers = h->item,
		.header_count = h->count,
	};

	return give(req, &a);
}

static size_t answer_whole(struct http_request *req,
			   const struct http_content *c, struct header_list *h,
			   bool is_gzip)
{
	struct blob *blob = is_gzip ? c->gzip : c->body;
	const struct http_answer a = {
		.status = 200,
		.content_type = c->content_type,
		.body = blob->bytes,
		.body_free = release,
		.body_ctx = blob_ref(blob),
		.headers = h->item,
		.header_count = h->count,
		.kept = is_gzip ? c->gzip_kept : c->body_kept,
	};

	return give(req, &a);
}

static size_t answer_empty(struct http_request *req, struct header_list *h,
			   unsigned status)
{
	const struct http_answer a = {
		.status = status,
		.headers = h->item,
		.header_count = h->count,
	};

	return give(req, &a);
}

/* May the range be given, or has the thing changed since the peer had it? */
static bool is_same_as_before(struct http_request *req, const char *etag)
{
	const char *field = http_header(req, "If-Range");

	return !field || (etag && !strcmp(skip_blanks(field), etag));
}

static size_t answer_ranged(struct http_request *req,
			    const struct http_content *c, struct header_list *h)
{
	struct span whole = c->body->bytes;
	struct http_range r = {0, whole.len};
	char text[80];
	int err = WEIR_ENOENT;

	if (is_same_as_before(req, c->etag))
		err = http_range_read(&r, http_header(req, "Range"), whole.len);
	if (err == WEIR_ENOENT) {
		return answer_whole(req, c, h, false);
	}
	if (err) {
		snprintf(text, sizeof(text), "bytes */%zu", whole.len);
		*h = (struct header_list){0};
		add(h, "Cache-Control", "no-store");
		add(h, "Content-Range", text);
		return answer_empty(req, h, 416);
	}
	snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%zu",
		 r.first, r.first + r.count - 1, whole.len);
	add(h, "Content-Range", text);
	return answer_part(req, c, h,
			   span_first(span_from(whole, r.first), r.count));
}

size_t http_answer_content(struct http_request *req,
			   const struct http_content *c)
{
	bool is_gzip = c->gzip &&
		       http_accepts_gzip(http_header(req, "Accept-Encoding"));
	struct header_list h;

	common_headers(&h, c);
	if (c->gzip)
		add(&h, "Vary", "Accept-Encoding");
	if (c->etag && http_matches(http_header(req, "If-None-Match"), c->etag))
		return answer_empty(req, &h, 304);
	if (c->takes_ranges)
		return answer_ranged(req, c, &h);
	if (is_gzip)
		add(&h, "Content-Encoding", "gzip");
	return answer_whole(req, c, &h, is_gzip);
}
