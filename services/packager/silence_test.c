/* services/packager/silence_test.c */
#include "services/packager/silence.h"

#include "common/test/check.h"

#define AU_NS INT64_C(21333333) /* 1024 samples at 48 kHz */

static const uint8_t asc_48k[] = {0x11, 0x90};
static const uint8_t asc_5_1[] = {0x11, 0xb0};

static struct silence with_config(uint8_t codec, struct span asc)
{
	const struct tracks tracks = {
		.count = 2,
		.track = {{.id = 1, .kind = FRAME_VIDEO, .codec = CODEC_H264},
			  {.id = 2, .kind = FRAME_AUDIO, .codec = codec}},
	};
	struct silence s = {0};

	silence_set_tracks(&s, &tracks);
	silence_set_config(&s, 2, asc);
	return s;
}

static struct silence_fill fill_to(const struct silence *s, int64_t until_ns)
{
	return silence_fill(s, 2, 0, until_ns);
}

TEST(a_hole_gets_as_many_aus_as_fit_best)
{
	struct silence s = with_config(CODEC_AAC, SPAN(asc_48k));

	CHECK_EQ(fill_to(&s, 0).count, 0); /* the picture ended before */
	CHECK_EQ(fill_to(&s, AU_NS).count, 0);
	CHECK_EQ(fill_to(&s, AU_NS + AU_NS / 2 - NS_PER_MS).count, 0);
	CHECK_EQ(fill_to(&s, AU_NS + AU_NS / 2 + NS_PER_MS).count, 1);
	CHECK_EQ(fill_to(&s, AU_NS * 4).count, 3);
	CHECK_EQ(fill_to(&s, AU_NS + NS_PER_S).count, 47);
	CHECK_EQ(fill_to(&s, AU_NS + NS_PER_S + 1).count, 0);
}

TEST(they_follow_each_other_to_the_sample)
{
	struct silence s = with_config(CODEC_AAC, SPAN(asc_48k));
	struct silence_fill f = fill_to(&s, AU_NS * 4);

	CHECK_EQ(silence_at_ns(&f, 0), AU_NS);
	CHECK_EQ(silence_at_ns(&f, 1), AU_NS * 2);
	CHECK_EQ(silence_at_ns(&f, 2), AU_NS + 42666667);
}

TEST(what_is_not_known_or_no_plain_aac_gets_none)
{
	struct silence s = with_config(CODEC_AAC, SPAN(asc_5_1));

	CHECK_EQ(fill_to(&s, AU_NS * 4).count, 0);
	s = with_config(CODEC_MP3, SPAN(asc_48k));
	CHECK_EQ(fill_to(&s, AU_NS * 4).count, 0);
	s = with_config(CODEC_AAC, SPAN_LIT(""));
	CHECK_EQ(fill_to(&s, AU_NS * 4).count, 0);
	CHECK_EQ(silence_fill(&s, 7, 0, AU_NS * 4).count, 0);
	silence_set_config(&s, 7, SPAN(asc_48k));
	CHECK_EQ(silence_fill(&s, 7, 0, AU_NS * 4).count, 0);
}

TEST(a_config_stays_as_long_as_its_track_does)
{
	struct silence s = with_config(CODEC_AAC, SPAN(asc_48k));
	struct tracks tracks = s.tracks;

	tracks.track[0] = tracks.track[1];
	tracks.count = 1;
	silence_set_tracks(&s, &tracks);
	CHECK_EQ(fill_to(&s, AU_NS * 4).count, 3);
	tracks.track[0].codec = CODEC_MP3;
	silence_set_tracks(&s, &tracks);
	CHECK_EQ(fill_to(&s, AU_NS * 4).count, 0);
}
