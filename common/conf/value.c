/* common/conf/value.c - one value: is it allowed, where does it go. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/utf8.h"
#include "common/conf/conf_priv.h"
#include "common/io/net.h"

#define ITEMS_MAX 256 /* of a list on a command line */

static void *keep(struct conf *c, size_t len)
{
	struct conf_text *t = malloc(sizeof(*t) + len);

	if (!t) {
		c->is_out_of_memory = true;
		return NULL;
	}
	t->next = c->texts;
	c->texts = t;
	return t->bytes;
}

static const char *keep_text(struct conf *c, struct span s)
{
	char *text = keep(c, s.len + 1);

	if (!text)
		return NULL;
	if (s.len)
		memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	return text;
}

/* ---- what is expected ---- */

static const char *unit_of(const struct conf_key *key)
{
	return strcmp(key->unit, "count") ? key->unit : "";
}

static void put_range(struct buf *out, const struct conf_key *key,
		      const char *unit)
{
	if (key->min > 0)
		buf_printf(out, "%" PRId64 " to ", key->min);
	else
		buf_printf(out, "at most ");
	buf_printf(out, "%" PRId64 " %s", key->max, unit);
}

static void put_choices(struct buf *out, const char *choices)
{
	buf_printf(out, "one of ");
	for (; *choices; choices++) {
		if (*choices == '|')
			buf_printf(out, ", ");
		else
			buf_put_u8(out, (uint8_t)*choices);
	}
}

void conf_put_expected(struct buf *out, const struct conf_key *key)
{
	switch (key->type) {
	case CONF_TYPE_BOOL:
		buf_printf(out, "true or false");
		break;
	case CONF_TYPE_INT:
		buf_printf(out, "a whole number from %" PRId64 " to %" PRId64,
			   key->min, key->max);
		if (*unit_of(key))
			buf_printf(out, " %s", unit_of(key));
		break;
	case CONF_TYPE_STRING:
		buf_printf(out, "text of ");
		put_range(out, key, "bytes");
		break;
	case CONF_TYPE_ADDR:
		buf_printf(out,
			   "an address such as 127.0.0.1:1935, [::1]:80 "
			   "or :8080, or \"\" for none");
		break;
	case CONF_TYPE_ENUM:
		put_choices(out, key->choices);
		break;
	case CONF_TYPE_LIST:
		buf_printf(out, "a list of ");
		put_range(out, key, "texts");
		break;
	case CONF_TYPE_OBJECTS:
		buf_printf(out, "a list of objects");
		break;
	}
}

/* ---- is it allowed ---- */

static bool is_text(struct span s)
{
	return utf8_valid_len(s) == s.len &&
	       (s.len == 0 || !memchr(s.data, 0, s.len));
}

static bool is_addr(struct span s)
{
	struct net_addr addr;
	char text[256];

	if (s.len == 0)
		return true;
	if (s.len >= sizeof(text))
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	return net_addr_parse(&addr, text) == 0;
}

static bool is_within(const struct conf_key *key, int64_t n)
{
	return n >= key->min && n <= key->max;
}

static bool are_texts(const struct conf_value *v)
{
	for (size_t i = 0; i < v->item_count; i++)
		if (!is_text(v->item[i]))
			return false;
	return true;
}

static bool is_allowed(const struct conf_key *key, const struct conf_value *v)
{
	if (key->type == CONF_TYPE_ENUM)
		return v->type == CONF_TYPE_STRING &&
		       conf_choice(key->choices, v->text) >= 0;
	if (key->type == CONF_TYPE_ADDR)
		return v->type == CONF_TYPE_STRING && is_text(v->text) &&
		       is_addr(v->text);
	if (v->type != key->type)
		return false;
	switch (key->type) {
	case CONF_TYPE_INT:
		return is_within(key, v->i);
	case CONF_TYPE_STRING:
		return is_text(v->text) && is_within(key, (int64_t)v->text.len);
	case CONF_TYPE_LIST:
		return are_texts(v) && is_within(key, (int64_t)v->item_count);
	default:
		return true;
	}
}

/* ---- where does it go ---- */

static void put_list(struct conf *c, struct conf_list *out,
		     const struct conf_value *v)
{
	const char **item = keep(c, (v->item_count + 1) * sizeof(*item));

	if (!item)
		return;
	for (size_t i = 0; i < v->item_count; i++)
		item[i] = keep_text(c, v->item[i]);
	item[v->item_count] = NULL;
	out->item = item;
	out->count = v->item_count;
}

static void put_value(struct conf *c, const struct conf_key_ref *ref,
		      const struct conf_value *v)
{
	void *at = ref->slot->draft + ref->key->offset;

	switch (ref->key->type) {
	case CONF_TYPE_BOOL:
		*(bool *)at = v->i != 0;
		break;
	case CONF_TYPE_INT:
		*(int64_t *)at = v->i;
		break;
	case CONF_TYPE_STRING:
	case CONF_TYPE_ADDR:
	case CONF_TYPE_OBJECTS:
		*(const char **)at = keep_text(c, v->text);
		break;
	case CONF_TYPE_ENUM:
		*(int *)at = conf_choice(ref->key->choices, v->text);
		break;
	case CONF_TYPE_LIST:
		put_list(c, at, v);
		break;
	}
}

/* Objects say themselves what is wrong with them, and where. */
static void store_objects(struct conf *c, const struct conf_key_ref *ref,
			  const struct conf_value *v, const char *path)
{
	struct conf_fault fault = {"", ""};

	if (ref->key->check(v->text, &fault))
		put_value(c, ref, v);
	else
		conf_mistake(c, path, "%s%s%s", fault.where,
			     *fault.where ? ": " : "", fault.what);
}

void conf_store(struct conf *c, const struct conf_key_ref *ref,
		const struct conf_value *v, const char *path, const char *shown)
{
	struct buf expected = {0};

	if (ref->key->type == CONF_TYPE_OBJECTS && v->type == ref->key->type) {
		store_objects(c, ref, v, path);
		return;
	}
	if (is_allowed(ref->key, v)) {
		put_value(c, ref, v);
		return;
	}
	if (ref->key->flags & CONF_SECRET)
		shown = "(secret)";
	conf_put_expected(&expected, ref->key);
	conf_mistake(c, path, "%.80s is not allowed: %s", shown,
		     buf_text(&expected));
	buf_fini(&expected);
}

/* ---- from text ---- */

static bool read_int(int64_t *out, const char *text)
{
	char *end;
	long long n;

	if (!*text || strspn(text, "-0123456789") != strlen(text))
		return false;
	errno = 0;
	n = strtoll(text, &end, 10);
	*out = n;
	return !errno && !*end;
}

static size_t split(struct span item[ITEMS_MAX], const char *text)
{
	size_t count = 0;

	while (*text && count < ITEMS_MAX) {
		size_t len = strcspn(text, ",");

		item[count++] = span_of(text, len);
		text += len + (text[len] == ',');
	}
	return count;
}

void conf_store_text(struct conf *c, const struct conf_key_ref *ref,
		     const char *text, const char *path)
{
	struct conf_value v = {.type = CONF_TYPE_STRING,
			       .text = span_str(text)};
	struct span item[ITEMS_MAX];

	switch (ref->key->type) {
	case CONF_TYPE_BOOL:
		v.i = !strcmp(text, "true");
		if (v.i || !strcmp(text, "false"))
			v.type = CONF_TYPE_BOOL;
		break;
	case CONF_TYPE_INT:
		if (read_int(&v.i, text))
			v.type = CONF_TYPE_INT;
		break;
	case CONF_TYPE_LIST:
		v.type = CONF_TYPE_LIST;
		v.item = item;
		v.item_count = split(item, text);
		break;
	case CONF_TYPE_OBJECTS:
		v.type = CONF_TYPE_OBJECTS;
		break;
	default:
		break;
	}
	conf_store(c, ref, &v, path, *text ? text : "\"\"");
}

/* ---- what was meant ---- */

/* How many letters must be added, left out or changed. Only for names that can
 * be right; others are as far as can be. */
static size_t distance(const char *a, const char *b)
{
	size_t row[CONF_PATH_BYTES + 1];
	size_t len = strlen(b);

	if (len > CONF_PATH_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= len; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			size_t step = WEIR_MIN(row[j], row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = WEIR_MIN(change, step);
		}
	}
	return row[len];
}

void conf_put_nearest(struct buf *out, const struct conf *c, const char *path)
{
	size_t len = strlen(path);
	size_t best = WEIR_MAX(len / 4, 2u) + 1;

	if (len >= CONF_PATH_BYTES)
		return;
	for (size_t i = 0; i < c->slot_count; i++) {
		const struct conf_table *t = c->slot[i].table;

		for (size_t k = 0; k < t->key_count; k++) {
			struct buf candidate = {0};
			size_t d;

			buf_printf(&candidate, "%s.%s", t->section,
				   t->key[k].name);
			d = distance(path, buf_text(&candidate));
			if (d < best) {
				best = d;
				buf_clear(out);
				buf_printf(out, "; did you mean %s?",
					   buf_text(&candidate));
			}
			buf_fini(&candidate);
		}
	}
}
