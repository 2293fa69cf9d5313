/* common/media/aac.c - AAC headers: AudioSpecificConfig and ADTS. */
#include "common/media/aac.h"

#include "common/base/bits.h"

#define RATE_ESCAPE     15
#define SYNC_SBR        0x2b7
#define SYNC_PS         0x548
#define ADTS_HEAD_BYTES 7
#define ADTS_FRAME_MAX  0x1fff

static const uint32_t rates[13] = {96000, 88200, 64000, 48000, 44100,
				   32000, 24000, 22050, 16000, 12000,
				   11025, 8000,  7350};

static const uint8_t channel_counts[16] = {0, 1, 2, 3, 4, 5, 6, 8,
					   0, 0, 0, 7, 8, 0, 8, 0};

/* ---- AudioSpecificConfig ---- */

static uint8_t read_object_type(struct bits *b)
{
	uint32_t type = bits_u(b, 5);

	return (uint8_t)(type == 31 ? 32 + bits_u(b, 6) : type);
}

/* 0 when it is reserved. */
static uint32_t rate_at(uint32_t index)
{
	return index < WEIR_ARRAY_LEN(rates) ? rates[index] : 0;
}

static uint32_t read_rate(struct bits *b)
{
	uint32_t index = bits_u(b, 4);

	return index == RATE_ESCAPE ? bits_u(b, 24) : rate_at(index);
}

/* program_config_element: returns the number of channels. */
static uint8_t read_program(struct bits *b)
{
	unsigned channels = 0;
	unsigned elements;
	unsigned lfe;
	unsigned assoc;
	unsigned coupling;

	bits_skip(b, 10); /* tag, object type, rate index */
	elements = bits_u(b, 4);
	elements += bits_u(b, 4);
	elements += bits_u(b, 4);
	lfe = bits_u(b, 2);
	assoc = bits_u(b, 3);
	coupling = bits_u(b, 4);
	bits_skip(b, bits_flag(b) ? 4 : 0); /* mixdowns */
	bits_skip(b, bits_flag(b) ? 4 : 0);
	bits_skip(b, bits_flag(b) ? 3 : 0);
	for (unsigned i = 0; i < elements; i++) {
		channels += bits_flag(b) ? 2 : 1;
		bits_skip(b, 4);
	}
	bits_skip(b, 4 * lfe + 4 * assoc + 5 * coupling);
	bits_skip(b, b->left); /* the comment is byte-aligned */
	bits_skip(b, 8 * bits_u(b, 8));
	return bits_failed(b) ? 0 : (uint8_t)(channels + lfe);
}

static bool is_low_delay(uint8_t object_type)
{
	return object_type == 23 || object_type == 39;
}

/* GASpecificConfig, as far as what follows it matters. */
static void read_general(struct aac_config *c, struct bits *b)
{
	bool is_short = bits_flag(b);

	if (is_low_delay(c->object_type))
		c->frame_samples = is_short ? 480 : 512;
	else
		c->frame_samples = is_short ? 960 : 1024;
	if (c->object_type > AAC_LTP)
		return;
	if (bits_flag(b)) /* dependsOnCoreCoder */
		bits_skip(b, 14);
	bits_skip(b, 1); /* extensionFlag */
	if (!c->channel_config)
		c->channels = read_program(b);
}

/* SBR and PS behind the rest, where old decoders do not look. */
static void read_extension(struct aac_config *c, struct bits *b)
{
	uint32_t rate;

	if (bits_u(b, 11) != SYNC_SBR || read_object_type(b) != AAC_SBR ||
	    !bits_flag(b))
		return;
	rate = read_rate(b);
	if (bits_failed(b) || !rate)
		return;
	c->has_sbr = true;
	c->rate = rate;
	c->has_ps = bits_u(b, 11) == SYNC_PS && bits_flag(b);
}

static void read_core(struct aac_config *c, struct bits *b)
{
	c->object_type = read_object_type(b);
	c->core_rate = read_rate(b);
	c->channel_config = (uint8_t)bits_u(b, 4);
	c->rate = c->core_rate;
	c->frame_samples = 1024;
	c->channels = channel_counts[c->channel_config];
	if (c->object_type != AAC_SBR && c->object_type != AAC_PS)
		return;
	c->has_sbr = true;
	c->has_ps = c->object_type == AAC_PS;
	c->rate = read_rate(b);
	c->object_type = read_object_type(b);
}

int aac_config_parse(struct aac_config *out, struct span asc)
{
	struct bits b = bits_of(asc);
	struct aac_config c = {0};

	read_core(&c, &b);
	if (bits_failed(&b) || !c.object_type || !c.core_rate || !c.rate)
		return WEIR_EPROTO;
	/* What is cut off from here on keeps its default. */
	read_general(&c, &b);
	if (!c.has_sbr && c.object_type <= AAC_LTP)
		read_extension(&c, &b);
	if (c.has_ps && c.channels == 1)
		c.channels = 2;
	*out = c;
	return 0;
}

struct bit_writer {
	uint8_t byte[16];
	unsigned count; /* bits */
};

static void put_bits(struct bit_writer *w, unsigned count, uint32_t v)
{
	while (count-- && w->count < 8 * sizeof(w->byte)) {
		if (v >> count & 1)
			w->byte[w->count / 8] |=
				(uint8_t)(0x80 >> w->count % 8);
		w->count++;
	}
}

static unsigned rate_index(uint32_t rate)
{
	unsigned i = 0;

	while (i < WEIR_ARRAY_LEN(rates) && rates[i] != rate)
		i++;
	return i < WEIR_ARRAY_LEN(rates) ? i : RATE_ESCAPE;
}

static void put_rate(struct bit_writer *w, uint32_t rate)
{
	unsigned index = rate_index(rate);

	put_bits(w, 4, index);
	if (index == RATE_ESCAPE)
		put_bits(w, 24, rate);
}

static bool is_buildable(const struct aac_config *c)
{
	return c->object_type >= AAC_MAIN && c->object_type <= AAC_LTP &&
	       c->channel_config && c->channel_config < 16 &&
	       (c->frame_samples == 1024 || c->frame_samples == 960) &&
	       c->core_rate && c->core_rate < 1u << 24 &&
	       (!c->has_sbr || (c->rate && c->rate < 1u << 24));
}

int aac_config_build(struct buf *out, const struct aac_config *c)
{
	struct bit_writer w = {0};

	if (!is_buildable(c))
		return WEIR_EINVAL;
	put_bits(&w, 5, c->object_type);
	put_rate(&w, c->core_rate);
	put_bits(&w, 4, c->channel_config);
	put_bits(&w, 1, c->frame_samples == 960);
	put_bits(&w, 2, 0); /* no core coder, no extension */
	if (c->has_sbr) {
		put_bits(&w, 11, SYNC_SBR);
		put_bits(&w, 5, AAC_SBR);
		put_bits(&w, 1, 1);
		put_rate(&w, c->rate);
	}
	if (c->has_sbr && c->has_ps) {
		put_bits(&w, 11, SYNC_PS);
		put_bits(&w, 1, 1);
	}
	buf_put(out, (struct span){w.byte, (w.count + 7) / 8});
	return buf_error(out);
}

bool aac_config_eq(struct span a, struct span b)
{
	struct aac_config x;
	struct aac_config y;

	if (span_eq(a, b))
		return true;
	if (aac_config_parse(&x, a) || aac_config_parse(&y, b))
		return false;
	/* Without a channel_config the layout is in what was not compared. */
	return x.channel_config && x.channel_config == y.channel_config &&
	       x.object_type <= AAC_LTP && x.object_type == y.object_type &&
	       x.has_sbr == y.has_sbr && x.has_ps == y.has_ps &&
	       x.core_rate == y.core_rate && x.rate == y.rate &&
	       x.frame_samples == y.frame_samples;
}

/* ---- ADTS ---- */

int aac_adts_parse(struct aac_adts *out, struct span in)
{
	struct bits b = bits_of(span_first(in, ADTS_HEAD_BYTES));
	struct aac_adts h = {0};
	bool has_checksum;
	uint32_t sync = bits_u(&b, 12);
	uint32_t layer;

	bits_skip(&b, 1); /* MPEG-2 or MPEG-4 */
	layer = bits_u(&b, 2);
	has_checksum = !bits_flag(&b);
	h.config.object_type = (uint8_t)(bits_u(&b, 2) + 1);
	h.config.core_rate = h.config.rate = rate_at(bits_u(&b, 4));
	bits_skip(&b, 1); /* private */
	h.config.channel_config = (uint8_t)bits_u(&b, 3);
	bits_skip(&b, 4); /* original, home, copyright */
	h.frame_bytes = (uint16_t)bits_u(&b, 13);
	bits_skip(&b, 11); /* buffer fullness */
	h.block_count = (uint8_t)(bits_u(&b, 2) + 1);
	h.head_bytes = has_checksum ? 9 : 7;
	h.config.frame_samples = 1024;
	h.config.channels = channel_counts[h.config.channel_config];
	if (bits_failed(&b) || in.len < h.head_bytes)
		return WEIR_ESHORT;
	if (sync != 0xfff || layer || !h.config.rate ||
	    h.frame_bytes < h.head_bytes)
		return WEIR_EPROTO;
	*out = h;
	return 0;
}

int aac_adts_write(struct buf *out, const struct aac_config *c,
		   size_t payload_bytes)
{
	struct bit_writer w = {0};

	if (c->object_type < AAC_MAIN || c->object_type > AAC_LTP ||
	    rate_index(c->core_rate) == RATE_ESCAPE || c->channel_config > 7 ||
	    payload_bytes > ADTS_FRAME_MAX - ADTS_HEAD_BYTES)
		return WEIR_EINVAL;
	put_bits(&w, 16, 0xfff1); /* MPEG-4, no checksum */
	put_bits(&w, 2, c->object_type - 1u);
	put_bits(&w, 4, rate_index(c->core_rate));
	put_bits(&w, 1, 0);
	put_bits(&w, 3, c->channel_config);
	put_bits(&w, 4, 0);
	put_bits(&w, 13, (uint32_t)payload_bytes + ADTS_HEAD_BYTES);
	put_bits(&w, 11, 0x7ff); /* variable rate */
	put_bits(&w, 2, 0);      /* one raw data block */
	buf_put(out, (struct span){w.byte, ADTS_HEAD_BYTES});
	return buf_error(out);
}

struct span aac_silence(const struct aac_config *c)
{
	/* single_channel_element: tag, gain, max_sfb, flags are all 0 */
	static const uint8_t mono[] = {0, 0, 0, 0x07};
	/* channel_pair_element with common_window, else all 0 */
	static const uint8_t stereo[] = {0x21, 0, 0, 0, 0, 0x1c};

	if (c->object_type != AAC_LC || c->has_ps)
		return (struct span){0};
	if (c->channel_config == 1)
		return SPAN(mono);
	if (c->channel_config == 2)
		return SPAN(stereo);
	return (struct span){0};
}
