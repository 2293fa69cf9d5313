/* tests/sim/keyspace.c - keys with fields or members, and redis.call(). */
#include "tests/sim/keyspace.h"

#include <inttypes.h>
#include <lua5.1/lauxlib.h>
#include <lua5.1/lualib.h>
#include <stdlib.h>

#define TEXTS_MAX 16

struct field {
	char *name;
	char *value; /* NULL in a set */
	size_t value_len;
};

struct key {
	char *name;
	bool is_set;
	int64_t expire_ms; /* INT64_MAX: never */
	struct field *field;
	size_t count, room;
};

struct keyspace {
	struct key *key;
	size_t count, room;
};

/* ---- memory of the simulator: it ends when there is none ---- */

static void *need(void *p)
{
	BUG_ON(!p);
	return p;
}

static char *dup_text(const char *s, size_t len)
{
	char *p = need(malloc(len + 1));

	memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

/* ---- keys ---- */

static void field_fini(struct field *f)
{
	free(f->name);
	free(f->value);
}

static void key_fini(struct key *k)
{
	for (size_t i = 0; i < k->count; i++)
		field_fini(&k->field[i]);
	free(k->field);
	free(k->name);
}

struct keyspace *keyspace_new(void)
{
	return need(calloc(1, sizeof(struct keyspace)));
}

void keyspace_clear(struct keyspace *ks)
{
	for (size_t i = 0; i < ks->count; i++)
		key_fini(&ks->key[i]);
	ks->count = 0;
}

void keyspace_free(struct keyspace **ks)
{
	if (!*ks)
		return;
	keyspace_clear(*ks);
	free((*ks)->key);
	free(*ks);
	*ks = NULL;
}

static struct key *add_key(struct keyspace *ks, const char *name, bool is_set)
{
	if (ks->count == ks->room) {
		ks->room = ks->room ? ks->room * 2 : 16;
		ks->key = need(realloc(ks->key, ks->room * sizeof(*ks->key)));
	}
	ks->key[ks->count] = (struct key){
		.name = dup_text(name, strlen(name)),
		.is_set = is_set,
		.expire_ms = INT64_MAX,
	};
	return &ks->key[ks->count++];
}

static struct field *add_field(struct key *k, const char *name)
{
	if (k->count == k->room) {
		k->room = k->room ? k->room * 2 : 24;
		k->field = need(realloc(k->field, k->room * sizeof(*k->field)));
	}
	k->field[k->count] =
		(struct field){.name = dup_text(name, strlen(name))};
	return &k->field[k->count++];
}

struct keyspace *keyspace_copy(const struct keyspace *ks)
{
	struct keyspace *copy = keyspace_new();

	for (size_t i = 0; i < ks->count; i++) {
		const struct key *from = &ks->key[i];
		struct key *to = add_key(copy, from->name, from->is_set);

		to->expire_ms = from->expire_ms;
		for (size_t j = 0; j < from->count; j++) {
			const struct field *f = &from->field[j];
			struct field *g = add_field(to, f->name);

			g->value = f->value ? dup_text(f->value, f->value_len)
					    : NULL;
			g->value_len = f->value_len;
		}
	}
	return copy;
}

static void remove_key(struct keyspace *ks, struct key *k)
{
	key_fini(k);
	*k = ks->key[--ks->count];
}

static struct key *find_key(struct keyspace *ks, const char *name,
			    int64_t now_ms)
{
	for (size_t i = 0; i < ks->count; i++) {
		struct key *k = &ks->key[i];

		if (strcmp(k->name, name) != 0)
			continue;
		if (k->expire_ms > now_ms)
			return k;
		remove_key(ks, k);
		return NULL;
	}
	return NULL;
}

static struct field *find_field(const struct key *k, const char *name)
{
	for (size_t i = 0; k && i < k->count; i++)
		if (!strcmp(k->field[i].name, name))
			return &k->field[i];
	return NULL;
}

static bool remove_field(struct key *k, const char *name)
{
	struct field *f = find_field(k, name);

	if (!f)
		return false;
	field_fini(f);
	*f = k->field[--k->count];
	return true;
}

size_t keyspace_hash(const struct keyspace *ks, const char *key, int64_t now_ms,
		     struct span *out, size_t max)
{
	struct key *k = find_key((struct keyspace *)ks, key, now_ms);
	size_t n = 0;

	for (size_t i = 0; k && i < k->count && n + 2 <= max; i++) {
		out[n++] = span_str(k->field[i].name);
		out[n++] = span_of(k->field[i].value, k->field[i].value_len);
	}
	return n;
}

/* ---- redis.call ---- */

struct call {
	struct keyspace *ks;
	int64_t now_ms;
	keyspace_publish_fn *publish;
	void *ctx;
};

struct scripts {
	lua_State *lua;
	struct {
		const char *text, *with;
		int ref;
	} known[TEXTS_MAX];
	size_t count;
	struct call call; /* the one under way */
};

static const char *arg(lua_State *l, int i)
{
	return luaL_checkstring(l, i);
}

static struct key *need_key(struct call *c, const char *name, bool is_set)
{
	struct key *k = find_key(c->ks, name, c->now_ms);

	return k ? k : add_key(c->ks, name, is_set);
}

static void push_field(lua_State *l, const struct field *f)
{
	if (f)
		lua_pushlstring(l, f->value, f->value_len);
	else
		lua_pushboolean(l, 0);
}

static int do_hget(struct call *c, lua_State *l)
{
	push_field(l, find_field(find_key(c->ks, arg(l, 2), c->now_ms),
				 arg(l, 3)));
	return 1;
}

static int do_hmget(struct call *c, lua_State *l)
{
	const struct key *k = find_key(c->ks, arg(l, 2), c->now_ms);
	int count = lua_gettop(l) - 2;

	lua_createtable(l, count, 0);
	for (int i = 0; i < count; i++) {
		push_field(l, find_field(k, arg(l, 3 + i)));
		lua_rawseti(l, -2, i + 1);
	}
	return 1;
}

static int do_hset(struct call *c, lua_State *l)
{
	struct key *k = need_key(c, arg(l, 2), false);
	int added = 0;

	if (k->is_set || lua_gettop(l) % 2)
		return luaL_error(l, "HSET: wrong type or arguments");
	for (int i = 3; i < lua_gettop(l); i += 2) {
		struct field *f = find_field(k, arg(l, i));
		size_t len;
		const char *value = luaL_checklstring(l, i + 1, &len);

		added += !f;
		if (!f)
			f = add_field(k, arg(l, i));
		free(f->value);
		f->value = dup_text(value, len);
		f->value_len = len;
	}
	lua_pushinteger(l, added);
	return 1;
}

static int do_hdel(struct call *c, lua_State *l)
{
	struct key *k = find_key(c->ks, arg(l, 2), c->now_ms);
	bool had = k && remove_field(k, arg(l, 3));

	if (k && !k->count)
		remove_key(c->ks, k);
	lua_pushinteger(l, had);
	return 1;
}

static int do_del(struct call *c, lua_State *l)
{
	struct key *k = find_key(c->ks, arg(l, 2), c->now_ms);

	if (k)
		remove_key(c->ks, k);
	lua_pushinteger(l, k != NULL);
	return 1;
}

static int do_exists(struct call *c, lua_State *l)
{
	lua_pushinteger(l, find_key(c->ks, arg(l, 2), c->now_ms) != NULL);
	return 1;
}

static int do_pexpire(struct call *c, lua_State *l)
{
	struct key *k = find_key(c->ks, arg(l, 2), c->now_ms);

	if (k)
		k->expire_ms = c->now_ms + (int64_t)luaL_checknumber(l, 3);
	lua_pushinteger(l, k != NULL);
	return 1;
}

static int do_persist(struct call *c, lua_State *l)
{
	struct key *k = find_key(c->ks, arg(l, 2), c->now_ms);
	bool had = k && k->expire_ms != INT64_MAX;

	if (k)
		k->expire_ms = INT64_MAX;
	lua_pushinteger(l, had);
	return 1;
}

static int do_sadd(struct call *c, lua_State *l)
{
	struct key *k = need_key(c, arg(l, 2), true);
	bool is_new = !find_field(k, arg(l, 3));

	if (is_new)
		add_field(k, arg(l, 3));
	lua_pushinteger(l, is_new);
	return 1;
}

static int do_srem(struct call *c, lua_State *l)
{
	struct key *k = find_key(c->ks, arg(l, 2), c->now_ms);
	bool had = k && remove_field(k, arg(l, 3));

	if (k && !k->count)
		remove_key(c->ks, k);
	lua_pushinteger(l, had);
	return 1;
}

static int do_publish(struct call *c, lua_State *l)
{
	size_t len;
	const char *message = luaL_checklstring(l, 3, &len);

	if (c->publish)
		c->publish(c->ctx, span_of(message, len));
	lua_pushinteger(l, 0);
	return 1;
}

static int redis_call(lua_State *l)
{
	static const struct {
		const char *name;
		int (*run)(struct call *c, lua_State *l);
	} command[] = {
		{"HGET", do_hget},       {"HMGET", do_hmget},
		{"HSET", do_hset},       {"DEL", do_del},
		{"EXISTS", do_exists},   {"PEXPIRE", do_pexpire},
		{"PERSIST", do_persist}, {"SADD", do_sadd},
		{"SREM", do_srem},       {"PUBLISH", do_publish},
		{"HDEL", do_hdel},
	};
	struct scripts *s = lua_touserdata(l, lua_upvalueindex(1));

	for (size_t i = 0; i < WEIR_ARRAY_LEN(command); i++)
		if (!strcmp(arg(l, 1), command[i].name))
			return command[i].run(&s->call, l);
	return luaL_error(l, "redis.call: %s is not emulated", arg(l, 1));
}

/* ---- scripts ---- */

struct scripts *scripts_new(void)
{
	struct scripts *s = need(calloc(1, sizeof(*s)));
	lua_State *l = need(luaL_newstate());

	s->lua = l;
	lua_pushcfunction(l, luaopen_base);
	lua_call(l, 0, 0);
	lua_pushcfunction(l, luaopen_string);
	lua_call(l, 0, 0);
	lua_pushcfunction(l, luaopen_table);
	lua_call(l, 0, 0);
	lua_pushcfunction(l, luaopen_math);
	lua_call(l, 0, 0);
	lua_newtable(l);
	lua_pushlightuserdata(l, s);
	lua_pushcclosure(l, redis_call, 1);
	lua_setfield(l, -2, "call");
	lua_setglobal(l, "redis");
	return s;
}

void scripts_free(struct scripts **s)
{
	if (!*s)
		return;
	lua_close((*s)->lua);
	free(*s);
	*s = NULL;
}

void scripts_replace(struct scripts *s, const char *text, const char *with)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->known[i].text == text) {
			luaL_unref(s->lua, LUA_REGISTRYINDEX, s->known[i].ref);
			s->known[i] = s->known[--s->count];
			break;
		}
	if (!with)
		return;
	BUG_ON(s->count == TEXTS_MAX);
	BUG_ON(luaL_loadstring(s->lua, with) != 0);
	s->known[s->count].text = text;
	s->known[s->count++].ref = luaL_ref(s->lua, LUA_REGISTRYINDEX);
}

static int load(struct scripts *s, const char *text)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->known[i].text == text)
			return s->known[i].ref;
	scripts_replace(s, text, text);
	return s->known[s->count - 1].ref;
}

static void set_words(lua_State *l, const char *name, const struct span *word,
		      size_t count)
{
	lua_createtable(l, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushlstring(l, (const char *)word[i].data, word[i].len);
		lua_rawseti(l, -2, (int)i + 1);
	}
	lua_setglobal(l, name);
}

static void add_reply(struct script_reply *r, const char *s, size_t len)
{
	BUG_ON(r->count == SCRIPT_REPLY_MAX);
	BUG_ON(r->used + len > sizeof(r->bytes));
	memcpy(r->bytes + r->used, s, len);
	r->word[r->count++] = span_of(r->bytes + r->used, len);
	r->used += len;
}

/* A Redis reply ends at the first nil; only texts are expected. */
static void read_reply(lua_State *l, struct script_reply *r)
{
	for (int i = 1;; i++) {
		size_t len;
		const char *s;

		lua_rawgeti(l, -1, i);
		s = lua_type(l, -1) == LUA_TSTRING ? lua_tolstring(l, -1, &len)
						   : NULL;
		if (s)
			add_reply(r, s, len);
		lua_pop(l, 1);
		if (!s)
			return;
	}
}

int scripts_run(struct scripts *s, struct keyspace *ks,
		const struct script_words *words, int64_t now_ms,
		keyspace_publish_fn *publish, void *ctx,
		struct script_reply *reply)
{
	lua_State *l = s->lua;
	int err = 0;

	reply->count = reply->used = 0;
	s->call = (struct call){ks, now_ms, publish, ctx};
	set_words(l, "KEYS", words->word, words->key_count);
	set_words(l, "ARGV", words->word + words->key_count,
		  words->count - words->key_count);
	lua_rawgeti(l, LUA_REGISTRYINDEX, load(s, words->text));
	if (lua_pcall(l, 0, 1, 0)) {
		const char *why = lua_tostring(l, -1);

		add_reply(reply, why ? why : "?", why ? strlen(why) : 1);
		err = WEIR_EPROTO;
	} else if (lua_istable(l, -1)) {
		read_reply(l, reply);
	}
	lua_pop(l, 1);
	return err;
}

/* ---- dump ---- */

static int cmp_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dump_key(const struct key *k, struct buf *out)
{
	char **line = need(calloc(k->count + 1, sizeof(*line)));

	buf_printf(out, "%s %s%s\n", k->is_set ? "set" : "hash", k->name,
		   k->expire_ms == INT64_MAX ? "" : " expires");
	for (size_t i = 0; i < k->count; i++) {
		struct buf b = {0};

		buf_printf(&b, "  %s %s", k->field[i].name,
			   k->field[i].value ? k->field[i].value : "");
		line[i] = dup_text(buf_text(&b), b.len);
		buf_fini(&b);
	}
	qsort(line, k->count, sizeof(*line), cmp_text);
	for (size_t i = 0; i < k->count; i++) {
		buf_printf(out, "%s\n", line[i]);
		free(line[i]);
	}
	free(line);
}

static int cmp_key(const void *a, const void *b)
{
	const struct key *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

void keyspace_dump(const struct keyspace *ks, int64_t now_ms, struct buf *out)
{
	const struct key **order = need(calloc(ks->count + 1, sizeof(*order)));
	size_t count = 0;

	for (size_t i = 0; i < ks->count; i++)
		if (ks->key[i].expire_ms > now_ms)
			order[count++] = &ks->key[i];
	qsort(order, count, sizeof(*order), cmp_key);
	for (size_t i = 0; i < count; i++)
		dump_key(order[i], out);
	free(order);
}
