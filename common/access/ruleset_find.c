/* common/access/ruleset_find.c - what the rules say about somebody. */
#include "common/access/ruleset_priv.h"

size_t ruleset_count(const struct ruleset *rs, enum rule_kind kind)
{
	return rs->row[RULES_SETTINGS][kind].count +
	       rs->row[RULES_REGISTRY][kind].count;
}

const struct rule *ruleset_at(const struct ruleset *rs, enum rule_kind kind,
			      size_t i, enum rule_source *source)
{
	const struct rule_row *row = &rs->row[RULES_SETTINGS][kind];
	bool is_own = i < row->count;

	if (source)
		*source = is_own ? RULES_SETTINGS : RULES_REGISTRY;
	if (is_own)
		return row->at[i];
	i -= row->count;
	row = &rs->row[RULES_REGISTRY][kind];
	return i < row->count ? row->at[i] : NULL;
}

const struct rule *ruleset_get(const struct ruleset *rs,
			       enum rule_source source, enum rule_kind kind,
			       const char *id)
{
	const struct rule_ref *ref;
	struct rule_name name;

	if (strlen(id) > RULE_ID_MAX)
		return NULL;
	ref = rule_index_find(&rs->index, INDEX_NAME,
			      rule_name_key(&name, source, kind, id));
	return ref ? ref->rule : NULL;
}

/* ---- addresses ---- */

/* The first rule of a list that is in force and has one of these operations. */
static const struct rule *list_hit(const struct rule_ref *ref,
				   enum access_op op, int64_t now_ms)
{
	for (; ref; ref = ref->next)
		if ((ref->rule->list.ops & op) &&
		    !rule_is_over(ref->rule, now_ms))
			return ref->rule;
	return NULL;
}

static const struct rule *address_hit(const struct ruleset *rs,
				      enum rule_index_of of,
				      const struct ip_addr *ip,
				      enum access_op op, int64_t now_ms)
{
	const struct rule *hit = NULL;

	for (unsigned bits = 0; bits <= 128 && !hit; bits++)
		hit = list_hit(rule_index_find_block(&rs->index, of, ip, bits),
			       op, now_ms);
	return hit;
}

const struct rule *ruleset_denies(const struct ruleset *rs,
				  const struct ip_addr *ip, enum access_op op,
				  int64_t now_ms)
{
	return address_hit(rs, INDEX_DENY, ip, op, now_ms);
}

/* Is there an allow rule in force? */
static bool has_allow(const struct ruleset *rs, enum access_op op,
		      int64_t now_ms)
{
	const struct rule *r;

	if (rs->allow_always[op] || !rs->allow_timed[op])
		return rs->allow_always[op];
	for (size_t i = 0; (r = ruleset_at(rs, RULE_ALLOW, i, NULL)); i++)
		if ((r->list.ops & op) && !rule_is_over(r, now_ms))
			return true;
	return false;
}

bool ruleset_allows(const struct ruleset *rs, const struct ip_addr *ip,
		    enum access_op op, int64_t now_ms)
{
	return !has_allow(rs, op, now_ms) ||
	       address_hit(rs, INDEX_ALLOW, ip, op, now_ms);
}

/* ---- names ---- */

const struct rule *ruleset_key(const struct ruleset *rs, const char *kid,
			       int64_t now_ms)
{
	for (int s = 0; s < RULE_SOURCE_COUNT; s++) {
		const struct rule *r =
			ruleset_get(rs, (enum rule_source)s, RULE_KEY, kid);

		if (r && !rule_is_over(r, now_ms))
			return r;
	}
	return NULL;
}

/* ---- bans ---- */

bool rule_ban_fits(const struct rule_ban *b, const struct rule_subject *who)
{
	if (!(b->ops & who->op))
		return false;
	if (b->has_session &&
	    (!who->session || strcmp(b->session, who->session) != 0))
		return false;
	if (b->has_user && (!who->user || strcmp(b->user, who->user) != 0))
		return false;
	if (b->has_ip && (!who->ip || !cidr_contains(&b->ip, who->ip)))
		return false;
	return !b->has_streams ||
	       (who->key && stream_pattern_matches(&b->streams, who->key));
}

static const struct rule *ban_hit(const struct rule_ref *ref,
				  const struct rule_subject *who,
				  int64_t now_ms)
{
	for (; ref; ref = ref->next)
		if (!rule_is_over(ref->rule, now_ms) &&
		    rule_ban_fits(&ref->rule->ban, who))
			return ref->rule;
	return NULL;
}

static const struct rule *ban_under(const struct ruleset *rs,
				    enum rule_index_of of, const char *text,
				    const struct rule_subject *who,
				    int64_t now_ms)
{
	if (!text)
		return NULL;
	return ban_hit(rule_index_find(&rs->index, of, span_str(text)), who,
		       now_ms);
}

static const struct rule *ban_of_stream(const struct ruleset *rs,
					const struct rule_subject *who,
					int64_t now_ms)
{
	const struct rule_shape *at = NULL;
	const struct rule_ref *ref;
	const struct rule *hit = NULL;

	while (who->key && !hit &&
	       (ref = rule_index_next_pattern(&rs->index, INDEX_BAN_STREAM,
					      who->key, &at)))
		hit = ban_hit(ref, who, now_ms);
	return hit;
}

const struct rule *ruleset_ban(const struct ruleset *rs,
			       const struct rule_subject *who, int64_t now_ms)
{
	const struct rule *hit =
		ban_under(rs, INDEX_BAN_SESSION, who->session, who, now_ms);

	if (!hit)
		hit = ban_under(rs, INDEX_BAN_USER, who->user, who, now_ms);
	if (!hit)
		hit = ban_of_stream(rs, who, now_ms);
	for (unsigned bits = 0; bits <= 128 && !hit && who->ip; bits++)
		hit = ban_hit(rule_index_find_block(&rs->index, INDEX_BAN_IP,
						    who->ip, bits),
			      who, now_ms);
	return hit;
}

/* ---- relays ---- */

static bool is_for(const struct rule *r, const struct stream_key *key,
		   int64_t now_ms)
{
	if (rule_is_over(r, now_ms))
		return false;
	if (r->kind == RULE_PUSH)
		return stream_pattern_matches(&r->push.streams, key);
	return !r->pull.is_once &&
	       stream_pattern_matches(&r->pull.streams, key);
}

/* The first rule for a stream whose place (as of ruleset_at) is not below *at,
 * which becomes its place; or NULL. */
static const struct rule *relay_from(const struct ruleset *rs,
				     enum rule_index_of of,
				     const struct stream_key *key, size_t *at,
				     int64_t now_ms)
{
	const struct rule_shape *shape = NULL;
	const struct rule *first = NULL;
	const struct rule_ref *ref;
	size_t from = *at;

	while ((ref = rule_index_next_pattern(&rs->index, of, key, &shape)))
		for (; ref; ref = ref->next) {
			size_t place;

			if (!is_for(ref->rule, key, now_ms))
				continue;
			place = ruleset_place(rs, ref->rule);
			if (place < from || (first && place >= *at))
				continue;
			first = ref->rule;
			*at = place;
		}
	return first;
}

const struct rule *ruleset_pull(const struct ruleset *rs,
				const struct stream_key *key, int64_t now_ms)
{
	size_t at = 0;

	return relay_from(rs, INDEX_PULL, key, &at, now_ms);
}

const struct rule *ruleset_push(const struct ruleset *rs,
				const struct stream_key *key, size_t *at,
				int64_t now_ms)
{
	const struct rule *r = relay_from(rs, INDEX_PUSH, key, at, now_ms);

	if (r)
		++*at;
	return r;
}
