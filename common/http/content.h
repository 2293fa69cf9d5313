/* common/http/content.h - answering with bytes that many ask for.
 *
 * RFC 9110: HEAD, Range (one range; several get the whole), If-Range,
 * If-None-Match, and gzip for who accepts it. The bytes are sent from where they
 * lie: nothing is copied per request.
 */
#ifndef WEIR_HTTP_CONTENT_H
#define WEIR_HTTP_CONTENT_H

#include "common/base/blob.h"
#include "common/http/server.h"

#define HTTP_CONTENT_HEADERS_MAX 8 /* of the caller's */

struct http_content {
	const char *content_type;
	const char *cache_control;
	const char *etag;  /* with its quotes; NULL: none */
	struct blob *body; /* borrowed; referenced as long as it is sent */
	struct blob *gzip; /* the same compressed; NULL: only as it is */
	/* Places for the whole answers with these bodies, as in struct
	 * http_answer; NULL: they are made anew for each request. */
	struct http_kept **body_kept, **gzip_kept;
	bool takes_ranges;                 /* then `gzip` must be NULL */
	const struct http_header *headers; /* more; borrowed */
	size_t header_count;
};

/* Answer: 200, 206, 304 or 416. `req` is gone afterwards. Returns how many bytes
 * of the body were asked for (as it is sent; HEAD: 0). */
size_t http_answer_content(struct http_request *req,
			   const struct http_content *content);

/* Compress for Content-Encoding: gzip. Equal bytes give equal bytes. Returns 0
 * or WEIR_ENOMEM. */
WEIR_MUST_CHECK int http_gzip(struct blob **out, struct span in);

/* One range of a body of `total_bytes`. */
struct http_range {
	uint64_t first, count; /* bytes; count is not 0 */
};

/* Read a Range field. Returns 0; WEIR_ENOENT: none that is taken (several
 * ranges, another unit, nonsense): the whole is sent; WEIR_EINVAL: it lies
 * outside, 416. */
WEIR_MUST_CHECK int http_range_read(struct http_range *out, const char *field,
				    uint64_t total_bytes);

/* Does an Accept-Encoding field take gzip? NULL: no. */
bool http_accepts_gzip(const char *field);

/* Does an If-None-Match field name this tag? NULL: no. */
bool http_matches(const char *field, const char *etag);

#endif
