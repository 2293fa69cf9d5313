/* common/media/track.c - the payload of TRACKS frames; names of codecs. */
#include "common/media/track.h"

#include "common/base/reader.h"
#include "common/base/utf8.h"

#define TRACKS_VERSION 1

/* A text that was cut in the middle of a character loses that character, so
 * that what is written can always be read. */
static void text_write(struct buf *out, const char *text, size_t size)
{
	struct span s = span_of(text, strnlen(text, size - 1));

	s.len = utf8_valid_len(s);
	buf_put_u8(out, (uint8_t)s.len);
	buf_put(out, s);
}

static void track_write(struct buf *out, const struct track *t)
{
	buf_put_u16_le(out, t->id);
	buf_put_u8(out, t->kind);
	buf_put_u8(out, t->codec);
	buf_put_u8(out, t->form);
	buf_put_u8(out, t->is_default);
	buf_put_u16_le(out, t->width);
	buf_put_u16_le(out, t->height);
	buf_put_u32_le(out, t->rate);
	buf_put_u8(out, t->channels);
	buf_put_u8(out, t->group);
	buf_put_u16_le(out, t->fps_x100);
	text_write(out, t->language, sizeof(t->language));
	text_write(out, t->label, sizeof(t->label));
}

void tracks_write(struct buf *out, const struct tracks *t)
{
	BUG_ON(t->count > TRACKS_MAX);
	buf_put_u8(out, TRACKS_VERSION);
	buf_put_u8(out, t->count);
	for (unsigned i = 0; i < t->count; i++)
		track_write(out, &t->track[i]);
}

static int text_read(struct reader *r, char *out, size_t size)
{
	struct span s = read_span(r, read_u8(r));

	if (s.len >= size)
		return WEIR_ELIMIT;
	if (!s.len)
		return 0;
	if (utf8_valid_len(s) != s.len || memchr(s.data, 0, s.len))
		return WEIR_EPROTO;
	memcpy(out, s.data, s.len);
	return 0;
}

static int track_read(struct reader *r, struct track *t)
{
	uint8_t is_default;
	int err;

	t->id = read_u16_le(r);
	t->kind = read_u8(r);
	t->codec = read_u8(r);
	t->form = read_u8(r);
	is_default = read_u8(r);
	t->width = read_u16_le(r);
	t->height = read_u16_le(r);
	t->rate = read_u32_le(r);
	t->channels = read_u8(r);
	t->group = read_u8(r);
	t->fps_x100 = read_u16_le(r);
	err = text_read(r, t->language, sizeof(t->language));
	if (!err)
		err = text_read(r, t->label, sizeof(t->label));
	if (err)
		return err;
	if (reader_failed(r) || is_default > 1 || !t->id ||
	    t->kind < FRAME_VIDEO || t->kind > FRAME_RAW)
		return WEIR_EPROTO;
	t->is_default = is_default;
	return 0;
}

int tracks_read(struct tracks *out, struct span payload)
{
	struct reader r = reader_of(payload);
	struct tracks t = {0};
	uint8_t version = read_u8(&r);
	uint8_t count = read_u8(&r);

	if (reader_failed(&r))
		return WEIR_EPROTO;
	if (version != TRACKS_VERSION)
		return WEIR_EUNSUPPORTED;
	if (count > TRACKS_MAX)
		return WEIR_ELIMIT;
	while (t.count < count) {
		struct track *next = &t.track[t.count];
		int err = track_read(&r, next);

		if (err)
			return err;
		if (tracks_find(&t, next->id))
			return WEIR_EPROTO;
		t.count++;
	}
	if (reader_left(&r))
		return WEIR_EPROTO;
	*out = t;
	return 0;
}

const struct track *tracks_first(const struct tracks *t, uint8_t kind)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->track[i].kind == kind)
			return &t->track[i];
	return NULL;
}

const struct track *tracks_find(const struct tracks *t, uint16_t id)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->track[i].id == id)
			return &t->track[i];
	return NULL;
}

struct codec_names {
	uint8_t codec;
	bool has_config;
	const char *name;
	const char *api_name;
};

static const struct codec_names codecs[] = {
	{CODEC_H264, true, "H.264", "H264"},
	{CODEC_H265, true, "H.265", "H265"},
	{CODEC_AV1, true, "AV1", "AV1"},
	{CODEC_AAC, true, "AAC", "AAC"},
	{CODEC_MP3, false, "MP3", "MP3"},
	{CODEC_OPUS, false, "Opus", "OPUS"},
	{CODEC_PCMA, false, "G.711 A-law", "PCMA"},
	{CODEC_PCMU, false, "G.711 mu-law", "PCMU"},
};

static const struct codec_names *names_of(uint8_t codec)
{
	static const struct codec_names unknown = {0, false, "unknown", ""};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(codecs); i++)
		if (codecs[i].codec == codec)
			return &codecs[i];
	return &unknown;
}

bool codec_has_config(uint8_t codec)
{
	return names_of(codec)->has_config;
}

const char *codec_name(uint8_t codec)
{
	return names_of(codec)->name;
}

const char *codec_api_name(uint8_t codec)
{
	return names_of(codec)->api_name;
}
