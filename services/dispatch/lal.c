/* services/dispatch/lal.c - lal's JSON from what the cluster knows. */
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/json.h"
#include "common/media/track.h"
#include "services/dispatch/internal.h"

static const char *get_text(struct json_object *o, const char *name)
{
	const char *text = o ? member_json_text(o, name) : NULL;

	return text ? text : "";
}

static int64_t get_int(struct json_object *o, const char *name)
{
	struct json_object *v;

	if (!o || !json_object_object_get_ex(o, name, &v))
		return 0;
	return json_object_get_int64(v);
}

void lal_time(char out[LAL_TIME_SIZE], int64_t utc_us)
{
	char iso[IO_UTC_TEXT_SIZE]; /* 2026-01-02T03:04:05.678Z */
	size_t len;

	io_utc_text(iso, utc_us);
	len = strlen("2026-01-02T03:04:05.678");
	while (iso[len - 1] == '0')
		len--;
	if (iso[len - 1] == '.')
		len--;
	snprintf(out, LAL_TIME_SIZE, "%.10s %.*s +0000 UTC", iso,
		 (int)(len - 11), iso + 11);
}

/* StatSession; `s` NULL: the empty one. */
static struct json_object *lal_session(struct json_object *s)
{
	struct json_object *o = json_object_new_object();
	char start[LAL_TIME_SIZE] = "";
	bool is_sub = !strcmp(get_text(s, "base_type"), "SUB");
	int64_t read = get_int(s, "read_kbits"),
		wrote = get_int(s, "write_kbits");

	if (s)
		lal_time(start, get_int(s, "start_us"));
	json_add_text(o, "session_id", get_text(s, "session_id"));
	json_add_text(o, "protocol", get_text(s, "protocol"));
	json_add_text(o, "base_type", get_text(s, "base_type"));
	json_add_text(o, "remote_addr", get_text(s, "remote_addr"));
	json_add_text(o, "start_time", start);
	json_add_int(o, "read_bytes_sum", get_int(s, "read_bytes"));
	json_add_int(o, "wrote_bytes_sum", get_int(s, "wrote_bytes"));
	json_add_int(o, "bitrate_kbits", is_sub ? wrote : read);
	json_add_int(o, "read_bitrate_kbits", read);
	json_add_int(o, "write_bitrate_kbits", wrote);
	return o;
}

static struct json_object *child(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (o)
		json_object_object_get_ex(o, name, &v);
	return v;
}

static void add_sessions(struct json_object *group, struct json_object *list)
{
	struct json_object *pub = NULL, *pull = NULL, *subs = NULL;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *s = json_object_array_get_idx(list, i);
		const char *type = get_text(s, "base_type");

		if (!strcmp(type, "PUB")) {
			pub = s;
		} else if (!strcmp(type, "PULL")) {
			pull = s;
		} else if (!strcmp(type, "SUB")) {
			if (!subs)
				subs = json_object_new_array();
			json_object_array_add(subs, lal_session(s));
		}
	}
	json_object_object_add(group, "pub", lal_session(pub));
	json_object_object_add(group, "subs", subs);
	json_object_object_add(group, "pull", lal_session(pull));
}

struct json_object *lal_group(struct json_object *streams, const char *key)
{
	struct json_object *entry = child(streams, key);
	struct json_object *stream = child(entry, "stream");
	struct json_object *video = child(stream, "video");
	struct json_object *audio = child(stream, "audio");
	struct json_object *fps = child(stream, "in_frame_per_sec");
	struct json_object *o = json_object_new_object();
	const char *slash = strchr(key, '/');
	char app[STREAM_KEY_MAX + 1];

	snprintf(app, sizeof(app), "%.*s", (int)(slash ? slash - key : 0), key);
	json_add_text(o, "stream_name", slash ? slash + 1 : key);
	json_add_text(o, "app_name", app);
	json_add_text(o, "audio_codec", get_text(audio, "api_codec"));
	json_add_text(o, "video_codec", get_text(video, "api_codec"));
	json_add_int(o, "video_width", get_int(video, "width"));
	json_add_int(o, "video_height", get_int(video, "height"));
	add_sessions(o, child(entry, "sessions"));
	json_object_object_add(o, "in_frame_per_sec",
			       fps ? json_object_get(fps)
				   : json_object_new_array());
	return o;
}

/* ---- what was gathered, by stream ---- */

static struct json_object *open_entry(struct json_object *streams,
				      const char *key)
{
	struct json_object *entry = child(streams, key);

	if (entry || !*key)
		return entry;
	entry = json_object_new_object();
	json_object_object_add(entry, "sessions", json_object_new_array());
	json_object_object_add(streams, key, entry);
	return entry;
}

static void add_entry(void *ctx, const struct stream_entry *e)
{
	if (!e->is_ended)
		open_entry(ctx, e->key.text);
}

struct json_object *lal_streams(struct copy *copy, const struct gathered *g)
{
	struct json_object *streams = json_object_new_object(), *entry, *o;

	copy_each_stream(copy, add_entry, streams);
	for (size_t i = 0; i < json_object_array_length(g->sessions); i++) {
		o = json_object_array_get_idx(g->sessions, i);
		entry = open_entry(streams, get_text(o, "stream"));
		if (entry)
			json_object_array_add(child(entry, "sessions"),
					      json_object_get(o));
	}
	for (size_t i = 0; i < json_object_array_length(g->streams); i++) {
		o = json_object_array_get_idx(g->streams, i);
		entry = child(streams, get_text(o, "stream"));
		if (entry)
			json_object_object_add(entry, "stream",
					       json_object_get(o));
	}
	return streams;
}

const char *lal_resolve(struct json_object *streams, const char *name)
{
	char live[STREAM_KEY_MAX + 8];
	const char *found = NULL;
	unsigned count = 0;

	snprintf(live, sizeof(live), "live/%s", name);
	json_object_object_foreach(streams, key, entry)
	{
		const char *slash = strchr(key, '/');

		(void)entry;
		if (!strcmp(key, name))
			return key;
		if (!slash || strcmp(slash + 1, name) != 0)
			continue;
		/* The app that a bare name stands for beats all others. */
		if (!strcmp(key, live))
			count = 0;
		else if (found && !strcmp(found, live))
			continue;
		found = key;
		count++;
	}
	return count == 1 ? found : NULL;
}
