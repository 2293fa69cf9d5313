/* proto/hls/playlist_fuzz.c - hostile playlists; what is read can be written
 * and is the same when it is read again. */
#include "proto/hls/playlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hls_playlist pl, again;
	struct hls_error error;
	struct buf text = {0}, twice = {0};

	if (hls_playlist_read(&pl, span_of(data, len), NULL, &error)) {
		BUG_ON(!error.text[0]);
		return 0;
	}
	if (!pl.is_master) {
		pl.version = 0;
		BUG_ON(hls_playlist_write(&text, &pl));
		BUG_ON(hls_playlist_read(&again, buf_span(&text), NULL, NULL));
		BUG_ON(hls_playlist_write(&twice, &again));
		BUG_ON(!span_eq(buf_span(&text), buf_span(&twice)));
		hls_playlist_fini(&again);
	}
	hls_playlist_fini(&pl);
	buf_fini(&text);
	buf_fini(&twice);
	return 0;
}
