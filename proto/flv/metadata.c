/* proto/flv/metadata.c - FLV: onMetaData that agrees with the tracks. */
#include <strings.h>

#include "common/media/amf0.h"
#include "proto/flv/flv.h"
#include "proto/flv/ids.h"

struct writer {
	struct buf *out;
	uint32_t count;
	const struct track *video; /* NULL: none that FLV can carry */
	const struct track *audio;
};

/* A key that speaks of a track. Its own value wins over the publisher's word;
 * where the track does not know (0), that word stays; without such a track
 * nothing is said. */
struct track_key {
	const char *name;
	uint8_t kind;
	bool is_boolean;
	double (*value)(const struct track *t); /* NULL: none of our own */
};

static double width_of(const struct track *t)
{
	return t->width;
}

static double height_of(const struct track *t)
{
	return t->height;
}

static double fps_of(const struct track *t)
{
	return t->fps_x100 / 100.0;
}

static double video_id_of(const struct track *t)
{
	return flv_video_id(t->codec);
}

static double audio_id_of(const struct track *t)
{
	return flv_audio_id(t->codec);
}

static double rate_of(const struct track *t)
{
	return t->rate;
}

static double channels_of(const struct track *t)
{
	return t->channels;
}

static const struct track_key track_keys[] = {
	{"width", FRAME_VIDEO, false, width_of},
	{"height", FRAME_VIDEO, false, height_of},
	{"framerate", FRAME_VIDEO, false, fps_of},
	{"videocodecid", FRAME_VIDEO, false, video_id_of},
	{"videodatarate", FRAME_VIDEO, false, NULL},
	{"audiocodecid", FRAME_AUDIO, false, audio_id_of},
	{"audiosamplerate", FRAME_AUDIO, false, rate_of},
	{"audiochannels", FRAME_AUDIO, false, channels_of},
	{"stereo", FRAME_AUDIO, true, channels_of},
	{"audiosamplesize", FRAME_AUDIO, false, NULL},
	{"audiodatarate", FRAME_AUDIO, false, NULL},
};

/* What is true of a whole file, and never of a live stream. */
static const char *const file_keys[] = {
	"duration",
	"filesize",
	"datasize",
	"videosize",
	"audiosize",
	"keyframes",
	"hasKeyframes",
	"hasVideo",
	"hasAudio",
	"hasMetadata",
	"hasCuePoints",
	"cuePoints",
	"canSeekToEnd",
	"lasttimestamp",
	"lastkeyframetimestamp",
	"lastkeyframelocation",
	"totalframes",
};

static bool is_key(struct span key, const char *name)
{
	return key.len == strlen(name) &&
	       !strncasecmp((const char *)key.data, name, key.len);
}

static const struct track *track_for(const struct writer *w, uint8_t kind)
{
	return kind == FRAME_VIDEO ? w->video : w->audio;
}

/* 0: unknown, or nothing to be said. */
static double own_value(const struct writer *w, const struct track_key *key)
{
	const struct track *t = track_for(w, key->kind);

	return t && key->value ? key->value(t) : 0;
}

static void put_own(struct writer *w)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(track_keys); i++) {
		double value = own_value(w, &track_keys[i]);

		if (!value)
			continue;
		amf0_put_key(w->out, track_keys[i].name);
		if (track_keys[i].is_boolean)
			amf0_put_bool(w->out, value > 1);
		else
			amf0_put_number(w->out, value);
		w->count++;
	}
}

static bool is_kept(const struct writer *w, struct span key)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(file_keys); i++)
		if (is_key(key, file_keys[i]))
			return false;
	for (size_t i = 0; i < WEIR_ARRAY_LEN(track_keys); i++)
		if (is_key(key, track_keys[i].name))
			return track_for(w, track_keys[i].kind) &&
			       !own_value(w, &track_keys[i]);
	return true;
}

static void put_value(struct buf *out, const struct amf0_value *v)
{
	switch (v->type) {
	case AMF0_NUMBER:
		amf0_put_number(out, v->number);
		break;
	case AMF0_BOOLEAN:
		amf0_put_bool(out, v->boolean);
		break;
	case AMF0_DATE:
		amf0_put_date(out, v->number);
		break;
	default:
		amf0_put_string(out, v->text);
		break;
	}
}

static bool is_plain_value(const struct amf0_value *v)
{
	return v->type == AMF0_NUMBER || v->type == AMF0_BOOLEAN ||
	       v->type == AMF0_DATE || amf0_is_string(v);
}

static void put_publishers(struct writer *w, const struct amf0_value *object)
{
	struct amf0_walk walk = amf0_walk_of(object);

	while (amf0_walk_next(&walk)) {
		if (!walk.key.len || !is_plain_value(&walk.value) ||
		    !is_kept(w, walk.key))
			continue;
		amf0_put_key_span(w->out, walk.key);
		put_value(w->out, &walk.value);
		w->count++;
	}
}

/* The object in `meta`, also when names stand before it. */
static bool read_object(struct amf0_value *out, struct span meta)
{
	for (int i = 0; i < 3; i++) {
		if (amf0_read(out, &meta, NULL))
			return false;
		if (amf0_is_object(out))
			return true;
	}
	return false;
}

static const struct track *first_carried(const struct tracks *tracks,
					 uint8_t kind)
{
	for (uint8_t i = 0; i < tracks->count; i++)
		if (tracks->track[i].kind == kind &&
		    flv_can_carry(&tracks->track[i]))
			return &tracks->track[i];
	return NULL;
}

/* The array's count stands before its keys: put it there afterwards. */
static void patch_count(struct buf *out, size_t at, uint32_t count)
{
	if (buf_error(out))
		return;
	for (unsigned i = 0; i < 4; i++)
		out->data[at + i] = (uint8_t)(count >> (8 * (3 - i)));
}

int flv_metadata_write(struct buf *out, const struct tracks *tracks,
		       struct span meta)
{
	struct writer w = {out, 0, first_carried(tracks, FRAME_VIDEO),
			   first_carried(tracks, FRAME_AUDIO)};
	struct amf0_value object;
	struct amf0_value unused;
	bool has_object = read_object(&object, meta);
	size_t count_at;

	amf0_put_text(out, "onMetaData");
	count_at = out->len + 1; /* behind the marker */
	amf0_put_ecma_array(out, 0);
	put_own(&w);
	if (has_object)
		put_publishers(&w, &object);
	if (!has_object || !amf0_find(&object, "encoder", &unused)) {
		amf0_put_key(out, "encoder");
		amf0_put_text(out, "weir");
		w.count++;
	}
	amf0_put_object_end(out);
	patch_count(out, count_at, w.count);
	return buf_error(out);
}
