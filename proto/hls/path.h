/* proto/hls/path.h - the addresses of HLS: from and to paths of URLs.
 *
 *	/{app}/{name}.m3u8                   live playlist
 *	/hls/{name}.m3u8                     the same (lal)
 *	/hls/{name}/playlist.m3u8            the same (lal)
 *	/hls/{name}/record.m3u8              all that was recorded
 *	/-/{app}/{name}/{incarnation}-{form}-{number}.ts   a segment
 *	/-/-/{session}/{app}/{name}/playlist.m3u8          for one viewer
 *	/-/-/{session}/{app}/{name}/{…}.ts                 its segments
 *
 * What stands for {name} may have slashes, and an app: it is a key as
 * common/media/key.h has them. Pure code.
 */
#ifndef WEIR_HLS_PATH_H
#define WEIR_HLS_PATH_H

#include "common/base/buf.h"
#include "common/media/key.h"

enum hls_path_kind {
	HLS_PATH_OTHER = 0, /* not of HLS */
	HLS_PATH_PLAYLIST,
	HLS_PATH_RECORD,
	HLS_PATH_SEGMENT,
};

/* What names a segment: with equal names, packagers have equal bytes. */
struct hls_name {
	uint64_t incarnation; /* of the stream: its start, UTC ms */
	uint32_t form;        /* hash of the mux's version and its settings */
	uint64_t number;
};

/* Cache-Control of what is served. */
#define HLS_PLAYLIST_CACHE "max-age=1"
#define HLS_SEGMENT_CACHE  "public, max-age=3600, immutable"
/* … to one viewer, under an address of its own. */
#define HLS_OWN_PLAYLIST_CACHE "private, max-age=1"
#define HLS_OWN_SEGMENT_CACHE  "private, max-age=3600, immutable"

#define HLS_NAME_SIZE 56 /* of its text, with ".ts" and a NUL */

struct hls_path {
	enum hls_path_kind kind;
	enum key_fault fault;  /* not KEY_OK: no such stream can be */
	struct stream_key key; /* set when there is no fault */
	bool has_name;         /* SEGMENT: `name` holds; else a 404 */
	struct hls_name name;
	struct span session; /* of one viewer, borrowed; empty: of all */
};

/* `path` as it stands in the request: encoded, without the query. */
void hls_path_read(struct hls_path *out, struct span path,
		   enum stream_identity identity);

/* "1764796800123-5f3a90cc-1764796812.ts" and back; the only form that is read
 * is the one that is written. */
void hls_name_write(char out[HLS_NAME_SIZE], const struct hls_name *name);
bool hls_name_read(struct hls_name *out, struct span text);

/* Append "/-/{app}/{name}/", or "/{app}/{name}.m3u8", or the playlist of one
 * viewer (`session` as it may stand in a path), encoded. Errors are the
 * buffer's. */
void hls_put_folder(struct buf *out, const struct stream_key *key);
void hls_put_playlist(struct buf *out, const struct stream_key *key);
void hls_put_session(struct buf *out, struct span session,
		     const struct stream_key *key);

/* Append a playlist whose segments are named by their file alone, so that they
 * are looked for where it was found: all sessions of a stream have the same
 * bytes. Lines that name no segment of that stream stay as they are. Returns 0
 * or the buffer's error. */
WEIR_MUST_CHECK int hls_put_relative(struct buf *out, struct span playlist,
				     const struct stream_key *key);

#endif
