/* common/http/client.h - asynchronous HTTP client (libcurl on our loop).
 *
 * For the command line, webhooks, a node asking another's API, and streams that
 * are pulled from elsewhere. http and https only, with proven names.
 */
#ifndef WEIR_HTTP_CLIENT_H
#define WEIR_HTTP_CLIENT_H

#include "common/base/buf.h"
#include "common/io/loop.h"

struct http_client;
struct http_call;

struct http_client_options {
	unsigned calls_max;    /* under way at once; 0: 64 */
	size_t body_bytes_max; /* of an answer; 0: 16 MB */
};

/* Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int http_client_new(struct http_client **out, struct loop *loop,
				    const struct http_client_options *options);

/* Cancel what is under way, free, set to NULL; NULL is fine. */
void http_client_free(struct http_client **c);

/* A piece of the body of a 200, as it came; borrowed. Anything but 0 ends the
 * call, whose `done` gets it. http_call_field may be used; not cancel. */
typedef int http_piece_fn(void *ctx, struct span piece);

struct http_question {
	const char *method; /* NULL: GET, or POST when there is a body */
	const char *url;
	const char *token;        /* sent as Bearer; NULL: none */
	const char *content_type; /* of the body; NULL: application/json */
	struct span body;
	unsigned timeout_ms; /* of the whole; 0: 5000, with on_piece no limit */
	unsigned connect_ms; /* until it is connected; 0: as libcurl has it */
	unsigned redirects_max; /* followed, from https to https only */
	const char *ca_file;    /* whom to believe, PEM; NULL: this machine's */
	const char *field_name; /* one more field of the head; NULL: none */
	const char *field_value; /* without line ends */
	/* With it the body is not kept, and what is no 200 has none. */
	http_piece_fn *on_piece;
};

/* Once, and never from inside http_client_ask. It may ask again and cancel other
 * calls, but not its own, and not free the client. `err`: 0 when there was an
 * answer, whatever its status; WEIR_ETIMEOUT; WEIR_ELIMIT: the body is too
 * long; WEIR_ECLOSED: cannot connect, or cut off. `body` is borrowed. */
typedef void http_done_fn(void *ctx, int err, unsigned status,
			  struct span body);

/* All of `q` is copied. *out (may be NULL) is for cancelling, until done.
 * Returns 0; WEIR_ELIMIT: calls_max; WEIR_EINVAL: bad URL; WEIR_ENOMEM. */
#define http_client_ask(c, out, q, done, ctx)                                  \
	http_client_call(                                                      \
		(c), (out), (q),                                               \
		LOOP_TYPED(http_done_fn, done, ctx, 0, 0u, (struct span){0}),  \
		(ctx))
WEIR_MUST_CHECK int http_client_call(struct http_client *c,
				     struct http_call **out,
				     const struct http_question *q,
				     http_done_fn *done, void *ctx);

/* From inside `done` of this call: the value of a field of the answer, of the
 * last one where it stands there several times; false: there is none. Borrowed:
 * dies when `done` returns, or with the next http_call_field. */
bool http_call_field(const struct http_call *call, const char *name,
		     struct span *out);

/* From inside `done` and on_piece: who answers, "203.0.113.9:80" ("" if nobody),
 * and what went wrong, in words; borrowed as above. */
const char *http_call_addr(struct http_call *call);
const char *http_call_words(const struct http_call *call);

/* `done` does not come any more. Sets *call to NULL; NULL is fine. */
void http_client_cancel(struct http_call **call);

/* Append the address that `ref`, found in what came from `base`, stands for
 * (RFC 3986 section 5). Returns 0; WEIR_EINVAL: it is none, or neither http nor
 * https; or the buffer's error. */
WEIR_MUST_CHECK int http_url_join(struct buf *out, const char *base,
				  struct span ref);

#endif
