/* common/media/silence_test.c */
#include "common/media/silence.h"

#include "common/test/check.h"

#define AU_NS INT64_C(21333333) /* 1024 samples at 48 kHz */

static const struct aac_config stereo_48k = {
	.object_type = AAC_LC,
	.channel_config = 2,
	.frame_samples = 1024,
	.core_rate = 48000,
	.rate = 48000,
};

static uint32_t count_until(int64_t until_ns)
{
	return silence_between(&stereo_48k, 0, until_ns).count;
}

TEST(a_hole_gets_as_many_aus_as_fit_best)
{
	CHECK_EQ(aac_au_ns(&stereo_48k), AU_NS);
	CHECK_EQ(count_until(-1), 0);
	CHECK_EQ(count_until(0), 0);
	CHECK_EQ(count_until(AU_NS / 2 - NS_PER_MS), 0);
	CHECK_EQ(count_until(AU_NS / 2 + NS_PER_MS), 1);
	CHECK_EQ(count_until(AU_NS * 3), 3);
	CHECK_EQ(count_until(NS_PER_S), 47);
	CHECK_EQ(count_until(NS_PER_S + 1), 0);
}

TEST(they_follow_each_other_to_the_sample)
{
	const struct silence s =
		silence_between(&stereo_48k, NS_PER_S, NS_PER_S + AU_NS * 3);
	struct frame f = silence_frame(&s, 2, 0);

	CHECK_EQ(f.kind, FRAME_AUDIO);
	CHECK_EQ(f.track, 2);
	CHECK_EQ(f.dts_ns, NS_PER_S);
	CHECK_SPAN(f.payload, aac_silence(&stereo_48k));
	f = silence_frame(&s, 2, 1);
	CHECK_EQ(f.dts_ns, NS_PER_S + AU_NS);
	f = silence_frame(&s, 2, 2);
	CHECK_EQ(f.dts_ns, NS_PER_S + 42666667);
	CHECK_EQ(f.pts_ns, f.dts_ns);
}

TEST(a_decoder_without_a_silence_here_gets_none)
{
	const struct aac_config none = {0};
	struct aac_config c = stereo_48k;

	c.channel_config = 6;
	CHECK_EQ(silence_between(&c, 0, AU_NS * 4).count, 0);
	CHECK_EQ(silence_between(&none, 0, AU_NS * 4).count, 0);
	CHECK_EQ(aac_au_ns(&none), 0);
}
