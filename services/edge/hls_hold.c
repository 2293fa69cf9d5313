/* services/edge/hls_hold.c - HLS viewers want a stream that nobody has yet. */
#include "services/edge/hls_hold.h"

#include <stdlib.h>

#include "common/access/ruleset.h"
#include "common/io/clock.h"

struct hold {
	struct list link;
	struct stream *stream;
	uint64_t until_ms;
};

void hls_holds_init(struct hls_holds *hs, const struct hls_holds_world *world)
{
	hs->world = *world;
	hs->count = 0;
	list_init(&hs->all);
}

static void let_go(struct hls_holds *hs, struct hold *h)
{
	list_remove(&h->link);
	hs->count--;
	stream_leave(&h->stream);
	free(h);
}

void hls_holds_fini(struct hls_holds *hs)
{
	list_each_safe (it, &hs->all)
		let_go(hs, list_entry(it, struct hold, link));
}

static struct hold *find(const struct hls_holds *hs,
			 const struct stream_key *key)
{
	list_each (it, &hs->all) {
		struct hold *h = list_entry(it, struct hold, link);

		if (!strcmp(stream_key(h->stream)->text, key->text))
			return h;
	}
	return NULL;
}

static bool may_come(const struct hls_holds *hs, const struct stream_key *key)
{
	const struct ruleset *rules = hs->world.rules(hs->world.ctx);

	return rules && ruleset_pull(rules, key, io_utc_us() / 1000) != NULL;
}

static struct hold *hold_new(struct hls_holds *hs, const struct stream_key *key)
{
	struct hold *h;

	if (hs->count >= HLS_HOLDS_MAX || !may_come(hs, key))
		return NULL;
	h = calloc(1, sizeof(*h));
	if (!h || stream_enter(&h->stream, hs->world.streams, key)) {
		free(h);
		return NULL;
	}
	list_init(&h->link);
	list_append(&hs->all, &h->link);
	hs->count++;
	return h;
}

bool hls_hold(struct hls_holds *hs, const struct stream_key *key,
	      int64_t for_ms)
{
	struct hold *h = find(hs, key);

	if (!h)
		h = hold_new(hs, key);
	if (h)
		h->until_ms = loop_now_ms(hs->world.loop) + (uint64_t)for_ms;
	return h != NULL;
}

bool hls_is_held(const struct hls_holds *hs, const struct stream_key *key)
{
	return find(hs, key) != NULL;
}

void hls_holds_tick(struct hls_holds *hs)
{
	uint64_t now_ms = loop_now_ms(hs->world.loop);

	list_each_safe (it, &hs->all) {
		struct hold *h = list_entry(it, struct hold, link);

		if (now_ms >= h->until_ms)
			let_go(hs, h);
	}
}
