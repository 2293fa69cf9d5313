/* common/media/silence.c - AUs of silence where sound broke off. */
#include "common/media/silence.h"

int64_t aac_au_ns(const struct aac_config *c)
{
	return ns_from_ticks(c->frame_samples, c->core_rate);
}

struct silence silence_between(const struct aac_config *c, int64_t from_ns,
			       int64_t until_ns)
{
	struct silence s = {
		.au = aac_silence(c),
		.from_ns = from_ns,
		.samples = c->frame_samples,
		.rate = c->core_rate,
	};
	int64_t hole_ns = until_ns - from_ns;

	if (s.au.len && s.samples && hole_ns > 0 && hole_ns <= SILENCE_MAX_NS)
		s.count = (uint32_t)((ns_to_ticks(hole_ns, s.rate) +
				      s.samples / 2) /
				     s.samples);
	return s;
}

struct frame silence_frame(const struct silence *s, uint16_t track, uint32_t i)
{
	int64_t at_ns =
		s->from_ns + ns_from_ticks((int64_t)i * s->samples, s->rate);

	return (struct frame){
		.kind = FRAME_AUDIO,
		.track = track,
		.dts_ns = at_ns,
		.pts_ns = at_ns,
		.payload = s->au,
	};
}
