/* proto/rtmp/url.h - rtmp://host[:port]/app/name?query, taken apart. */
#ifndef WEIR_RTMP_URL_H
#define WEIR_RTMP_URL_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/span.h"

/* All borrowed from the address. */
struct rtmp_url {
	bool is_tls;      /* rtmps: */
	struct span host; /* an IPv6 address without its brackets */
	uint16_t port;    /* 1935, with rtmps 443, when none is named */
	struct span user; /* "user:password@", as written; mostly empty */
	struct span password;
	struct span authority; /* host and port as written, no user */
	struct span app;       /* up to the last '/' of the path: "live" */
	struct span name;      /* behind it, with its query; may be empty */
};

/* Where app and name part: at the last '/' before the first '?'. When there are
 * two '?' (app?vhost=v/name?token=t), at the last '/' before the second. A path
 * of a single element is an app without a name.
 * Returns 0 or WEIR_EINVAL: another scheme, no host, no app, a bad port. */
WEIR_MUST_CHECK int rtmp_url_parse(struct rtmp_url *out, struct span url);

/* Append a part of an address percent-decoded, once; what is no encoding stays
 * as it is. */
void rtmp_url_put_decoded(struct buf *out, struct span text);

/* Append what connect wants as tcUrl: scheme://authority/app. */
void rtmp_url_put_tc_url(struct buf *out, const struct rtmp_url *url);

#endif
