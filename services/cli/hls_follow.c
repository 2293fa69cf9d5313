/* services/cli/hls_follow.c - follows an HLS stream on all its replicas. */
#include "services/cli/hls_follow.h"

#include <stdlib.h>

#include "common/http/client.h"
#include "common/io/clock.h"

#define PLAYLIST_TIMEOUT_MS 12000 /* a first one may be held for 8 s */
#define SEGMENT_TIMEOUT_MS  10000
#define POLL_MIN_MS         200
#define POLL_MAX_MS         1000
#define FETCHES_MAX         3 /* of one replica, at once */
#define SEGMENT_BYTES_MAX   (64u << 20)
#define VARIANTS_DEEP       2 /* a master in a master: no more than that */

struct follower;

/* A segment that is on its way. */
struct fetch {
	struct follower *of;
	struct http_call *call; /* NULL: free */
	struct buf uri;         /* as listed */
	int64_t asked_ms;
};

/* One replica. */
struct follower {
	struct hls_follow *all;
	unsigned replica;
	struct buf url; /* of the media playlist, with a NUL */
	unsigned depth;
	struct timer *poll;
	struct http_call *call; /* of the playlist; NULL: none */
	int64_t asked_ms;
	int64_t ended_ms; /* when ENDLIST was seen; 0: not yet */
	struct fetch fetch[FETCHES_MAX];
};

struct hls_follow {
	struct loop *loop;
	struct http_client *http;
	struct hls_watch *watch;
	struct timer *tick; /* removed segments come due by themselves */
	struct follower follower[HLS_REPLICAS_MAX];
	size_t count;
	int err;
};

static int64_t now(void)
{
	return (int64_t)io_mono_ms();
}

static void note_error(struct hls_follow *f, int err)
{
	if (err && !f->err)
		f->err = err;
}

/* An answer, with the fields that are of interest. They live in `fields`, for
 * a second question for a field forgets the answer to the first. */
static struct hls_answer answer_of(struct buf *fields,
				   const struct http_call *call, int err,
				   unsigned status, struct span body)
{
	struct hls_answer a = {.status = err ? 0 : status, .body = body};
	struct span value;
	size_t type_len;

	if (http_call_field(call, "Content-Type", &value))
		buf_put(fields, value);
	type_len = fields->len;
	if (http_call_field(call, "Cache-Control", &value))
		buf_put(fields, value);
	a.content_type = span_first(buf_span(fields), type_len);
	a.cache_control = span_from(buf_span(fields), type_len);
	return a;
}

/* ---- Segments ---- */

static void fetch_wanted(struct follower *r);

static void on_segment(struct fetch *t, int err, unsigned status,
		       struct span body)
{
	struct follower *r = t->of;
	struct buf fields = {0};
	struct hls_answer a = answer_of(&fields, t->call, err, status, body);

	a.asked_ms = t->asked_ms;
	t->call = NULL;
	note_error(r->all, buf_error(&fields));
	note_error(r->all, hls_watch_segment(r->all->watch, r->replica, now(),
					     buf_span(&t->uri), &a));
	buf_fini(&fields);
	fetch_wanted(r);
}

static int ask_segment(struct follower *r, struct fetch *t, struct span uri)
{
	struct buf url = {0};
	struct http_question q = {.timeout_ms = SEGMENT_TIMEOUT_MS};
	int err = http_url_join(&url, buf_text(&r->url), uri);

	t->of = r;
	t->asked_ms = now();
	buf_clear(&t->uri);
	buf_put(&t->uri, uri);
	q.url = buf_text(&url);
	if (!err)
		err = buf_error(&t->uri) ? buf_error(&t->uri) : buf_error(&url);
	if (!err)
		err = http_client_ask(r->all->http, &t->call, &q, on_segment,
				      t);
	buf_fini(&url);
	return err;
}

static struct fetch *free_fetch(struct follower *r)
{
	for (size_t i = 0; i < FETCHES_MAX; i++)
		if (!r->fetch[i].call)
			return &r->fetch[i];
	return NULL;
}

/* An address that cannot be asked is one that does not answer. */
static void fetch_wanted(struct follower *r)
{
	struct fetch *t;
	struct hls_want want;

	while ((t = free_fetch(r)) &&
	       hls_watch_want(r->all->watch, r->replica, now(), &want)) {
		int err = ask_segment(r, t, want.uri);
		struct hls_answer none = {.asked_ms = now()};

		if (err == WEIR_EINVAL)
			err = hls_watch_segment(r->all->watch, r->replica,
						now(), want.uri, &none);
		note_error(r->all, err);
		if (err)
			return;
	}
}

/* ---- Playlists ---- */

static void poll_later(struct follower *r)
{
	int64_t half_ms = 500LL * hls_watch_target_s(r->all->watch, r->replica);

	timer_start(r->poll, (uint64_t)WEIR_MIN(WEIR_MAX(half_ms, POLL_MIN_MS),
						POLL_MAX_MS));
}

/* From now on it is asked for there. */
static int go_to(struct follower *r, struct span ref)
{
	struct buf url = {0};
	int err = ++r->depth > VARIANTS_DEEP
			  ? WEIR_EUNSUPPORTED
			  : http_url_join(&url, buf_text(&r->url), ref);

	(void)buf_text(&url);
	if (!err)
		err = buf_error(&url);
	if (err) {
		buf_fini(&url);
		return err;
	}
	buf_fini(&r->url);
	r->url = url;
	return 0;
}

/* Go on with the first variant of a master playlist. */
static int take_master(struct follower *r, struct span body)
{
	struct hls_playlist pl;
	int err = hls_playlist_read(&pl, body, NULL, NULL);

	if (err)
		return err;
	err = pl.variant_count ? go_to(r, pl.variant[0].uri)
			       : WEIR_EUNSUPPORTED;
	hls_playlist_fini(&pl);
	return err;
}

/* Sent elsewhere: by a server that gives each viewer an address, or that is
 * full. Returns whether it is asked again there. */
static bool take_redirect(struct follower *r, int err, unsigned status)
{
	struct span to;

	return !err && (status == 302 || status == 307) &&
	       http_call_field(r->call, "Location", &to) && !go_to(r, to);
}

static int take_playlist(struct follower *r, const struct hls_answer *a)
{
	int err = hls_watch_playlist(r->all->watch, r->replica, now(), a);

	if (err == WEIR_EUNSUPPORTED)
		return take_master(r, a->body);
	if (!r->ended_ms && hls_watch_is_ended(r->all->watch, r->replica))
		r->ended_ms = now();
	return err;
}

static void on_playlist(struct follower *r, int err, unsigned status,
			struct span body)
{
	struct buf fields = {0};
	struct hls_answer a;

	if (take_redirect(r, err, status)) {
		r->call = NULL;
		timer_start(r->poll, 0);
		return;
	}
	a = answer_of(&fields, r->call, err, status, body);
	a.asked_ms = r->asked_ms;
	r->call = NULL;
	note_error(r->all, buf_error(&fields));
	note_error(r->all, take_playlist(r, &a));
	buf_fini(&fields);
	fetch_wanted(r);
	poll_later(r);
}

static void ask_playlist(struct follower *r)
{
	struct http_question q = {.url = buf_text(&r->url),
				  .timeout_ms = PLAYLIST_TIMEOUT_MS};

	r->asked_ms = now();
	note_error(r->all,
		   http_client_ask(r->all->http, &r->call, &q, on_playlist, r));
}

static void on_tick(struct hls_follow *f)
{
	for (size_t i = 0; i < f->count; i++)
		fetch_wanted(&f->follower[i]);
}

/* ---- Life ---- */

static int set_up(struct hls_follow *f, const char *const *urls)
{
	const struct http_client_options o = {.body_bytes_max =
						      SEGMENT_BYTES_MAX};
	int err = http_client_new(&f->http, f->loop, &o);

	if (!err)
		err = timer_new(&f->tick, f->loop, on_tick, f);
	for (size_t i = 0; i < f->count && !err; i++) {
		struct follower *r = &f->follower[i];

		r->all = f;
		r->replica = (unsigned)i;
		buf_put(&r->url, span_str(urls[i]));
		(void)buf_text(&r->url);
		err = buf_error(&r->url);
		if (!err)
			err = timer_new(&r->poll, f->loop, ask_playlist, r);
	}
	return err;
}

int hls_follow_new(struct hls_follow **out, struct loop *loop,
		   struct hls_watch *watch, const char *const *urls,
		   size_t count)
{
	struct hls_follow *f;
	int err;

	if (!count || count > HLS_REPLICAS_MAX)
		return WEIR_EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return WEIR_ENOMEM;
	f->loop = loop;
	f->watch = watch;
	f->count = count;
	err = set_up(f, urls);
	for (size_t i = 0; i < count && !err; i++) {
		ask_playlist(&f->follower[i]);
		err = f->err;
	}
	if (err) {
		hls_follow_free(&f);
		return err;
	}
	timer_repeat(f->tick, POLL_MIN_MS);
	*out = f;
	return 0;
}

void hls_follow_free(struct hls_follow **p)
{
	struct hls_follow *f = *p;

	if (!f)
		return;
	http_client_free(&f->http);
	timer_free(&f->tick);
	for (size_t i = 0; i < f->count; i++) {
		struct follower *r = &f->follower[i];

		timer_free(&r->poll);
		buf_fini(&r->url);
		for (size_t k = 0; k < FETCHES_MAX; k++)
			buf_fini(&r->fetch[k].uri);
	}
	free(f);
	*p = NULL;
}

static bool is_quiet(const struct follower *r)
{
	for (size_t i = 0; i < FETCHES_MAX; i++)
		if (r->fetch[i].call)
			return false;
	return true;
}

bool hls_follow_is_over(const struct hls_follow *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct follower *r = &f->follower[i];
		int64_t rest_ms =
			1000LL * hls_watch_target_s(f->watch, r->replica);

		if (!r->ended_ms || now() - r->ended_ms < rest_ms ||
		    !is_quiet(r))
			return false;
	}
	return true;
}

int hls_follow_error(const struct hls_follow *f)
{
	return f->err;
}
