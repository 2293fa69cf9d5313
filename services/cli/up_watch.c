/* services/cli/up_watch.c - a line for each publish, asked of dispatch. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/map.h"
#include "common/http/client.h"
#include "common/io/clock.h"
#include "services/cli/up.h"

#define ASK_EACH_MS  1000
#define PATIENCE_MS  12000 /* for a second key frame to come */
#define SLOW_JOIN_MS 4000
#define STREAMS_MAX  4096

struct seen {
	char session[64]; /* tells one publish from the next */
	uint64_t since_ms;
	uint64_t round; /* the last that had it */
	bool is_said;
	char key[]; /* NUL-terminated */
};

struct up_watch {
	struct up *up;
	struct http_client *client;
	struct timer *timer;
	struct map seen; /* key → struct seen */
	uint64_t round;
	bool is_asking;
};

/* ---- the line ---- */

static const char *text_of(struct json_object *o, const char *name)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, name, &v) ||
	    !json_object_is_type(v, json_type_string))
		return "";
	return json_object_get_string(v);
}

static double number_of(struct json_object *o, const char *name)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, name, &v))
		return 0;
	return json_object_get_double(v);
}

static const char *for_people(const char *codec)
{
	if (!strcmp(codec, "H264"))
		return "H.264";
	return !strcmp(codec, "H265") ? "H.265" : codec;
}

static void put_video(struct buf *out, struct json_object *v)
{
	double fps = number_of(v, "fps");

	if (number_of(v, "width") > 0)
		buf_printf(out, " %.0fx%.0f", number_of(v, "width"),
			   number_of(v, "height"));
	buf_printf(out, " %s", for_people(text_of(v, "codec")));
	if (fps > 0) /* 29.97, but 30 and not 30.00 */
		buf_printf(out, " %.4g fps", fps);
}

static void put_audio(struct buf *out, struct json_object *a)
{
	buf_printf(out, " %s", text_of(a, "codec"));
	if (number_of(a, "rate") > 0)
		buf_printf(out, " %.4g kHz", number_of(a, "rate") / 1000);
}

static void put_gop(struct buf *out, double gop_ms)
{
	if (gop_ms <= 0)
		buf_printf(out, ", no second key frame yet");
	else
		buf_printf(out, ", key frame every %.2g s", gop_ms / 1000);
	if (gop_ms <= 0 || gop_ms > SLOW_JOIN_MS)
		buf_printf(out, " (slow joins: set 2 s in the encoder)");
}

bool up_watch_line(struct buf *out, struct json_object *stream,
		   const char *http, bool is_patient)
{
	struct json_object *video = NULL, *audio = NULL;
	bool has_video, has_audio;

	has_video = json_object_object_get_ex(stream, "video", &video) &&
		    *text_of(video, "codec");
	has_audio = json_object_object_get_ex(stream, "audio", &audio) &&
		    *text_of(audio, "codec");
	if (!*text_of(stream, "key") || (!has_video && !has_audio))
		return false;
	if (has_video && number_of(stream, "gop_ms") <= 0 && is_patient)
		return false;
	buf_printf(out, "%s", text_of(stream, "key"));
	if (has_video)
		put_video(out, video);
	if (has_video && has_audio)
		buf_put_u8(out, ',');
	if (has_audio)
		put_audio(out, audio);
	if (has_video)
		put_gop(out, number_of(stream, "gop_ms"));
	buf_printf(out, " → play http://%s/%s.flv\n", http,
		   text_of(stream, "key"));
	return true;
}

/* ---- what was seen ---- */

static struct seen *see(struct up_watch *w, const char *key)
{
	struct seen *s = map_get(&w->seen, span_str(key));

	if (s || w->seen.count >= STREAMS_MAX)
		return s;
	s = calloc(1, sizeof(*s) + strlen(key) + 1);
	if (!s)
		return NULL;
	memcpy(s->key, key, strlen(key) + 1);
	if (map_put(&w->seen, span_str(key), s)) {
		free(s);
		return NULL;
	}
	s->since_ms = loop_now_ms(w->up->loop);
	return s;
}

/* Another publish under the same name is told again. */
static void note_session(struct up_watch *w, struct seen *s,
			 struct json_object *stream)
{
	const char *session = text_of(stream, "session");

	if (!strncmp(s->session, session, sizeof(s->session) - 1))
		return;
	snprintf(s->session, sizeof(s->session), "%s", session);
	s->is_said = false;
	s->since_ms = loop_now_ms(w->up->loop);
}

static void tell(struct up_watch *w, struct json_object *stream)
{
	struct seen *s = see(w, text_of(stream, "key"));
	struct buf line = {0};
	bool is_patient;

	if (!s)
		return;
	s->round = w->round;
	note_session(w, s, stream);
	is_patient = loop_now_ms(w->up->loop) - s->since_ms < PATIENCE_MS;
	if (!s->is_said &&
	    up_watch_line(&line, stream, w->up->http.addr, is_patient)) {
		printf("%s", buf_text(&line));
		fflush(stdout);
		s->is_said = true;
	}
	buf_fini(&line);
}

static void forget(struct up_watch *w, struct seen *s)
{
	map_remove(&w->seen, span_str(s->key));
	if (s->is_said)
		printf("%s has ended\n", s->key);
	fflush(stdout);
	free(s);
}

static void forget_old(struct up_watch *w)
{
	struct seen *old = NULL;

	map_each (slot, &w->seen) {
		struct seen *s = slot->value;

		if (s->round == w->round)
			continue;
		if (old)
			forget(w, old); /* never the slot of the walk */
		old = s;
	}
	if (old)
		forget(w, old);
}

/* ---- asking ---- */

static void take_list(struct up_watch *w, struct json_object *o)
{
	struct json_object *list;

	if (!json_object_object_get_ex(o, "streams", &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	w->round++;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		tell(w, json_object_array_get_idx(list, i));
	forget_old(w);
}

static void on_answer(struct up_watch *w, int err, unsigned status,
		      struct span body)
{
	struct json_tokener *tok;
	struct json_object *o;

	w->is_asking = false;
	if (err || status != 200) /* dispatch is being restarted */
		return;
	tok = json_tokener_new();
	if (!tok)
		return;
	o = json_tokener_parse_ex(tok, (const char *)body.data, (int)body.len);
	take_list(w, o);
	json_object_put(o);
	json_tokener_free(tok);
}

static void ask(struct up_watch *w)
{
	char url[NET_ADDR_TEXT_SIZE + 32];
	struct http_question q = {.url = url, .token = w->up->token};

	if (w->is_asking || w->up->ending)
		return;
	snprintf(url, sizeof(url), "http://%s/api/streams", w->up->api.addr);
	if (!http_client_ask(w->client, NULL, &q, on_answer, w))
		w->is_asking = true;
}

/* ---- life ---- */

int up_watch_new(struct up_watch **out, struct up *up)
{
	struct up_watch *w = calloc(1, sizeof(*w));
	uint64_t seed;
	int err;

	if (!w)
		return WEIR_ENOMEM;
	w->up = up;
	io_random(&seed, sizeof(seed));
	map_init(&w->seen, seed);
	err = http_client_new(&w->client, up->loop, NULL);
	if (!err)
		err = timer_new(&w->timer, up->loop, ask, w);
	if (err) {
		up_watch_free(&w);
		return err;
	}
	timer_repeat(w->timer, ASK_EACH_MS);
	*out = w;
	return 0;
}

void up_watch_free(struct up_watch **wp)
{
	struct up_watch *w = *wp;

	if (!w)
		return;
	timer_free(&w->timer);
	http_client_free(&w->client);
	map_each (slot, &w->seen)
		free(slot->value);
	map_fini(&w->seen);
	free(w);
	*wp = NULL;
}
