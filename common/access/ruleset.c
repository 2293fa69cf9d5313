/* common/access/ruleset.c - all rules of a process, ready to be asked. */
#include "common/access/ruleset.h"

#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "common/access/rule_priv.h"
#include "common/access/ruleset_priv.h"

int ruleset_new(struct ruleset **out, uint64_t seed)
{
	struct ruleset *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return WEIR_ENOMEM;
	rule_index_init(&rs->index, seed);
	rs->next_over_ms = INT64_MAX;
	*out = rs;
	return 0;
}

void ruleset_free(struct ruleset **p)
{
	struct ruleset *rs = *p;

	if (!rs)
		return;
	*p = NULL;
	rule_index_fini(&rs->index);
	for (int s = 0; s < RULE_SOURCE_COUNT; s++)
		for (int k = 0; k < RULE_KIND_COUNT; k++) {
			for (size_t i = 0; i < rs->row[s][k].count; i++)
				rule_unref(&rs->row[s][k].at[i]);
			free(rs->row[s][k].at);
		}
	free(rs);
}

/* ---- the index ---- */

struct span rule_name_key(struct rule_name *out, enum rule_source source,
			  enum rule_kind kind, const char *id)
{
	size_t len = strnlen(id, RULE_ID_MAX);

	out->byte[0] = (uint8_t)source;
	out->byte[1] = (uint8_t)kind;
	memcpy(out->byte + 2, id, len);
	return span_of(out->byte, len + 2);
}

/* A ban stands under one of what it asks for: where fewest others stand. */
static enum rule_index_of ban_place(const struct rule_ban *b, struct span *key)
{
	*key = (struct span){0};
	if (b->has_session) {
		*key = span_str(b->session);
		return INDEX_BAN_SESSION;
	}
	if (b->has_user) {
		*key = span_str(b->user);
		return INDEX_BAN_USER;
	}
	return b->has_ip ? INDEX_BAN_IP : INDEX_BAN_STREAM;
}

static int index_list(struct rule_index *ix, enum rule_index_of of,
		      const struct rule *r)
{
	int err = 0;

	for (unsigned i = 0; i < r->list.cidr_count && !err; i++)
		err = rule_index_add_block(ix, of, &r->list.cidr[i], r);
	return err;
}

static int index_ban(struct rule_index *ix, const struct rule *r)
{
	struct span key;
	enum rule_index_of of = ban_place(&r->ban, &key);

	if (of == INDEX_BAN_IP)
		return rule_index_add_block(ix, of, &r->ban.ip, r);
	if (of == INDEX_BAN_STREAM)
		return rule_index_add_pattern(ix, of, &r->ban.streams, r);
	return rule_index_add(ix, of, key, r);
}

static int index_add(struct ruleset *rs, enum rule_source source,
		     const struct rule *r)
{
	struct rule_name k;
	int err = rule_index_add(&rs->index, INDEX_NAME,
				 rule_name_key(&k, source, r->kind, r->id), r);

	if (!err && r->kind == RULE_DENY)
		err = index_list(&rs->index, INDEX_DENY, r);
	if (!err && r->kind == RULE_ALLOW)
		err = index_list(&rs->index, INDEX_ALLOW, r);
	if (!err && r->kind == RULE_BAN)
		err = index_ban(&rs->index, r);
	if (!err && r->kind == RULE_PULL)
		err = rule_index_add_pattern(&rs->index, INDEX_PULL,
					     &r->pull.streams, r);
	if (!err && r->kind == RULE_PUSH)
		err = rule_index_add_pattern(&rs->index, INDEX_PUSH,
					     &r->push.streams, r);
	return err;
}

static void unindex_list(struct rule_index *ix, enum rule_index_of of,
			 const struct rule *r)
{
	for (unsigned i = 0; i < r->list.cidr_count; i++)
		rule_index_remove_block(ix, of, &r->list.cidr[i], r);
}

static void unindex_ban(struct rule_index *ix, const struct rule *r)
{
	struct span key;
	enum rule_index_of of = ban_place(&r->ban, &key);

	if (of == INDEX_BAN_IP)
		rule_index_remove_block(ix, of, &r->ban.ip, r);
	else if (of == INDEX_BAN_STREAM)
		rule_index_remove_pattern(ix, of, &r->ban.streams, r);
	else
		rule_index_remove(ix, of, key, r);
}

/* Also after an index_add that failed half-way. */
static void index_remove(struct ruleset *rs, enum rule_source source,
			 const struct rule *r)
{
	struct rule_name k;

	rule_index_remove(&rs->index, INDEX_NAME,
			  rule_name_key(&k, source, r->kind, r->id), r);
	if (r->kind == RULE_DENY)
		unindex_list(&rs->index, INDEX_DENY, r);
	if (r->kind == RULE_ALLOW)
		unindex_list(&rs->index, INDEX_ALLOW, r);
	if (r->kind == RULE_BAN)
		unindex_ban(&rs->index, r);
	if (r->kind == RULE_PULL)
		rule_index_remove_pattern(&rs->index, INDEX_PULL,
					  &r->pull.streams, r);
	if (r->kind == RULE_PUSH)
		rule_index_remove_pattern(&rs->index, INDEX_PUSH,
					  &r->push.streams, r);
}

/* One allow rule more, or less. */
static void count_allow(struct ruleset *rs, const struct rule *r, bool is_more)
{
	size_t *count = r->until_ms ? rs->allow_timed : rs->allow_always;

	if (r->kind != RULE_ALLOW)
		return;
	for (unsigned op = 1; op <= ACCESS_BOTH; op <<= 1)
		if (r->list.ops & op)
			count[op] += is_more ? 1 : (size_t)-1;
}

/* ---- changing ---- */

static size_t source_count(const struct ruleset *rs, enum rule_source source)
{
	size_t count = 0;

	for (int k = 0; k < RULE_KIND_COUNT; k++)
		count += rs->row[source][k].count;
	return count;
}

static int row_reserve(struct rule_row *row)
{
	size_t cap = row->cap ? row->cap * 2 : 8;
	struct rule **at;

	if (row->count < row->cap)
		return 0;
	at = realloc(row->at, cap * sizeof(struct rule *));
	if (!at)
		return WEIR_ENOMEM;
	row->at = at;
	row->cap = cap;
	return 0;
}

/* Where a rule of the registry stands, or belongs. */
static size_t row_lower(const struct rule_row *row, const char *id)
{
	size_t low = 0, high = row->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(row->at[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t row_find(const struct rule_row *row, enum rule_source source,
		       const struct rule *r)
{
	size_t i = source == RULES_REGISTRY ? row_lower(row, r->id) : 0;

	while (i < row->count && row->at[i] != r)
		i++;
	return i;
}

/* A rule of the settings cannot be told by its id, which one of the registry may
 * have too. */
size_t ruleset_place(const struct ruleset *rs, const struct rule *r)
{
	const struct rule_row *own = &rs->row[RULES_SETTINGS][r->kind];
	size_t i = 0;

	while (i < own->count && own->at[i] != r)
		i++;
	if (i < own->count)
		return i;
	return i + row_lower(&rs->row[RULES_REGISTRY][r->kind], r->id);
}

/* Into a row that has room. */
static void row_insert(struct rule_row *row, enum rule_source source,
		       struct rule *r)
{
	size_t i = row->count;

	if (source == RULES_REGISTRY && i > 0 &&
	    strcmp(row->at[i - 1]->id, r->id) > 0)
		i = row_lower(row, r->id);
	memmove(row->at + i + 1, row->at + i,
		(row->count - i) * sizeof(*row->at));
	row->at[i] = r;
	row->count++;
}

static void changed(struct ruleset *rs, const struct rule *added)
{
	rs->version++;
	if (added && added->until_ms && added->until_ms < rs->next_over_ms)
		rs->next_over_ms = added->until_ms;
}

int ruleset_put(struct ruleset *rs, enum rule_source source,
		const struct rule *rule)
{
	struct rule_row *row = &rs->row[source][rule->kind];
	const struct rule *old = ruleset_get(rs, source, rule->kind, rule->id);
	int err = 0;

	if (!old && source_count(rs, source) >= RULESET_MAX)
		return WEIR_ELIMIT;
	if (!old)
		err = row_reserve(row);
	if (!err)
		err = index_add(rs, source, rule);
	if (err) {
		index_remove(rs, source, rule);
		return err;
	}
	if (old) {
		struct rule **at = &row->at[row_find(row, source, old)];

		index_remove(rs, source, old);
		count_allow(rs, old, false);
		rule_unref(at);
		*at = rule_ref(rule);
	} else {
		row_insert(row, source, rule_ref(rule));
	}
	count_allow(rs, rule, true);
	changed(rs, rule);
	return 0;
}

static void remove_at(struct ruleset *rs, enum rule_source source,
		      struct rule_row *row, size_t i)
{
	index_remove(rs, source, row->at[i]);
	count_allow(rs, row->at[i], false);
	rule_unref(&row->at[i]);
	row->count--;
	memmove(row->at + i, row->at + i + 1,
		(row->count - i) * sizeof(*row->at));
	changed(rs, NULL);
}

bool ruleset_remove(struct ruleset *rs, enum rule_source source,
		    enum rule_kind kind, const char *id)
{
	const struct rule *r = ruleset_get(rs, source, kind, id);
	struct rule_row *row = &rs->row[source][kind];

	if (!r)
		return false;
	remove_at(rs, source, row, row_find(row, source, r));
	return true;
}

/* What has been put in place of what was there. */
static void swap(struct ruleset *rs, struct ruleset *with)
{
	struct ruleset was = *rs;

	*rs = *with;
	*with = was;
	rs->version = was.version + 1;
}

static int put_all(struct ruleset *to, const struct ruleset *from,
		   enum rule_source source)
{
	int err = 0;

	for (int k = 0; k < RULE_KIND_COUNT && !err; k++) {
		const struct rule_row *row = &from->row[source][k];

		for (size_t i = 0; i < row->count && !err; i++)
			err = ruleset_put(to, source, row->at[i]);
	}
	return err;
}

/* A rule, and the how manyth it was. */
struct sorted {
	const struct rule *rule;
	size_t at;
};

static int by_name(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	int order = (int)x->rule->kind - (int)y->rule->kind;

	if (!order)
		order = strcmp(x->rule->id, y->rule->id);
	if (!order)
		order = x->at < y->at ? -1 : 1;
	return order;
}

/* In the order in which the registry's stand, so that each goes to the end. */
static int put_sorted(struct ruleset *to, const struct rule *const *rule,
		      size_t count)
{
	struct sorted *s = calloc(count ? count : 1, sizeof(*s));
	int err = 0;

	if (!s)
		return WEIR_ENOMEM;
	for (size_t i = 0; i < count; i++)
		s[i] = (struct sorted){rule[i], i};
	qsort(s, count, sizeof(*s), by_name);
	for (size_t i = 0; i < count && !err; i++)
		err = ruleset_put(to, RULES_REGISTRY, s[i].rule);
	free(s);
	return err;
}

static int put_each(struct ruleset *to, enum rule_source source,
		    const struct rule *const *rule, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = ruleset_put(to, source, rule[i]);
	return err;
}

int ruleset_replace(struct ruleset *rs, enum rule_source source,
		    const struct rule *const *rule, size_t count)
{
	enum rule_source other =
		source == RULES_SETTINGS ? RULES_REGISTRY : RULES_SETTINGS;
	struct ruleset *made = NULL;
	int err = ruleset_new(&made, rs->index.map.seed);

	if (!err)
		err = put_all(made, rs, other);
	if (!err && source == RULES_REGISTRY)
		err = put_sorted(made, rule, count);
	else if (!err)
		err = put_each(made, source, rule, count);
	if (!err)
		swap(rs, made);
	ruleset_free(&made);
	return err;
}

/* Remove those of a row that are over; the others close up. */
static void row_expire(struct ruleset *rs, enum rule_source source,
		       struct rule_row *row, int64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < row->count; i++) {
		struct rule *r = row->at[i];

		if (!rule_is_over(r, now_ms)) {
			row->at[kept++] = r;
			if (r->until_ms)
				rs->next_over_ms =
					WEIR_MIN(rs->next_over_ms, r->until_ms);
			continue;
		}
		index_remove(rs, source, r);
		count_allow(rs, r, false);
		rule_unref(&r);
		changed(rs, NULL);
	}
	row->count = kept;
}

int64_t ruleset_expire(struct ruleset *rs, int64_t now_ms)
{
	if (now_ms < rs->next_over_ms)
		return rs->next_over_ms;
	rs->next_over_ms = INT64_MAX;
	for (int s = 0; s < RULE_SOURCE_COUNT; s++)
		for (int k = 0; k < RULE_KIND_COUNT; k++)
			row_expire(rs, (enum rule_source)s, &rs->row[s][k],
				   now_ms);
	return rs->next_over_ms;
}

uint64_t ruleset_version(const struct ruleset *rs)
{
	return rs->version;
}

/* ---- from settings ---- */

static int item_fault(struct rule_fault *fault, size_t i,
		      const struct rule_fault *inner)
{
	char where[sizeof(inner->where) + 32];

	snprintf(where, sizeof(where), "[%zu]%s%s", i, *inner->where ? "." : "",
		 inner->where);
	return rule_fault_set(fault, where, inner->what);
}

static int load_item(struct ruleset *into, enum rule_source source,
		     struct json_object *o, size_t i, struct rule_fault *fault)
{
	struct rule_fault inner = {"", ""};
	struct rule *r = NULL;
	char id[32];
	int err;

	snprintf(id, sizeof(id), "conf-%zu", i + 1);
	err = rule_read_json(&r, o, NULL, id, &inner);
	if (err == WEIR_EINVAL)
		return item_fault(fault, i, &inner);
	if (!err && ruleset_get(into, source, r->kind, r->id)) {
		(void)rule_fault_set(&inner, "id",
				     "an earlier rule of this kind has it");
		err = item_fault(fault, i, &inner);
	}
	if (!err)
		err = ruleset_put(into, source, r);
	rule_unref(&r);
	return err;
}

static int load_list(struct ruleset *into, enum rule_source source,
		     struct json_object *list, struct rule_fault *fault)
{
	size_t count;
	int err = 0;

	if (!json_object_is_type(list, json_type_array))
		return rule_fault_set(fault, "", "a list of rules is expected");
	count = json_object_array_length(list);
	if (count > RULESET_MAX) {
		(void)rule_fault_set(fault, "", "too many rules");
		return WEIR_ELIMIT;
	}
	for (size_t i = 0; i < count && !err; i++)
		err = load_item(into, source,
				json_object_array_get_idx(list, i), i, fault);
	return err;
}

int ruleset_load(struct ruleset *rs, enum rule_source source, struct span json,
		 struct rule_fault *fault)
{
	enum rule_source other =
		source == RULES_SETTINGS ? RULES_REGISTRY : RULES_SETTINGS;
	struct json_object *list = NULL;
	struct ruleset *made = NULL;
	int err = rule_parse_json(&list, json, fault);

	if (err)
		return err;
	err = ruleset_new(&made, rs ? rs->index.map.seed : 0);
	if (!err)
		err = load_list(made, source, list, fault);
	if (!err && rs)
		err = put_all(made, rs, other);
	if (!err && rs)
		swap(rs, made);
	ruleset_free(&made);
	json_object_put(list);
	return err;
}
