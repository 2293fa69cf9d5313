/* common/access/pattern.h - which streams are meant, and addresses made of them.
 *
 * A pattern is a key in which some elements are free:
 *
 *	live/cam1   that stream          live/ *     any name of one element
 *	* / *       any app and name     live/ **   whatever is under live
 *	**          every stream         cam1       is live/cam1, as everywhere
 *
 * (written without the blanks). A "*" stands for one whole element, a "**" for
 * one or more, and only as the last. Other stars, empty elements, "." and "..",
 * control characters and what is not UTF-8 are refused, and so is a lone "*":
 * it could be taken for every stream. Pure code.
 */
#ifndef WEIR_ACCESS_PATTERN_H
#define WEIR_ACCESS_PATTERN_H

#include "common/base/buf.h"
#include "common/media/key.h"

struct stream_pattern {
	char text[STREAM_KEY_MAX + 1]; /* valid, NUL-terminated */
};

/* Returns 0; WEIR_EINVAL, and then *why is static words for people ("a * stands
 * for a whole element"). `why` may be NULL. */
WEIR_MUST_CHECK int stream_pattern_parse(struct stream_pattern *out,
					 struct span text, const char **why);

bool stream_pattern_matches(const struct stream_pattern *p,
			    const struct stream_key *key);

/* Does it mean one stream? Then its text is that stream's key. */
bool stream_pattern_is_exact(const struct stream_pattern *p);

/* The shape of a pattern, for looking it up: which of its elements are free, a
 * letter for each: '=' what is said, '*', and '+' for "**". And the one pattern of
 * a shape that matches a key; false: there is none. */
#define STREAM_SHAPE_SIZE (STREAM_KEY_MAX / 2 + 2)
void stream_pattern_shape(char out[STREAM_SHAPE_SIZE],
			  const struct stream_pattern *p);
bool stream_pattern_of(struct stream_pattern *out, const char *shape,
		       const struct stream_key *key);

/* What stands behind the app: "live/a/b" -> "a/b". Borrowed from `key`. */
const char *stream_key_name(const struct stream_key *key);

/* ---- addresses with places for a stream: rtmp://h/live/$name ----
 *
 * $app is the first element of the key, $name all behind it, $key both. "$$" is
 * a '$'. They may stand behind the host only, so that no stream's name chooses
 * whom we talk to. What could end the path or begin something else ('?', '#',
 * '%', blanks, quotes) is percent-encoded where it is put in; beyond ASCII too,
 * but not for rtmp and rtmps, which carry UTF-8 as it is.
 */

#define URL_BYTES_MAX 1024 /* of a template, and of what comes of it */

/* Is it an address with a scheme of `schemes` and a host? Places mean nothing. As
 * below. */
WEIR_MUST_CHECK int url_check(struct span text, const char *schemes,
			      const char **why);

/* Is it an address with a scheme of `schemes` ("rtmp|rtmps|http"), a host and
 * only places that there are? Returns 0, or WEIR_EINVAL with *why (may be NULL)
 * as static words. */
WEIR_MUST_CHECK int url_template_check(struct span text, const char *schemes,
				       const char **why);

/* Append the address for a stream. Returns 0; WEIR_ELIMIT: longer than
 * URL_BYTES_MAX; WEIR_EINVAL: no template; WEIR_ENOMEM. */
WEIR_MUST_CHECK int url_template_expand(struct buf *out, struct span text,
					const struct stream_key *key);

#endif
