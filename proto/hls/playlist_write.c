/* proto/hls/playlist_write.c - HLS playlists: writing. */
#include <inttypes.h>

#include "proto/hls/date.h"
#include "proto/hls/playlist.h"

#define VERSION_FRACTIONS 3 /* EXTINF with decimals */
#define VERSION_GAPS      8
#define US_PER_S          1000000

uint32_t hls_rounded_s(int64_t duration_us)
{
	return (uint32_t)((duration_us + US_PER_S / 2) / US_PER_S);
}

static bool is_uri(struct span uri)
{
	for (size_t i = 0; i < uri.len; i++)
		if (uri.data[i] < 0x20 || uri.data[i] == 0x7f)
			return false;
	return uri.len && uri.data[0] != '#';
}

static bool is_good(const struct hls_segment *s)
{
	return is_uri(s->uri) && s->duration_us >= 0 &&
	       s->duration_us / US_PER_S < UINT32_MAX &&
	       (s->utc_ms == HLS_NO_DATE ||
		(s->utc_ms >= 0 && s->utc_ms <= HLS_DATE_MAX_MS));
}

static void put_segment(struct buf *out, const struct hls_segment *s)
{
	if (s->is_discontinuity)
		buf_put(out, SPAN_LIT("#EXT-X-DISCONTINUITY\n"));
	if (s->utc_ms != HLS_NO_DATE) {
		buf_put(out, SPAN_LIT("#EXT-X-PROGRAM-DATE-TIME:"));
		hls_date_put(out, s->utc_ms);
		buf_put(out, SPAN_LIT("\n"));
	}
	if (s->is_gap)
		buf_put(out, SPAN_LIT("#EXT-X-GAP\n"));
	buf_printf(out, "#EXTINF:%" PRId64 ".%06" PRId64 ",\n",
		   s->duration_us / US_PER_S, s->duration_us % US_PER_S);
	buf_put(out, s->uri);
	buf_put(out, SPAN_LIT("\n"));
}

static uint32_t version_of(const struct hls_playlist *pl)
{
	if (pl->version)
		return pl->version;
	for (size_t i = 0; i < pl->segment_count; i++)
		if (pl->segment[i].is_gap)
			return VERSION_GAPS;
	return VERSION_FRACTIONS;
}

static void put_head(struct buf *out, const struct hls_playlist *pl)
{
	buf_printf(out, "#EXTM3U\n#EXT-X-VERSION:%" PRIu32 "\n",
		   version_of(pl));
	if (pl->is_independent)
		buf_put(out, SPAN_LIT("#EXT-X-INDEPENDENT-SEGMENTS\n"));
	buf_printf(out,
		   "#EXT-X-TARGETDURATION:%" PRIu32
		   "\n#EXT-X-MEDIA-SEQUENCE:%" PRIu64 "\n",
		   pl->target_duration_s, pl->media_sequence);
	if (pl->discontinuity_sequence || pl->has_discontinuity_sequence)
		buf_printf(out, "#EXT-X-DISCONTINUITY-SEQUENCE:%" PRIu64 "\n",
			   pl->discontinuity_sequence);
	if (pl->type != HLS_LIVE)
		buf_printf(out, "#EXT-X-PLAYLIST-TYPE:%s\n",
			   pl->type == HLS_EVENT ? "EVENT" : "VOD");
}

int hls_playlist_write(struct buf *out, const struct hls_playlist *pl)
{
	for (size_t i = 0; i < pl->segment_count; i++)
		if (!is_good(&pl->segment[i]))
			return WEIR_EINVAL;
	put_head(out, pl);
	for (size_t i = 0; i < pl->segment_count; i++)
		put_segment(out, &pl->segment[i]);
	if (pl->is_ended)
		buf_put(out, SPAN_LIT("#EXT-X-ENDLIST\n"));
	return buf_error(out);
}
