/* proto/flv/body.c - FLV: what is in a tag's body or an RTMP message. */
#include "common/base/reader.h"
#include "common/media/amf0.h"
#include "proto/flv/flv.h"
#include "proto/flv/ids.h"

static void set_name(struct flv_unit *u, const char *name)
{
	size_t len = strlen(name);

	len = WEIR_MIN(len, sizeof(u->name) - 1);
	memcpy(u->name, name, len);
	u->name[len] = '\0';
}

/* A payload of no bytes carries nothing. */
static void set_payload(struct flv_unit *u, enum flv_what what,
			struct reader *r)
{
	u->payload = read_rest(r);
	u->what = u->payload.len ? what : FLV_IGNORE;
}

/* ---- Enhanced RTMP ---- */

static uint8_t codec_of_fourcc(const char *fourcc)
{
	static const struct {
		char fourcc[5];
		uint8_t codec;
	} known[] = {
		{"avc1", CODEC_H264}, {"hvc1", CODEC_H265},
		{"av01", CODEC_AV1},  {"mp4a", CODEC_AAC},
		{".mp3", CODEC_MP3},  {"Opus", CODEC_OPUS},
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(known); i++)
		if (!memcmp(fourcc, known[i].fourcc, 4))
			return known[i].codec;
	return CODEC_NONE;
}

/* Not carried yet, but named. Packet types from 5 (audio) or 6 (video) on have
 * other bytes before the FourCC. */
static void parse_enhanced(struct flv_unit *u, struct reader *r, uint8_t packet)
{
	struct span fourcc = read_span(r, 4);
	char name[5] = {0};

	u->is_enhanced = true;
	if (reader_failed(r))
		return;
	u->what = FLV_UNSUPPORTED;
	if (packet >= (u->kind == FRAME_VIDEO ? 6 : 5)) {
		set_name(u, "multitrack");
		return;
	}
	memcpy(name, fourcc.data, 4);
	for (size_t i = 0; i < 4; i++)
		if (name[i] <= 0x20 || name[i] >= 0x7f)
			name[i] = '?';
	set_name(u, name);
	u->codec = codec_of_fourcc(name);
	u->form = FORM_ENHANCED;
	u->payload = read_rest(r);
}

/* ---- Video ---- */

static const char *other_video(uint8_t id)
{
	static const char *const names[16] = {
		[2] = "Sorenson H.263",
		[3] = "Screen Video",
		[4] = "VP6",
		[5] = "VP6 alpha",
		[6] = "Screen Video 2",
		[13] = "AV1 id 13",
		[14] = "VVC id 14",
	};

	return names[id] ? names[id] : "unknown video";
}

static void parse_avc(struct flv_unit *u, struct reader *r)
{
	uint8_t packet = read_u8(r);
	uint32_t composition;

	if (!reader_failed(r) && packet == FLV_PACKET_END) {
		u->what = FLV_END;
		return;
	}
	composition = read_u24(r);
	if (reader_failed(r) || packet > FLV_PACKET_END)
		return;
	if (packet == FLV_PACKET_CONFIG) {
		set_payload(u, FLV_CONFIG, r);
		return;
	}
	u->composition_ms = (int32_t)composition;
	if (composition & 0x800000)
		u->composition_ms -= 0x1000000;
	set_payload(u, FLV_FRAME, r);
}

static void parse_video(struct flv_unit *u, struct reader *r)
{
	uint8_t flags = read_u8(r);
	uint8_t type = flags >> 4 & 7;
	uint8_t id = flags & 0xf;

	u->kind = FRAME_VIDEO;
	u->is_key = type == FLV_FRAME_KEY || type == FLV_FRAME_GENERATED_KEY;
	u->is_disposable = type == FLV_FRAME_DISPOSABLE;
	if (reader_failed(r) || type == FLV_FRAME_COMMAND)
		return;
	if (flags & 0x80) {
		parse_enhanced(u, r, id);
		return;
	}
	if (id != FLV_VIDEO_H264 && id != FLV_VIDEO_H265) {
		u->what = FLV_UNSUPPORTED;
		set_name(u, other_video(id));
		return;
	}
	u->codec = id == FLV_VIDEO_H264 ? CODEC_H264 : CODEC_H265;
	u->form = id == FLV_VIDEO_H265 ? FORM_LEGACY_ID12 : FORM_PLAIN;
	set_name(u, codec_name(u->codec));
	parse_avc(u, r);
}

/* ---- Audio ---- */

static const char *other_audio(uint8_t format)
{
	static const char *const names[16] = {
		[0] = "PCM",        [1] = "ADPCM",
		[3] = "PCM",        [4] = "Nellymoser",
		[5] = "Nellymoser", [6] = "Nellymoser",
		[11] = "Speex",     [15] = "device specific",
	};

	return names[format] ? names[format] : "unknown audio";
}

static uint8_t codec_of_sound(uint8_t format)
{
	switch (format) {
	case FLV_SOUND_MP3:
	case FLV_SOUND_MP3_8K:
		return CODEC_MP3;
	case FLV_SOUND_PCMA:
		return CODEC_PCMA;
	case FLV_SOUND_PCMU:
		return CODEC_PCMU;
	case FLV_SOUND_AAC:
		return CODEC_AAC;
	case FLV_SOUND_OPUS:
		return CODEC_OPUS;
	default:
		return CODEC_NONE;
	}
}

static void read_sound_flags(struct flv_unit *u, uint8_t flags)
{
	static const uint32_t rates[4] = {5512, 11025, 22050, 44100};
	uint8_t format = flags >> 4;

	u->rate = rates[flags >> 2 & 3];
	u->sample_bits = flags & 2 ? 16 : 8;
	u->channels = flags & 1 ? 2 : 1;
	/* These have rates of their own; AAC and Opus tell theirs inside. */
	if (format == FLV_SOUND_PCMA || format == FLV_SOUND_PCMU ||
	    format == FLV_SOUND_MP3_8K)
		u->rate = 8000;
}

static void parse_audio(struct flv_unit *u, struct reader *r)
{
	uint8_t flags = read_u8(r);
	uint8_t packet = FLV_PACKET_FRAME;

	u->kind = FRAME_AUDIO;
	if (reader_failed(r))
		return;
	if (flags >> 4 == FLV_SOUND_ENHANCED) {
		parse_enhanced(u, r, flags & 0xf);
		return;
	}
	read_sound_flags(u, flags);
	u->codec = codec_of_sound(flags >> 4);
	if (u->codec == CODEC_NONE) {
		u->what = FLV_UNSUPPORTED;
		set_name(u, other_audio(flags >> 4));
		return;
	}
	set_name(u, codec_name(u->codec));
	if (u->codec == CODEC_AAC)
		packet = read_u8(r);
	if (reader_failed(r) || packet > FLV_PACKET_FRAME)
		return;
	set_payload(u, packet == FLV_PACKET_CONFIG ? FLV_CONFIG : FLV_FRAME, r);
}

/* ---- Script ---- */

static bool is_named(const struct amf0_value *v, const char *name)
{
	return amf0_is_string(v) && span_eq_str(v->text, name);
}

/* [@setDataFrame] onMetaData {…}: what stands between the braces' ends. */
static bool find_metadata(struct span *out, struct span body)
{
	struct amf0_value v;
	struct span rest = body;
	struct span object;

	if (amf0_read(&v, &rest, NULL))
		return false;
	if (is_named(&v, "@setDataFrame") && amf0_read(&v, &rest, NULL))
		return false;
	if (!is_named(&v, "onMetaData"))
		return false;
	object = rest;
	if (amf0_read(&v, &rest, NULL) || !amf0_is_object(&v))
		return false;
	*out = span_first(object, object.len - rest.len);
	return true;
}

static void parse_script(struct flv_unit *u, struct span body)
{
	if (!body.len)
		return;
	u->what = find_metadata(&u->payload, body) ? FLV_META : FLV_DATA;
	if (u->what == FLV_DATA)
		u->payload = body;
}

void flv_body_parse(struct flv_unit *out, uint8_t type, struct span body)
{
	struct reader r = reader_of(body);

	*out = (struct flv_unit){0};
	switch (type) {
	case FLV_AUDIO:
		parse_audio(out, &r);
		break;
	case FLV_VIDEO:
		parse_video(out, &r);
		break;
	case FLV_SCRIPT:
		parse_script(out, body);
		break;
	default:
		break;
	}
}
