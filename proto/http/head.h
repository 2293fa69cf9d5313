/* proto/http/head.h - the head of an HTTP/1 request, and of an answer.
 *
 * Spec: RFC 9110 and RFC 9112. Pure code. Made for a head that is only peeked
 * at: nothing is consumed, `head_bytes` tells where the body begins. Strict,
 * for two parsers may look at one head: a bare LF or CR, NUL, folded lines,
 * space before a colon, two Hosts, a doubtful body length are all refused.
 */
#ifndef WEIR_HTTP_HEAD_H
#define WEIR_HTTP_HEAD_H

#include "common/base/buf.h"

#define HTTP_FIELDS_MAX 64

/* Going past either is WEIR_ELIMIT (the answer: 431). */
struct http_limits {
	size_t head_bytes;    /* all of the head; 0: 8192 */
	uint16_t field_count; /* 0: HTTP_FIELDS_MAX, which is the most */
};

struct http_field {
	struct span name;
	struct span value; /* without the white space around it */
};

/* All spans borrow from the input. */
struct http_head {
	struct span method; /* "GET"; case matters */
	struct span path;   /* raw, "/a%20b", or "*" */
	struct span query;  /* raw, without '?' */
	struct span host;   /* with its port; of an absolute target, else the
			     * Host field; empty: none (1.0) */
	struct span range;  /* field values; empty: none */
	struct span origin;
	uint8_t minor; /* 0 or 1: HTTP/1.0 or 1.1 */
	bool is_keep_alive;
	bool is_websocket_upgrade; /* a GET that asks for it, in 1.1 */
	bool is_chunked;           /* a body with Transfer-Encoding */
	uint64_t content_bytes;    /* Content-Length; 0: no body */
	size_t head_bytes;         /* up to and with the empty line */
	uint16_t field_count;
	struct http_field field[HTTP_FIELDS_MAX];
};

/* Parse the head at the start of `in`. `limits` may be NULL: the defaults.
 * Returns 0; WEIR_ESHORT while the head is not whole and not yet wrong;
 * WEIR_ELIMIT; WEIR_EUNSUPPORTED for another HTTP version (505) or transfer
 * coding (501); WEIR_EPROTO for everything else (400). *out is set only on 0. */
WEIR_MUST_CHECK int http_head_parse(struct http_head *out, struct span in,
				    const struct http_limits *limits);

/* The value of the first field of that name, in any case; false: none. */
bool http_head_get(const struct http_head *head, const char *name,
		   struct span *out);

/* Is `token` (in any case) in the comma-separated lists of that name? */
bool http_head_has_token(const struct http_head *head, const char *name,
			 const char *token);

bool http_is_method(const struct http_head *head, const char *method);

/* "Not Found" for 404, …; "Unknown" for what it does not know. */
const char *http_reason(unsigned status);

/* Append the status line (HTTP/1.1), a field, the end of the head. Bytes of a
 * value that could end the line early become spaces. */
void http_status_put(struct buf *out, unsigned status);
void http_field_put(struct buf *out, const char *name, struct span value);
void http_field_put_str(struct buf *out, const char *name, const char *value);
void http_head_end(struct buf *out);

#endif
