/* common/conf/print.c - settings as JSON with comments, and as a page. */
#include <inttypes.h>

#include "common/conf/conf_priv.h"
#include "common/conf/json.h"

#define WIDTH 80

/* A section's keys, over all its tables, in their order. */
struct cursor {
	const struct conf *c;
	const char *section;
	size_t slot;
	size_t key;
};

static bool next_key(struct cursor *at, struct conf_key_ref *out)
{
	for (; at->slot < at->c->slot_count; at->slot++, at->key = 0) {
		struct conf_slot *s = &at->c->slot[at->slot];

		if (strcmp(s->table->section, at->section) != 0 ||
		    at->key == s->table->key_count)
			continue;
		*out = (struct conf_key_ref){s, &s->table->key[at->key++]};
		return true;
	}
	return false;
}

/* Is this slot the first of its section? */
static bool is_first(const struct conf *c, size_t slot)
{
	for (size_t i = 0; i < slot; i++)
		if (!strcmp(c->slot[i].table->section,
			    c->slot[slot].table->section))
			return false;
	return true;
}

static const void *value_of(const struct conf_key_ref *ref)
{
	return ref->slot->settings + ref->key->offset;
}

static struct span choice_at(const char *choices, int i)
{
	while (i-- > 0)
		choices += strcspn(choices, "|") + 1;
	return span_of(choices, strcspn(choices, "|"));
}

static void put_value(struct buf *out, const struct conf_key_ref *ref)
{
	const void *at = value_of(ref);
	const struct conf_list *list = at;

	switch (ref->key->type) {
	case CONF_TYPE_BOOL:
		buf_printf(out, "%s", *(const bool *)at ? "true" : "false");
		break;
	case CONF_TYPE_INT:
		buf_printf(out, "%" PRId64, *(const int64_t *)at);
		break;
	case CONF_TYPE_STRING:
	case CONF_TYPE_ADDR:
		json_put_string(out, span_str(*(const char *const *)at));
		break;
	case CONF_TYPE_ENUM:
		json_put_string(out,
				choice_at(ref->key->choices, *(const int *)at));
		break;
	case CONF_TYPE_LIST:
		buf_put_u8(out, '[');
		for (size_t i = 0; i < list->count; i++) {
			buf_printf(out, "%s", i ? ", " : "");
			json_put_string(out, span_str(list->item[i]));
		}
		buf_put_u8(out, ']');
		break;
	case CONF_TYPE_OBJECTS:
		buf_printf(out, "%s", *(const char *const *)at);
		break;
	}
}

static void put_tabs(struct buf *out, unsigned depth)
{
	while (depth-- > 0)
		buf_put_u8(out, '\t');
}

/* Lines of a comment that stay within WIDTH. */
static void put_comment(struct buf *out, unsigned depth, const char *text)
{
	size_t room = WIDTH - 8u * depth - 3;

	while (*text) {
		size_t len = strlen(text);

		if (len > room) {
			len = room;
			while (len > 0 && text[len] != ' ')
				len--;
			if (len == 0)
				len = strcspn(text, " ");
		}
		put_tabs(out, depth);
		buf_printf(out, "// %.*s\n", (int)len, text);
		text += len + (text[len] == ' ');
	}
}

static void put_key_comment(struct buf *out, unsigned depth,
			    const struct conf_key *key)
{
	struct buf text = {0};

	buf_printf(&text, "%s Takes ", key->sentence);
	conf_put_expected(&text, key);
	buf_printf(&text, "%s.",
		   key->flags & CONF_RELOAD ? "; may change while running"
					    : "");
	put_comment(out, depth, buf_text(&text));
	buf_fini(&text);
}

/* Where the next entry of an object goes: `is_open` says whether one is there
 * already. */
static void begin_entry(struct buf *out, bool *is_open)
{
	buf_printf(out, "%s", *is_open ? ",\n" : "");
	*is_open = true;
}

/* A secret leaves a comment only. They come first in their object, where they
 * cannot get between an entry and its comma. */
static void put_secret(struct buf *out, unsigned depth,
		       const struct conf_key_ref *ref, const char *name)
{
	const char *text = *(const char *const *)value_of(ref);
	bool is_set = strcmp(text, ref->key->initial) != 0;

	put_key_comment(out, depth, ref->key);
	put_tabs(out, depth);
	buf_printf(out, "// \"%s\": secret, %s\n", name,
		   is_set ? "set" : "not set");
}

static void put_key(struct buf *out, unsigned depth,
		    const struct conf_key_ref *ref, const char *name,
		    bool *is_open)
{
	begin_entry(out, is_open);
	put_key_comment(out, depth, ref->key);
	put_tabs(out, depth);
	buf_printf(out, "\"%s\": ", name);
	put_value(out, ref);
}

static bool is_secret(const struct conf_key *key)
{
	return (key->flags & CONF_SECRET) != 0;
}

/* Length of "rtmp." in "rtmp.listen"; 0 without a dot. */
static size_t group_len(const struct conf_key *key)
{
	const char *dot = strchr(key->name, '.');

	return dot ? (size_t)(dot - key->name) + 1 : 0;
}

static bool is_in_group(const struct conf_key *a, const struct conf_key *b)
{
	size_t len = group_len(a);

	return len == group_len(b) && !strncmp(a->name, b->name, len);
}

/* Has the group of `key` been printed with an earlier key? */
static bool is_group_done(const struct conf *c, const char *section,
			  const struct conf_key *key)
{
	struct cursor at = {c, section, 0, 0};
	struct conf_key_ref ref;

	while (next_key(&at, &ref) && ref.key != key)
		if (is_in_group(key, ref.key))
			return true;
	return false;
}

/* The keys of the group of `first`, which may be the group without a name. */
static void put_keys(struct buf *out, unsigned depth, const struct cursor *from,
		     const struct conf_key *first, bool *is_open)
{
	struct cursor at = *from;
	struct conf_key_ref ref;

	while (next_key(&at, &ref))
		if (is_in_group(first, ref.key) && is_secret(ref.key))
			put_secret(out, depth, &ref,
				   ref.key->name + group_len(first));
	at = *from;
	while (next_key(&at, &ref))
		if (is_in_group(first, ref.key) && !is_secret(ref.key))
			put_key(out, depth, &ref,
				ref.key->name + group_len(first), is_open);
}

static void put_group(struct buf *out, const struct cursor *from,
		      const struct conf_key *first, bool *is_open)
{
	bool is_inner_open = false;

	begin_entry(out, is_open);
	put_tabs(out, 2);
	buf_printf(out, "\"%.*s\": {\n", (int)group_len(first) - 1,
		   first->name);
	put_keys(out, 3, from, first, &is_inner_open);
	buf_printf(out, "%s", is_inner_open ? "\n" : "");
	put_tabs(out, 2);
	buf_put_u8(out, '}');
}

static void put_section(struct buf *out, const struct conf *c,
			const struct conf_table *t)
{
	static const struct conf_key nameless = {.name = ""};
	const struct cursor from = {c, t->section, 0, 0};
	struct cursor at = from;
	struct conf_key_ref ref;
	bool is_open = false;

	put_comment(out, 1, t->sentence);
	buf_printf(out, "\t\"%s\": {\n", t->section);
	put_keys(out, 2, &from, &nameless, &is_open);
	while (next_key(&at, &ref))
		if (group_len(ref.key) &&
		    !is_group_done(c, t->section, ref.key))
			put_group(out, &from, ref.key, &is_open);
	buf_printf(out, "%s\t}", is_open ? "\n" : "");
}

void conf_print(const struct conf *c, struct buf *out)
{
	bool is_open = false;

	buf_printf(out, "{\n");
	for (size_t i = 0; i < c->slot_count; i++) {
		if (!is_first(c, i))
			continue;
		begin_entry(out, &is_open);
		put_section(out, c, c->slot[i].table);
	}
	buf_printf(out, "\n}\n");
}

/* ---- the page ---- */

static const char *const type_name[] = {"true or false", "number", "text",
					"address",       "choice", "list",
					"objects"};

static void put_docs_row(struct buf *out, const struct conf_key_ref *ref)
{
	buf_printf(out, "| `%s.%s` | %s | ", ref->slot->table->section,
		   ref->key->name, type_name[ref->key->type]);
	conf_put_expected(out, ref->key);
	buf_printf(out, " | ");
	if (ref->key->flags & CONF_SECRET)
		buf_printf(out, "none, secret");
	else {
		buf_put_u8(out, '`');
		put_value(out, ref);
		buf_put_u8(out, '`');
	}
	buf_printf(out, " | %s | %s |\n",
		   ref->key->flags & CONF_RELOAD ? "yes" : "no",
		   ref->key->sentence);
}

void conf_print_docs(const struct conf *c, struct buf *out)
{
	for (size_t i = 0; i < c->slot_count; i++) {
		const struct conf_table *t = c->slot[i].table;
		struct cursor at = {c, t->section, 0, 0};
		struct conf_key_ref ref;

		if (!is_first(c, i))
			continue;
		buf_printf(out,
			   "\n## %s\n\n%s\n\n| setting | type | takes | "
			   "default | while running | meaning |\n"
			   "|---|---|---|---|---|---|\n",
			   t->section, t->sentence);
		while (next_key(&at, &ref))
			put_docs_row(out, &ref);
	}
}
