/* common/registry/store_read.c - the registry's content into the copy: all of
 * it after each connect and slowly again, and single keys when they change.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/registry/store_priv.h"

#define STREAMS_EACH   5   /* readings of nodes; streams do not end by time */
#define PAGE_KEYS      20  /* so few that what waits for them does not notice */
#define PAGES_MAX      500 /* of one reading: each is a wake-up */
#define HURRIED_KEYS   200
#define PAIRS_MAX      64
#define FILE_EACH_MS   3000
#define FILE_BYTES_MAX ((size_t)8 << 20)
#define FETCHES_MAX    2000 /* changes beyond that wait for a reading */

static void advance(struct reading *r);

void store_bad(struct store *st, const char *key, int err)
{
	st->stats.bad_entries++;
	logger_event(st->lg, &store_bad_entry, kv_str("key", key),
		     kv_err("why", err));
}

/* ---- one key ---- */

static void end_fetch(struct fetch *f)
{
	list_remove(&f->link);
	free(f);
}

/* Returns 0, WEIR_ENOENT (it is not there) or why it cannot be used. */
static int put_stream(struct store *st, const struct stream_key *key,
		      const struct span *pair, size_t count)
{
	struct stream_entry e;
	int err = entry_read_pairs(&e, key, pair, count);

	return err ? err : copy_put_stream(st->copy, &e);
}

static struct span value_of(const struct span *pair, size_t count,
			    const char *name)
{
	for (size_t i = 0; i + 1 < count; i += 2)
		if (span_eq_str(pair[i], name))
			return pair[i + 1];
	return (struct span){0};
}

static int put_node(struct store *st, const char *id, const struct span *pair,
		    size_t count)
{
	struct uuid instance;
	struct node n;
	int err;

	if (!count)
		return WEIR_ENOENT;
	if (uuid_parse(&instance, value_of(pair, count, "instance")))
		return WEIR_EPROTO;
	err = node_read(&n, value_of(pair, count, "info"));
	if (err)
		return err;
	/* The lease's word counts, whatever the text says. */
	if (strcmp(n.ref.id, id) != 0)
		return WEIR_EPROTO;
	n.ref.instance = instance;
	return copy_put_node(st->copy, &n);
}

static void drop(struct store *st, const struct fetch *f)
{
	if (f->reading) /* its end does it */
		return;
	if (f->is_node)
		copy_drop_node(st->copy, f->key.text);
	else
		copy_drop_stream(st->copy, &f->key);
}

static void on_pairs(void *ctx, const redisReply *reply)
{
	struct fetch *f = ctx;
	struct store *st = f->st;
	struct span pair[PAIRS_MAX];
	size_t count = store_reply_words(pair, PAIRS_MAX, reply);
	struct reading *r = f->reading;
	int err;

	if (store_is_error(reply))
		err = WEIR_EPROTO; /* another type of key */
	else if (f->is_node)
		err = put_node(st, f->key.text, pair, count);
	else
		err = put_stream(st, &f->key, pair, count);
	if (err == WEIR_ENOENT)
		drop(st, f);
	else if (err)
		store_bad(st, f->key.text, err);
	end_fetch(f);
	if (r && --r->open_count == 0)
		advance(r);
}

/* Returns 0 or why it could not be asked for. */
static int start_fetch(struct store *st, bool is_node, struct reading *r,
		       struct span key)
{
	char name[sizeof(st->root) + 16 + STREAM_KEY_MAX];
	struct redis_command c = {0};
	struct fetch *f;
	int err;

	if (!key.len || key.len > STREAM_KEY_MAX ||
	    memchr(key.data, '\0', key.len))
		return WEIR_EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return WEIR_ENOMEM;
	f->st = st;
	f->is_node = is_node;
	f->reading = r;
	memcpy(f->key.text, key.data, key.len);
	snprintf(name, sizeof(name), "%s%s%s", st->root,
		 is_node ? REGISTRY_NODE : REGISTRY_STREAM, f->key.text);
	redis_add_str(&c, "HGETALL");
	redis_add_str(&c, name);
	err = redis_send(st->command, NULL, &c, on_pairs, f);
	if (err) {
		free(f);
		return err;
	}
	list_append(&st->fetches, &f->link);
	return 0;
}

static bool cut_word(struct span *s, const char *word)
{
	size_t len = strlen(word);

	if (!span_eq_str(span_first(*s, len), word))
		return false;
	*s = span_from(*s, len);
	return true;
}

/* All streams are read again, sooner than they would be. */
static void miss_change(struct store *st)
{
	if (!st->has_missed && !st->streams.is_under_way)
		timer_start(st->streams.timer, st->reread_ms);
	st->has_missed = true;
}

void store_read_change(struct store *st, struct span text)
{
	bool is_node = cut_word(&text, "node ");

	if (span_eq_str(text, REGISTRY_RULES)) {
		store_rules_check(st);
		return;
	}
	if (!store_is_up(st) || (!is_node && !cut_word(&text, "stream ")))
		return;
	if (redis_pending(st->command) > FETCHES_MAX) {
		miss_change(st);
		return;
	}
	if (start_fetch(st, is_node, NULL, text) == WEIR_EINVAL)
		store_bad(st, "change", WEIR_EINVAL);
}

/* ---- all of it ---- */

static bool is_settled(const struct store *st)
{
	return loop_now_ms(st->loop) - st->connected_ms >= st->settle_ms;
}

static bool is_hurried(const struct reading *r)
{
	return r->part == COPY_NODES || r->is_hurried || r->st->has_missed;
}

/* From the beginning of one reading to that of the next. */
static uint32_t each_ms(const struct reading *r)
{
	const struct store *st = r->st;

	if (is_hurried(r) || r->is_incomplete || !is_settled(st))
		return st->reread_ms;
	return STREAMS_EACH * st->reread_ms;
}

static size_t page_keys(const struct reading *r)
{
	if (is_hurried(r))
		return HURRIED_KEYS;
	return WEIR_MAX(copy_stream_count(r->st->copy) / PAGES_MAX,
			(size_t)PAGE_KEYS);
}

/* Until the next page, so that all of them are read in time. */
static uint64_t page_ms(const struct reading *r)
{
	const size_t pages = copy_stream_count(r->st->copy) / page_keys(r) + 2;

	return each_ms(r) / pages;
}

static void fetch_all(struct reading *r, const redisReply *keys)
{
	int err;

	/* Holds the reading open until all have been asked for. */
	r->open_count++;
	for (size_t i = 0; i < keys->elements; i++) {
		const redisReply *e = keys->element[i];

		if (e->type != REDIS_REPLY_STRING)
			continue;
		err = start_fetch(r->st, r->part == COPY_NODES, r,
				  span_of(e->str, (size_t)e->len));
		if (!err)
			r->open_count++;
		else if (err != WEIR_EINVAL)
			r->is_incomplete = true;
	}
	if (--r->open_count == 0)
		advance(r);
}

static void on_keys(void *ctx, const redisReply *reply)
{
	struct reading *r = ctx;

	if (store_is_error(reply)) {
		store_link_refused(r->st, "SSCAN", reply);
		return;
	}
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[0]->len <= 0 ||
	    (size_t)reply->element[0]->len >= sizeof(r->cursor) ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY) {
		store_link_lost(r->st, "SSCAN", WEIR_EPROTO);
		return;
	}
	memcpy(r->cursor, reply->element[0]->str,
	       (size_t)reply->element[0]->len + 1);
	if (!strcmp(r->cursor, "0"))
		r->cursor[0] = '\0'; /* this was the last */
	fetch_all(r, reply->element[1]);
}

/* Ask for the next keys. */
static void scan(struct reading *r)
{
	struct store *st = r->st;
	char name[sizeof(st->root) + sizeof(REGISTRY_STREAMS)], count[24];
	struct redis_command c = {0};
	int err;

	snprintf(name, sizeof(name), "%s%s", st->root,
		 r->part == COPY_NODES ? REGISTRY_NODES : REGISTRY_STREAMS);
	snprintf(count, sizeof(count), "%zu", page_keys(r));
	redis_add_str(&c, "SSCAN");
	redis_add_str(&c, name);
	redis_add_str(&c, r->cursor);
	redis_add_str(&c, "COUNT");
	redis_add_str(&c, count);
	err = redis_send(st->command, NULL, &c, on_keys, r);
	if (err)
		store_link_lost(st, "SSCAN", err);
}

static void begin(struct reading *r)
{
	struct store *st = r->st;

	timer_stop(r->timer);
	r->is_under_way = true;
	r->is_hurried = !st->is_read || st->has_missed;
	r->is_incomplete = false;
	r->begun_ms = loop_now_ms(st->loop);
	r->open_count = 0;
	memcpy(r->cursor, "0", sizeof("0"));
	if (r->part == COPY_STREAMS)
		st->has_missed = false;
	copy_read_begin(st->copy, r->part);
	scan(r);
}

/* Nodes come first, and the first time streams right behind them. */
static void end(struct reading *r)
{
	struct store *st = r->st;
	const uint64_t took_ms = loop_now_ms(st->loop) - r->begun_ms;
	const uint32_t next_ms = each_ms(r);

	r->is_under_way = false;
	if (!r->is_incomplete && is_settled(st))
		copy_read_end(st->copy, r->part);
	timer_start(r->timer, next_ms - WEIR_MIN(took_ms, next_ms - 1));
	if (r->part == COPY_STREAMS && !r->is_incomplete) {
		st->is_read = true;
		st->stats.rereads++;
	}
	if (r->part == COPY_NODES && !st->is_read && !st->streams.is_under_way)
		begin(&st->streams);
	store_rules_check(st);
}

/* All keys that were asked for have come. */
static void advance(struct reading *r)
{
	if (!r->cursor[0])
		end(r);
	else if (is_hurried(r))
		scan(r);
	else
		timer_start(r->timer, page_ms(r));
}

static void on_time(struct reading *r)
{
	if (!store_is_up(r->st))
		return;
	if (r->is_under_way)
		scan(r);
	else
		begin(r);
}

void store_read_start(struct store *st)
{
	begin(&st->nodes);
}

static void forget(struct reading *r)
{
	r->is_under_way = false;
	if (r->timer)
		timer_stop(r->timer);
}

void store_read_lost(struct store *st)
{
	list_each_safe (it, &st->fetches)
		end_fetch(list_entry(it, struct fetch, link));
	forget(&st->nodes);
	forget(&st->streams);
}

/* ---- the node list on disk ---- */

static bool write_nodes(void *ctx, struct buf *out, const void **at)
{
	const struct store *st = ctx;

	(void)at; /* there are not many */
	copy_nodes_write(st->copy, out);
	return true;
}

static int read_nodes(void *ctx, struct span text)
{
	struct store *st = ctx;

	return copy_nodes_read(st->copy, text);
}

void store_read_nodes_changed(struct store *st)
{
	kept_changed(st->nodes_file);
}

/* ---- life ---- */

static int reading_init(struct reading *r, struct store *st,
			enum copy_part part)
{
	*r = (struct reading){.st = st, .part = part};
	return timer_new(&r->timer, st->loop, on_time, r);
}

int store_read_init(struct store *st, const char *nodes_file)
{
	static const struct kept_ops ops = {write_nodes, read_nodes};
	const struct kept_options o = {
		.file = nodes_file,
		.bytes_max = FILE_BYTES_MAX,
		.each_ms = FILE_EACH_MS,
		.log = st->lg,
	};
	int err = reading_init(&st->nodes, st, COPY_NODES);

	if (!err)
		err = reading_init(&st->streams, st, COPY_STREAMS);
	if (err || !nodes_file)
		return err;
	err = kept_new(&st->nodes_file, st->loop, &o, &ops, st);
	if (!err)
		(void)!kept_load(st->nodes_file);
	return err;
}

void store_read_fini(struct store *st)
{
	store_read_lost(st);
	timer_free(&st->nodes.timer);
	timer_free(&st->streams.timer);
	kept_free(&st->nodes_file);
}
