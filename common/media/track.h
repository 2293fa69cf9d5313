/* common/media/track.h - what a stream consists of: the TRACKS state frame.
 *
 * Payload, little-endian: u8 version (1), u8 count, then for each track
 *   u16 id, u8 kind, u8 codec, u8 form, u8 is_default, u16 width, u16 height,
 *   u32 rate, u8 channels, u8 group, u16 fps_x100,
 *   u8 + language, u8 + label (UTF-8, no NUL)
 * A reader skips nothing: unknown versions are WEIR_EUNSUPPORTED. Track ids are
 * not 0, and each stands once. Codecs and forms that are not known here are
 * carried.
 */
#ifndef WEIR_MEDIA_TRACK_H
#define WEIR_MEDIA_TRACK_H

#include "common/base/buf.h"
#include "common/media/frame.h"

#define TRACKS_MAX 16

/* Values are on the wire: never renumber. */
enum codec {
	CODEC_NONE = 0,
	CODEC_H264 = 1,
	CODEC_H265 = 2,
	CODEC_AV1 = 3,
	CODEC_AAC = 32,
	CODEC_MP3 = 33,
	CODEC_OPUS = 34,
	CODEC_PCMA = 35, /* G.711 A-law */
	CODEC_PCMU = 36, /* G.711 mu-law */
};

/* How the publisher itself wrote the codec, where outputs keep that form. */
enum track_form {
	FORM_PLAIN = 0,
	FORM_LEGACY_ID12 = 1, /* H.265 as FLV codec id 12 */
	FORM_ENHANCED = 2,    /* H.265 as FourCC hvc1 */
};

struct track {
	uint16_t id;   /* 1 for the first video track, 2 for the first audio */
	uint8_t kind;  /* FRAME_VIDEO, FRAME_AUDIO, FRAME_DATA or FRAME_RAW */
	uint8_t codec; /* enum codec */
	uint8_t form;  /* enum track_form */
	bool is_default;
	uint8_t group;
	uint8_t channels;
	uint16_t width;    /* pixels; 0 unknown */
	uint16_t height;   /* pixels */
	uint16_t fps_x100; /* frames per 100 s; 0 unknown */
	uint32_t rate;     /* audio: samples per second; video: 0 */
	char language[16];
	char label[32];
};

struct tracks {
	uint8_t count;
	struct track track[TRACKS_MAX];
};

/* Append the payload of a TRACKS frame. Errors are the buffer's. A text ends
 * before the first byte that is not UTF-8 (a character that was cut off). */
void tracks_write(struct buf *out, const struct tracks *t);

/* Returns 0, WEIR_EPROTO, WEIR_ELIMIT or WEIR_EUNSUPPORTED. */
WEIR_MUST_CHECK int tracks_read(struct tracks *out, struct span payload);

/* The first track of the kind, or NULL; and by id. */
const struct track *tracks_first(const struct tracks *t, uint8_t kind);
const struct track *tracks_find(const struct tracks *t, uint16_t id);

/* Does a codec have a decoder configuration that must come first? */
bool codec_has_config(uint8_t codec);

/* "H.264", "AAC", …: for people; "unknown". */
const char *codec_name(uint8_t codec);

/* "H264", "H265", "AAC", "PCMA", "PCMU", "OPUS", "MP3": lal's API names;
 * "" for what has none. */
const char *codec_api_name(uint8_t codec);

#endif
