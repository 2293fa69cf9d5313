/* common/registry/rulebook.c - the cluster's rules: names and texts. */
#include "common/registry/rulebook.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/registry/scripts.h"

#define NUMBER_DIGITS 16 /* Lua's are exact below 2^53 */

void rulebook_init(struct rulebook *b, uint64_t seed)
{
	*b = (struct rulebook){0};
	map_init(&b->texts, seed);
}

void rulebook_fini(struct rulebook *b)
{
	map_each (slot, &b->texts)
		free(slot->value);
	map_fini(&b->texts);
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

static void take_version(struct rulebook *b, struct span name, struct span text)
{
	struct rule_version *v = &b->version;

	if (span_eq_str(name, "#version"))
		v->number = read_number(text);
	if (!span_eq_str(name, "#tag") || text.len >= sizeof(v->tag) ||
	    !is_plain(text))
		return;
	if (text.len)
		memcpy(v->tag, text.data, text.len);
	v->tag[text.len] = '\0';
}

int rulebook_take(struct rulebook *b, struct span name, struct span text)
{
	char *copy;
	int err;

	if (name.len && name.data[0] == '#') {
		take_version(b, name, text);
		return 0;
	}
	if (!rulebook_is_name(name) || !rulebook_is_text(text))
		return WEIR_EPROTO;
	if (b->texts.count >= REGISTRY_RULES_MAX)
		return WEIR_ELIMIT;
	copy = malloc(text.len + 1);
	if (!copy)
		return WEIR_ENOMEM;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	err = map_put(&b->texts, name, copy);
	if (err)
		free(copy);
	return err == WEIR_EEXIST ? WEIR_EPROTO : err;
}

void rulebook_each(const struct rulebook *b,
		   void (*fn)(void *ctx, const char *name, const char *text),
		   void *ctx)
{
	char name[RULEBOOK_NAME_MAX + 1];

	map_each (slot, &b->texts) {
		memcpy(name, slot->key, slot->key_len);
		name[slot->key_len] = '\0';
		fn(ctx, name, slot->value);
	}
}

/* ---- lines ---- */

static void add_lines(void *ctx, const char *name, const char *text)
{
	buf_printf(ctx, "%s\n%s\n", name, text);
}

void rulebook_lines(const struct rulebook *b, struct buf *out)
{
	rulebook_each(b, add_lines, out);
}

void rulebook_write(const struct rulebook *b, struct buf *out)
{
	buf_printf(out, RULEBOOK_PREFIX "%" PRIu64 " %s\n", b->version.number,
		   b->version.tag);
	rulebook_lines(b, out);
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

static int read_head(struct rule_version *out, struct span line)
{
	const size_t prefix = sizeof(RULEBOOK_PREFIX) - 1;
	struct rulebook head = {0};
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
	take_version(&head, SPAN_LIT("#version"), number);
	take_version(&head, SPAN_LIT("#tag"), tag);
	*out = head.version;
	return 0;
}

int rulebook_read(struct rulebook *b, struct span text)
{
	struct rule_version version;
	struct span name, line;
	int err;

	if (!next_line(&line, &text) || read_head(&version, line))
		return WEIR_EPROTO;
	b->version = version;
	while (next_line(&name, &text) && next_line(&line, &text)) {
		err = rulebook_take(b, name, line);
		if (err && err != WEIR_EPROTO)
			return err;
	}
	return 0;
}
