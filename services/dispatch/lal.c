/* services/dispatch/lal.c - lal's JSON from what the cluster knows. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/media/track.h"
#include "services/dispatch/internal.h"

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

static void add_int(struct json_object *o, const char *name, int64_t v)
{
	json_object_object_add(o, name, json_object_new_int64(v));
}

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

void lal_answer(struct http_request *req, int code, const char *desp,
		struct json_object *data)
{
	struct json_object *o = json_object_new_object();

	add_int(o, "error_code", code);
	add_text(o, "desp", desp);
	json_object_object_add(o, "data", data);
	http_answer_json(req, 200,
			 span_str(json_object_to_json_string_ext(
				 o, JSON_C_TO_STRING_PLAIN)));
	json_object_put(o);
}

/* "2026-01-02 03:04:05.678 +0000 UTC", zeros at the end of the fraction left
 * out, as Go writes it. */
static void lal_time(char *out, size_t size, int64_t utc_us)
{
	time_t s = (time_t)(utc_us / 1000000);
	int ms = (int)(utc_us / 1000 % 1000);
	char day[32], fraction[8] = "";
	struct tm tm;
	size_t len;

	gmtime_r(&s, &tm);
	strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm);
	if (ms)
		snprintf(fraction, sizeof(fraction), ".%03d", ms);
	len = strlen(fraction);
	while (len && fraction[len - 1] == '0')
		fraction[--len] = '\0';
	snprintf(out, size, "%s%s +0000 UTC", day, fraction);
}

/* StatSession; `s` NULL: the empty one. */
static struct json_object *lal_session(struct json_object *s)
{
	struct json_object *o = json_object_new_object();
	char start[64] = "";
	bool is_sub = !strcmp(get_text(s, "base_type"), "SUB");
	int64_t read = get_int(s, "read_kbits"),
		wrote = get_int(s, "write_kbits");

	if (s)
		lal_time(start, sizeof(start), get_int(s, "start_us"));
	add_text(o, "session_id", get_text(s, "session_id"));
	add_text(o, "protocol", get_text(s, "protocol"));
	add_text(o, "base_type", get_text(s, "base_type"));
	add_text(o, "remote_addr", get_text(s, "remote_addr"));
	add_text(o, "start_time", start);
	add_int(o, "read_bytes_sum", get_int(s, "read_bytes"));
	add_int(o, "wrote_bytes_sum", get_int(s, "wrote_bytes"));
	add_int(o, "bitrate_kbits", is_sub ? wrote : read);
	add_int(o, "read_bitrate_kbits", read);
	add_int(o, "write_bitrate_kbits", wrote);
	return o;
}

static void add_sessions(struct json_object *group, const char *key,
			 const struct gathered *g)
{
	struct json_object *pub = NULL, *subs = NULL;

	for (size_t i = 0; i < json_object_array_length(g->sessions); i++) {
		struct json_object *s =
			json_object_array_get_idx(g->sessions, i);

		if (strcmp(get_text(s, "stream"), key) != 0)
			continue;
		if (!strcmp(get_text(s, "base_type"), "PUB")) {
			pub = s;
			continue;
		}
		if (!subs)
			subs = json_object_new_array();
		json_object_array_add(subs, lal_session(s));
	}
	json_object_object_add(group, "pub", lal_session(pub));
	json_object_object_add(group, "subs", subs);
	json_object_object_add(group, "pull", lal_session(NULL));
}

static struct json_object *find_stream(const struct gathered *g,
				       const char *key)
{
	for (size_t i = 0; i < json_object_array_length(g->streams); i++) {
		struct json_object *s =
			json_object_array_get_idx(g->streams, i);

		if (!strcmp(get_text(s, "stream"), key))
			return s;
	}
	return NULL;
}

static struct json_object *child(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	if (o)
		json_object_object_get_ex(o, name, &v);
	return v;
}

struct json_object *lal_group(struct dispatch *d, const char *key,
			      const struct gathered *g)
{
	struct json_object *stream = find_stream(g, key);
	struct json_object *video = child(stream, "video");
	struct json_object *audio = child(stream, "audio");
	struct json_object *fps = child(stream, "in_frame_per_sec");
	struct json_object *o = json_object_new_object();
	const char *slash = strchr(key, '/');
	char app[STREAM_KEY_MAX + 1];

	(void)d;
	snprintf(app, sizeof(app), "%.*s", (int)(slash ? slash - key : 0), key);
	add_text(o, "stream_name", slash ? slash + 1 : key);
	add_text(o, "app_name", app);
	add_text(o, "audio_codec", get_text(audio, "api_codec"));
	add_text(o, "video_codec", get_text(video, "api_codec"));
	add_int(o, "video_width", get_int(video, "width"));
	add_int(o, "video_height", get_int(video, "height"));
	add_sessions(o, key, g);
	json_object_object_add(o, "in_frame_per_sec",
			       fps ? json_object_get(fps)
				   : json_object_new_array());
	return o;
}

static bool has_key(struct json_object *keys, const char *key)
{
	for (size_t i = 0; i < json_object_array_length(keys); i++)
		if (!strcmp(json_object_get_string(
				    json_object_array_get_idx(keys, i)),
			    key))
			return true;
	return false;
}

static void add_key(struct json_object *keys, const char *key)
{
	if (*key && !has_key(keys, key))
		json_object_array_add(keys, json_object_new_string(key));
}

static void add_entry(void *ctx, const struct stream_entry *e)
{
	if (!e->is_ended)
		add_key(ctx, e->key.text);
}

struct json_object *lal_keys(struct dispatch *d, const struct gathered *g)
{
	struct json_object *keys = json_object_new_array();

	copy_each_stream(store_copy(member_store(d->member)), add_entry, keys);
	for (size_t i = 0; i < json_object_array_length(g->sessions); i++)
		add_key(keys,
			get_text(json_object_array_get_idx(g->sessions, i),
				 "stream"));
	return keys;
}
