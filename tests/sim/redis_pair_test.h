/* tests/sim/redis_pair_test.h - a real redis-server and the emulation, which get
 * the same calls, and what differs between them.
 *
 * For tests alone; included once by each.
 */
#ifndef WEIR_SIM_REDIS_PAIR_TEST_H
#define WEIR_SIM_REDIS_PAIR_TEST_H

#include "common/registry/redis_server_test.h"
#include "tests/sim/keyspace.h"

#define CLUSTER      "test"
#define CHANNEL      "weir:{test}:" REGISTRY_CHANGES
#define EMULATED_MS  1000 /* the emulation's clock stands still */
#define PATIENCE_SEC 15

/* ---- both sides ---- */

struct pair {
	struct server server;
	redisContext *real, *heard; /* calls, what is published */
	struct keyspace *data;
	struct scripts *scripts;
	struct buf published; /* by the emulation in this call: lines */
	struct script_reply reply;
	char why[512]; /* the last difference */
};

static inline redisContext *connect_to(const struct server *s)
{
	struct timeval patience = {.tv_sec = PATIENCE_SEC};
	redisContext *c = redisConnect("127.0.0.1", (int)s->port);

	CHECK(c && !c->err);
	CHECK_EQ(redisSetTimeout(c, patience), REDIS_OK);
	return c;
}

static inline bool open_pair(struct pair *p)
{
	redisReply *r;

	*p = (struct pair){0};
	if (!server_is_installed())
		return false;
	server_make(&p->server);
	p->real = connect_to(&p->server);
	p->heard = connect_to(&p->server);
	r = redisCommand(p->heard, "SUBSCRIBE %s", CHANNEL);
	CHECK(r && r->type == REDIS_REPLY_ARRAY);
	freeReplyObject(r);
	p->data = keyspace_new();
	p->scripts = scripts_new();
	return true;
}

static inline void close_pair(struct pair *p)
{
	redisFree(p->real);
	redisFree(p->heard);
	keyspace_free(&p->data);
	scripts_free(&p->scripts);
	buf_fini(&p->published);
	server_stop(&p->server);
}

static inline void on_publish(void *ctx, struct span message)
{
	struct pair *p = ctx;

	buf_put(&p->published, message);
	buf_put_u8(&p->published, '\n');
}

static inline redisReply *call_real(struct pair *p,
				    const struct script_words *w)
{
	const char *arg[SCRIPT_WORDS_MAX + 3] = {"EVAL", w->text};
	size_t len[SCRIPT_WORDS_MAX + 3] = {4, strlen(w->text)};
	char keys[8];
	redisReply *r;

	len[2] = (size_t)snprintf(keys, sizeof(keys), "%zu", w->key_count);
	arg[2] = keys;
	for (size_t i = 0; i < w->count; i++) {
		arg[3 + i] = (const char *)w->word[i].data;
		len[3 + i] = w->word[i].len;
	}
	r = redisCommandArgv(p->real, (int)w->count + 3, arg, len);
	CHECK(r != NULL);
	return r;
}

static inline bool differ(struct pair *p, const char *what, size_t at,
			  struct span real, struct span emulated)
{
	snprintf(p->why, sizeof(p->why),
		 "%s %zu: redis \"%.*s\", emulation \"%.*s\"", what, at,
		 (int)real.len, (const char *)real.data, (int)emulated.len,
		 (const char *)emulated.data);
	return false;
}

static inline bool is_same_reply(struct pair *p, const redisReply *r)
{
	const struct script_reply *e = &p->reply;

	if (r->type != REDIS_REPLY_ARRAY)
		return differ(p, "no list", (size_t)r->type,
			      span_of(r->str, r->str ? r->len : 0),
			      span_str(""));
	for (size_t i = 0; i < r->elements && i < e->count; i++) {
		const redisReply *f = r->element[i];
		struct span text = span_of(f->str, f->len);

		if (f->type != REDIS_REPLY_STRING || !span_eq(text, e->word[i]))
			return differ(p, "field", i, text, e->word[i]);
	}
	if (r->elements != e->count)
		return differ(p, "words missing at",
			      WEIR_MIN(r->elements, e->count), span_str(""),
			      span_str(""));
	return true;
}

/* A message of our own ends the list: it comes behind all that the call has
 * published. */
static inline bool is_same_published(struct pair *p)
{
	struct buf real = {0};
	redisReply *r = redisCommand(p->real, "PUBLISH %s .", CHANNEL);
	bool is_same, is_end = false;

	CHECK(r && r->type == REDIS_REPLY_INTEGER);
	freeReplyObject(r);
	while (!is_end) {
		const redisReply *text;

		CHECK_EQ(redisGetReply(p->heard, (void **)&r), REDIS_OK);
		CHECK_EQ(r->elements, 3);
		text = r->element[2];
		is_end = text->len == 1;
		if (!is_end)
			buf_printf(&real, "%.*s\n", (int)text->len, text->str);
		freeReplyObject(r);
	}
	is_same = span_eq(buf_span(&real), buf_span(&p->published)) ||
		  differ(p, "published", 0, buf_span(&real),
			 buf_span(&p->published));
	buf_fini(&real);
	return is_same;
}

/* false: they differ, and p->why says in what. */
static inline bool call_both(struct pair *p, const struct script_words *w)
{
	redisReply *r = call_real(p, w);
	bool is_same;

	buf_clear(&p->published);
	if (scripts_run(p->scripts, p->data, w, EMULATED_MS, on_publish, p,
			&p->reply))
		is_same =
			differ(p, "refused", 0, span_str(""), p->reply.word[0]);
	else
		is_same = is_same_reply(p, r) && is_same_published(p);
	freeReplyObject(r);
	return is_same;
}

/* ---- all keys ---- */

static inline int cmp_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline redisReply *ask(struct pair *p, const char *command,
			      const char *key)
{
	redisReply *r = redisCommand(p->real, "%s %s", command, key);

	CHECK(r && r->type != REDIS_REPLY_ERROR);
	return r;
}

/* A hash has two words a line, a set one. */
static inline void dump_lines(const redisReply *r, size_t words,
			      struct buf *out)
{
	char *line[128] = {0};
	size_t count = r->elements / words;

	CHECK(count <= WEIR_ARRAY_LEN(line));
	for (size_t i = 0; i < count; i++) {
		const char *value = r->element[i * words + words - 1]->str;

		CHECK(asprintf(&line[i], "  %s %s\n",
			       r->element[i * words]->str,
			       words == 2 ? value : "") > 0);
	}
	qsort(line, count, sizeof(*line), cmp_text);
	for (size_t i = 0; i < count; i++) {
		buf_printf(out, "%s", line[i]);
		free(line[i]);
	}
}

static inline void dump_real_key(struct pair *p, const char *key,
				 struct buf *out)
{
	redisReply *type = ask(p, "TYPE", key), *ttl = ask(p, "PTTL", key);
	bool is_set = !strcmp(type->str, "set");
	redisReply *all = ask(p, is_set ? "SMEMBERS" : "HGETALL", key);

	buf_printf(out, "%s %s%s\n", type->str, key,
		   ttl->integer == -1 ? "" : " expires");
	dump_lines(all, is_set ? 1 : 2, out);
	freeReplyObject(type);
	freeReplyObject(ttl);
	freeReplyObject(all);
}

static inline void dump_real(struct pair *p, struct buf *out)
{
	redisReply *r = ask(p, "KEYS", "*");
	char *key[128] = {0};

	CHECK(r->elements <= WEIR_ARRAY_LEN(key));
	for (size_t i = 0; i < r->elements; i++)
		key[i] = r->element[i]->str;
	qsort(key, r->elements, sizeof(*key), cmp_text);
	for (size_t i = 0; i < r->elements; i++)
		dump_real_key(p, key[i], out);
	freeReplyObject(r);
}

static inline void check_keys(struct pair *p)
{
	struct buf real = {0}, emulated = {0};

	dump_real(p, &real);
	keyspace_dump(p->data, EMULATED_MS, &emulated);
	CHECK(real.len > 0);
	CHECK_STR(buf_text(&real), buf_text(&emulated));
	buf_fini(&real);
	buf_fini(&emulated);
}

#endif
