/* common/registry/rulebook.c - the cluster's rules: names and texts. */
#include "common/registry/rulebook.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/registry/scripts.h"

#define NUMBER_DIGITS 16
#define PART_RULES    1000 /* of the file at a time */

/* What the map holds. */
struct rulebook_rule {
	char *text;
	size_t len;
	uint32_t mark;
};

void rulebook_init(struct rulebook *b, uint64_t seed)
{
	*b = (struct rulebook){0};
	map_init(&b->rules, seed);
}

static void rule_free(struct rulebook_rule *r)
{
	if (!r)
		return;
	free(r->text);
	free(r);
}

void rulebook_fini(struct rulebook *b)
{
	map_each (slot, &b->rules)
		rule_free(slot->value);
	map_fini(&b->rules);
	b->version = (struct rule_version){0};
}

bool rule_version_eq(const struct rule_version *a, const struct rule_version *b)
{
	return a->number == b->number && !strcmp(a->tag, b->tag);
}

/* ---- names and texts ---- */

static bool is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < ' ' || s.data[i] == 0x7f)
			return false;
	return true;
}

bool rulebook_is_name(struct span name)
{
	size_t kind = 0;

	while (kind < name.len && name.data[kind] >= 'a' &&
	       name.data[kind] <= 'z')
		kind++;
	return kind && kind + 1 < name.len && name.len <= RULEBOOK_NAME_MAX &&
	       name.data[kind] == ' ' && is_plain(name);
}

bool rulebook_is_text(struct span text)
{
	return text.len && text.len <= RULEBOOK_TEXT_MAX && is_plain(text);
}

/* ---- filling ---- */

static char *copy_text(struct span text)
{
	char *copy = malloc(text.len + 1);

	if (copy) {
		memcpy(copy, text.data, text.len);
		copy[text.len] = '\0';
	}
	return copy;
}

static int add_rule(struct rulebook *b, struct span name, struct span text)
{
	struct rulebook_rule *r = calloc(1, sizeof(*r));
	int err = WEIR_ENOMEM;

	if (r)
		r->text = copy_text(text);
	if (r && r->text)
		err = map_put(&b->rules, name, r);
	if (err) {
		rule_free(r);
		return err;
	}
	r->len = text.len;
	r->mark = b->mark;
	return 0;
}

static int change_rule(struct rulebook_rule *r, struct span text)
{
	char *copy = copy_text(text);

	if (!copy)
		return WEIR_ENOMEM;
	free(r->text);
	r->text = copy;
	r->len = text.len;
	return 0;
}

int rulebook_put(struct rulebook *b, struct span name, struct span text,
		 bool *is_other)
{
	struct rulebook_rule *r;

	if (!rulebook_is_name(name) || !rulebook_is_text(text))
		return WEIR_EPROTO;
	r = map_get(&b->rules, name);
	if (!r && b->rules.count >= (size_t)2 * REGISTRY_RULES_MAX)
		return WEIR_ELIMIT;
	*is_other = !r || !span_eq(span_of(r->text, r->len), text);
	if (r)
		r->mark = b->mark;
	if (!*is_other)
		return 0;
	return r ? change_rule(r, text) : add_rule(b, name, text);
}

bool rulebook_remove(struct rulebook *b, struct span name)
{
	struct rulebook_rule *r = map_remove(&b->rules, name);

	rule_free(r);
	return r;
}

/* ---- looking ---- */

const char *rulebook_text(const struct rulebook *b, struct span name)
{
	const struct rulebook_rule *r = map_get(&b->rules, name);

	return r ? r->text : NULL;
}

size_t rulebook_count(const struct rulebook *b)
{
	return b->rules.count;
}

void rulebook_each(const struct rulebook *b,
		   void (*fn)(void *ctx, const char *name, const char *text),
		   void *ctx)
{
	char name[RULEBOOK_NAME_MAX + 1];

	map_each (slot, &b->rules) {
		const struct rulebook_rule *r = slot->value;

		memcpy(name, slot->key, slot->key_len);
		name[slot->key_len] = '\0';
		fn(ctx, name, r->text);
	}
}

void rulebook_mark(struct rulebook *b)
{
	b->mark++;
}

size_t rulebook_unmarked(const struct rulebook *b, struct span *out, size_t max)
{
	size_t count = 0;

	map_each (slot, &b->rules) {
		const struct rulebook_rule *r = slot->value;

		if (count == max)
			break;
		if (r->mark != b->mark)
			out[count++] = span_of(slot->key, slot->key_len);
	}
	return count;
}

/* ---- lines ---- */

static void put_lines(const struct map_slot *slot, struct buf *out)
{
	const struct rulebook_rule *r = slot->value;

	buf_put(out, span_of(slot->key, slot->key_len));
	buf_put(out, SPAN_LIT("\n"));
	buf_put(out, span_of(r->text, r->len));
	buf_put(out, SPAN_LIT("\n"));
}

void rulebook_lines(const struct rulebook *b, struct buf *out)
{
	map_each (slot, &b->rules)
		put_lines(slot, out);
}

bool rulebook_write(const struct rulebook *b, struct buf *out, const void **at)
{
	const struct map_slot *slot = *at;
	unsigned count = 0;

	if (!slot)
		buf_printf(out, RULEBOOK_PREFIX "%" PRIu64 " %s\n",
			   b->version.number, b->version.tag);
	while (count++ < PART_RULES && (slot = map_next(&b->rules, slot)))
		put_lines(slot, out);
	*at = slot;
	return !slot;
}

/* The next line, without its end; false: there is no whole one. */
static bool next_line(struct span *line, struct span *rest)
{
	const uint8_t *end =
		rest->len ? memchr(rest->data, '\n', rest->len) : NULL;

	if (!end)
		return false;
	line->data = rest->data;
	line->len = (size_t)(end - rest->data);
	*rest = span_from(*rest, line->len + 1);
	return true;
}

/* Lua's are exact below 2^53. */
static uint64_t read_number(struct span s)
{
	uint64_t n = 0;

	if (s.len > NUMBER_DIGITS)
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return 0;
		n = n * 10 + (uint64_t)(s.data[i] - '0');
	}
	return n;
}

static int read_head(struct rule_version *out, struct span line)
{
	const size_t prefix = sizeof(RULEBOOK_PREFIX) - 1;
	struct rule_version v = {0};
	const uint8_t *space;
	struct span number, tag;

	if (!span_eq_str(span_first(line, prefix), RULEBOOK_PREFIX))
		return WEIR_EPROTO;
	line = span_from(line, prefix);
	space = line.len ? memchr(line.data, ' ', line.len) : NULL;
	if (!space)
		return WEIR_EPROTO;
	number = span_of(line.data, (size_t)(space - line.data));
	tag = span_from(line, number.len + 1);
	v.number = read_number(number);
	if (tag.len < sizeof(v.tag) && is_plain(tag) && tag.len)
		memcpy(v.tag, tag.data, tag.len);
	*out = v;
	return 0;
}

int rulebook_read(struct rulebook *b, struct span text)
{
	struct rule_version version;
	struct span name, line;
	bool is_other;
	int err;

	if (!next_line(&line, &text) || read_head(&version, line))
		return WEIR_EPROTO;
	b->version = version;
	while (text.len) {
		err = WEIR_EPROTO;
		if (next_line(&name, &text) && next_line(&line, &text))
			err = rulebook_put(b, name, line, &is_other);
		else
			text = (struct span){0};
		if (err && err != WEIR_EPROTO)
			return err;
		if (err)
			b->version.tag[0] = RULEBOOK_NO_VERSION;
	}
	return 0;
}
