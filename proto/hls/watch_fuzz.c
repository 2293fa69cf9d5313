/* proto/hls/watch_fuzz.c - hostile playlists and segments, one after the other;
 * a NUL ends each. */
#include "proto/hls/watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_complaint(void *ctx, const struct hls_complaint *c)
{
	BUG_ON(ctx || !c->words[0] || !hls_rule_name(c->rule));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct hls_watch_options o = {.replica_count = 2};
	struct hls_answer a = {.status = 200};
	struct hls_watch *w;
	struct hls_want want;

	BUG_ON(hls_watch_new(&w, &o, on_complaint, NULL));
	for (size_t at = 0, i = 0; at < len; at += a.body.len + 1, i++) {
		const uint8_t *end = memchr(data + at, 0, len - at);

		a.body = span_of(data + at,
				 end ? (size_t)(end - data) - at : len - at);
		a.asked_ms = (int64_t)i * 1000;
		(void)!hls_watch_playlist(w, i & 1, a.asked_ms, &a);
		if (hls_watch_want(w, i & 1, a.asked_ms, &want))
			(void)!hls_watch_segment(w, i & 1, a.asked_ms, want.uri,
						 &a);
	}
	hls_watch_free(&w);
	return 0;
}
