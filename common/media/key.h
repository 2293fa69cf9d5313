/* common/media/key.h - the key of a stream, from any protocol's address.
 *
 * The key is the whole path without the query: runs of '/' folded, percent-
 * decoded once, no '/' at the ends; the first element is the app; a single
 * element means app "live". UTF-8, 1-512 bytes, no control characters, no "."
 * or ".." element; "hls", "api" and "-" cannot be apps.
 *
 * An escaped '/' ("%2F") is a '/' like any other, and folded like one; an
 * escaped '?' is part of the key. Whatever is wrong anywhere in the path
 * refuses it, also where only the last element will count; there the app that
 * was typed means nothing, so it may be a reserved one. docs/addresses.md shows
 * examples, and a test reads them there.
 */
#ifndef WEIR_MEDIA_KEY_H
#define WEIR_MEDIA_KEY_H

#include "common/base/err.h"
#include "common/base/span.h"

#define STREAM_KEY_MAX 512

struct stream_key {
	char text[STREAM_KEY_MAX + 1]; /* "app/name", NUL-terminated */
};

/* Which names count as one stream; cluster-wide (checked in HELLO). */
enum stream_identity {
	IDENTITY_PATH = 0, /* app and name */
	IDENTITY_NAME = 1, /* lal's rule: the app is ignored, stands as live */
};

/* Why a path is no key; static texts for people: stream_key_why(). */
enum key_fault {
	KEY_OK = 0,
	KEY_EMPTY,    /* nothing but '/' */
	KEY_TOO_LONG, /* the path, folded and decoded, or the key */
	KEY_BAD_ESCAPE,
	KEY_BAD_UTF8,
	KEY_CONTROL, /* U+0000-001F, U+007F-009F */
	KEY_DOTS,
	KEY_RESERVED_APP,
};

/* From the path of an address (RTSP, HTTP without its suffix, bus). A query
 * ('?' and after) is cut off. On a fault *out is untouched. */
enum key_fault stream_key_from_path(struct stream_key *out, struct span path,
				    enum stream_identity identity);

/* From the text of a key, which another process tells: nothing is decoded, and
 * nothing is cut off. */
enum key_fault stream_key_from_text(struct stream_key *out, struct span text);

/* From RTMP's app and stream name (each may hold '/' and a query; lal also
 * takes a query on the app). An empty name is KEY_EMPTY. */
enum key_fault stream_key_from_rtmp(struct stream_key *out, struct span app,
				    struct span name,
				    enum stream_identity identity);

/* A few words, static, never NULL. */
const char *stream_key_why(enum key_fault fault);

/* Length of the app part: "live/cam1" -> 4. The name is behind the '/'. */
size_t stream_key_app_len(const struct stream_key *key);

#endif
