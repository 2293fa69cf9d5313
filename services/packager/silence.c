/* services/packager/silence.c - AUs of silence where sound broke off. */
#include "services/packager/silence.h"

static struct aac_config *config_of(struct silence *s, uint16_t track)
{
	for (uint8_t i = 0; i < s->tracks.count; i++)
		if (s->tracks.track[i].id == track)
			return &s->config[i];
	return NULL;
}

/* Configs stay with the tracks that stay. */
void silence_set_tracks(struct silence *s, const struct tracks *tracks)
{
	struct silence next = {.tracks = *tracks};

	for (uint8_t i = 0; i < tracks->count; i++) {
		const struct track *k = &tracks->track[i];
		const struct track *had = tracks_find(&s->tracks, k->id);

		if (had && had->codec == k->codec)
			next.config[i] = *config_of(s, k->id);
	}
	*s = next;
}

void silence_set_config(struct silence *s, uint16_t track, struct span config)
{
	const struct track *k = tracks_find(&s->tracks, track);
	struct aac_config *c = config_of(s, track);

	if (!k || k->codec != CODEC_AAC)
		return;
	if (aac_config_parse(c, config))
		*c = (struct aac_config){0};
}

struct silence_fill silence_fill(const struct silence *s, uint16_t track,
				 int64_t last_ns, int64_t until_ns)
{
	const struct aac_config *c = NULL;
	struct silence_fill f = {0};
	int64_t hole;

	for (uint8_t i = 0; i < s->tracks.count; i++)
		if (s->tracks.track[i].id == track)
			c = &s->config[i];
	if (!c || !c->core_rate)
		return f;
	f.au = aac_silence(c);
	f.samples = c->frame_samples;
	f.rate = c->core_rate;
	f.from_ns = last_ns + ns_from_ticks(f.samples, f.rate);
	hole = until_ns - f.from_ns;
	if (f.au.len && hole > 0 && hole <= SILENCE_MAX_NS)
		f.count =
			(uint32_t)((ns_to_ticks(hole, f.rate) + f.samples / 2) /
				   f.samples);
	return f;
}

int64_t silence_at_ns(const struct silence_fill *f, uint32_t i)
{
	return f->from_ns + ns_from_ticks((int64_t)i * f->samples, f->rate);
}
