/* common/conf/conf.c - the settings: tables, defaults, drafts, mistakes. */
#include "common/conf/conf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/conf_priv.h"
#include "common/conf/json.h"

#define MESSAGES_MAX 65536

/* ---- looking up ---- */

int conf_choice(const char *choices, struct span word)
{
	for (int i = 0; *choices; i++) {
		size_t len = strcspn(choices, "|");

		if (span_eq(span_of(choices, len), word))
			return i;
		choices += len + (choices[len] == '|');
	}
	return -1;
}

bool conf_find(const struct conf *c, struct conf_key_ref *out,
	       struct span section, struct span name)
{
	for (size_t i = 0; i < c->slot_count; i++) {
		const struct conf_table *t = c->slot[i].table;

		if (!span_eq_str(section, t->section))
			continue;
		for (size_t k = 0; k < t->key_count; k++) {
			if (!span_eq_str(name, t->key[k].name))
				continue;
			out->slot = &c->slot[i];
			out->key = &t->key[k];
			return true;
		}
	}
	return false;
}

/* By "section.name", and by "role.section.name" for shared sections. */
static bool find_path(const struct conf *c, struct conf_key_ref *out,
		      const char *path)
{
	size_t len = strcspn(path, ".");
	const char *name = path + len + (path[len] == '.');

	if (conf_find(c, out, span_of(path, len), span_str(name)))
		return true;
	if (!span_eq_str(span_of(path, len), c->role))
		return false;
	len = strcspn(name, ".");
	return conf_choice(CONF_SHARED, span_of(name, len)) >= 0 &&
	       conf_find(c, out, span_of(name, len),
			 span_str(name + len + (name[len] == '.')));
}

/* ---- mistakes ---- */

static void put_place(struct conf *c, const char *path)
{
	size_t at = c->json.len ? json_find_key(c->json, path) : SIZE_MAX;
	struct json_place place = json_place_of(c->json, at);

	buf_printf(&c->messages, "%s:", c->source);
	if (at != SIZE_MAX)
		buf_printf(&c->messages, "%u:%u:", place.line, place.column);
}

void conf_mistake(struct conf *c, const char *path, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->mistake_count++;
	if (c->messages.len > MESSAGES_MAX)
		return;
	put_place(c, path);
	buf_printf(&c->messages, " %.300s%s%s\n", path, *path ? ": " : "",
		   text);
}

const char *conf_messages(const struct conf *c)
{
	return c->messages.data ? (const char *)c->messages.data : "";
}

/* ---- a load from its begin to its end ---- */

static void begin(struct conf *c, const char *source, struct span json)
{
	c->source = source;
	c->json = json;
	c->mistake_count = 0;
	for (size_t i = 0; i < c->slot_count; i++)
		memcpy(c->slot[i].draft, c->slot[i].settings,
		       c->slot[i].table->settings_bytes);
}

static int end(struct conf *c)
{
	c->source = "";
	c->json = (struct span){0};
	(void)buf_text(&c->messages);
	if (c->is_out_of_memory || buf_error(&c->messages))
		return WEIR_ENOMEM;
	if (c->mistake_count > 0)
		return WEIR_ECONF;
	for (size_t i = 0; i < c->slot_count; i++)
		memcpy(c->slot[i].settings, c->slot[i].draft,
		       c->slot[i].table->settings_bytes);
	return 0;
}

/* ---- making ---- */

static void check_key(const struct conf_table *t, const struct conf_key *key)
{
	const char *dot = strchr(key->name, '.');

	BUG_ON(dot && strchr(dot + 1, '.'));
	BUG_ON(strlen(t->section) + strlen(key->name) + 2 > CONF_PATH_BYTES);
	BUG_ON(key->type != CONF_TYPE_ENUM && key->min > key->max);
	BUG_ON(key->type == CONF_TYPE_OBJECTS && !key->check);
}

static void set_default(struct conf *c, struct conf_slot *slot,
			const struct conf_key *key)
{
	struct conf_key_ref ref = {slot, key};
	struct conf_value v = {.type = key->type, .i = key->initial_int};

	check_key(slot->table, key);
	if (key->type == CONF_TYPE_INT || key->type == CONF_TYPE_BOOL)
		conf_store(c, &ref, &v, key->name, "default");
	else
		conf_store_text(c, &ref, key->initial, key->name);
}

static int set_defaults(struct conf *c)
{
	int err;

	begin(c, "default", (struct span){0});
	for (size_t i = 0; i < c->slot_count; i++)
		for (size_t k = 0; k < c->slot[i].table->key_count; k++)
			set_default(c, &c->slot[i], &c->slot[i].table->key[k]);
	err = end(c);
	BUG_ON(err == WEIR_ECONF);
	return err;
}

static int make_slots(struct conf *c, const struct conf_table *const *tables,
		      size_t count)
{
	c->slot = calloc(count ? count : 1, sizeof(*c->slot));
	if (!c->slot)
		return WEIR_ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct conf_slot *s = &c->slot[i];

		s->table = tables[i];
		s->settings = calloc(1, tables[i]->settings_bytes);
		s->draft = calloc(1, tables[i]->settings_bytes);
		c->slot_count = i + 1;
		if (!s->settings || !s->draft)
			return WEIR_ENOMEM;
	}
	return 0;
}

int conf_new(struct conf **out, const char *role,
	     const struct conf_table *const *tables, size_t count)
{
	struct conf *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return WEIR_ENOMEM;
	c->role = role;
	err = make_slots(c, tables, count);
	if (!err)
		err = set_defaults(c);
	if (err) {
		conf_free(&c);
		return err;
	}
	*out = c;
	return 0;
}

void conf_free(struct conf **p)
{
	struct conf *c = *p;

	if (!c)
		return;
	*p = NULL;
	for (size_t i = 0; i < c->slot_count; i++) {
		free(c->slot[i].settings);
		free(c->slot[i].draft);
	}
	while (c->texts) {
		struct conf_text *next = c->texts->next;

		free(c->texts);
		c->texts = next;
	}
	free(c->slot);
	buf_fini(&c->messages);
	free(c);
}

const void *conf_get(const struct conf *c, const struct conf_table *table)
{
	for (size_t i = 0; i < c->slot_count; i++)
		if (c->slot[i].table == table)
			return c->slot[i].settings;
	weir_bug(__FILE__, __LINE__, "a table that was not given to conf_new");
}

/* ---- single keys ---- */

int conf_default(struct conf *c, const char *path, const char *text)
{
	struct conf_key_ref ref;
	int err;

	BUG_ON(!find_path(c, &ref, path));
	begin(c, "default", (struct span){0});
	conf_store_text(c, &ref, text, path);
	err = end(c);
	BUG_ON(err == WEIR_ECONF);
	return err;
}

/* Is it in a section that others have, and we do not? */
static bool is_foreign(const struct conf *c, const char *path)
{
	struct span section = span_of(path, strcspn(path, "."));

	for (size_t i = 0; i < c->slot_count; i++)
		if (span_eq_str(section, c->slot[i].table->section))
			return false;
	return !span_eq_str(section, c->role) &&
	       (conf_choice(CONF_ROLES, section) >= 0 ||
		conf_choice(CONF_SHARED, section) >= 0);
}

static void override(struct conf *c, const char *path, const char *text)
{
	struct conf_key_ref ref;
	struct buf nearest = {0};

	if (find_path(c, &ref, path)) {
		conf_store_text(c, &ref, text, path);
		return;
	}
	if (is_foreign(c, path))
		return;
	conf_put_nearest(&nearest, c, path);
	conf_mistake(c, path, "unknown key%s", buf_text(&nearest));
	buf_fini(&nearest);
}

int conf_override(struct conf *c, const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	char path[256];

	begin(c, "--set", (struct span){0});
	if (!equals || (size_t)(equals - assignment) >= sizeof(path)) {
		conf_mistake(c, "", "%.80s: PATH=VALUE is expected",
			     assignment);
		return end(c);
	}
	snprintf(path, sizeof(path), "%.*s", (int)(equals - assignment),
		 assignment);
	override(c, path, equals + 1);
	return end(c);
}

/* ---- whole texts: load.c parses, here is the frame around it ---- */

void conf_apply_json(struct conf *c, struct span json);

int conf_load_text(struct conf *c, const char *name, struct span json)
{
	begin(c, name, json);
	conf_apply_json(c, json);
	return end(c);
}
