/* services/dispatch/web.h - the browser page: its files, and where it plays
 * from.
 *
 * The files are made from web/ at build time and stand in the binary. They say
 * nothing about this cluster and are open to all; the list of streams
 * (/api/page) is not.
 */
#ifndef WEIR_DISPATCH_WEB_H
#define WEIR_DISPATCH_WEB_H

#include "common/base/buf.h"

struct web_file {
	const char *path; /* "/", "/page.js" */
	const char *type; /* of content */
	const char *etag; /* with its quotes */
	struct span body;
	struct span gzip; /* the same, packed */
};

/* Made by web/build.mjs. Without node or a registry there are none. */
extern const struct web_file web_files[];
extern const size_t web_file_count;
extern const char web_missing[]; /* why there are none; else "" */

/* Append `url` ("http://127.0.0.1:8080") as the browser reaches it: a host that
 * means this machine (loopback, any address) becomes the one by which the
 * browser came, of its `host` header (NULL, or not plain: stays). Errors are
 * the buffer's. */
void web_put_url(struct buf *out, const char *url, const char *host);

/* Append the value of Content-Security-Policy for a page that plays from `url`,
 * which is as web_put_url made it. What is no plain URL is left out. */
void web_put_policy(struct buf *out, const char *const *url, size_t count);

#endif
