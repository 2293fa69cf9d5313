/* common/member/rules.c - the rules in force: of settings and of the registry. */
#include <stdio.h>
#include <stdlib.h>

#include "common/access/conf.h"
#include "common/access/ruleset.h"
#include "common/io/clock.h"
#include "common/member/internal.h"

#define BAD_TOLD_MAX   10   /* of one change; all are looked at each time */
#define PURGED_AT_ONCE 20   /* a second */
#define PURGE_LATE_MS  5000 /* clocks differ: for others it is not over yet */

const struct log_event member_bad_rule = {
	"rule.bad", LOG_WARN, "rule where what",
	"A rule of the registry cannot be read by this version; it is not in "
	"force here."};

_Static_assert(RULE_BYTES_MAX <= RULEBOOK_TEXT_MAX, "each rule fits");
_Static_assert(MEMBER_REQUEST_ID_MAX == STORE_REQUEST_MAX, "they are the same");

const struct ruleset *member_rules(const struct member *m)
{
	return m->rules;
}

bool member_rules_are_known(const struct member *m)
{
	return store_rules_are_known(m->store);
}

/* ---- from texts to rules ---- */

struct gathering {
	struct member *m;
	struct rule **rule;
	size_t count;
	int err;
};

static void say_bad(struct member *m, const char *name,
		    const struct rule_fault *fault)
{
	logger_event(m->log, &member_bad_rule, kv_str("rule", name),
		     kv_str("where", fault->where),
		     kv_str("what", fault->what));
}

static void name_of(char out[RULEBOOK_NAME_MAX + 1], const char *kind,
		    const char *id)
{
	snprintf(out, RULEBOOK_NAME_MAX + 1, "%s %s", kind, id);
}

/* Returns 0 and *out; WEIR_EINVAL, which has been told; or WEIR_ENOMEM. */
static int read_rule(struct member *m, struct rule **out, const char *name,
		     const char *text)
{
	struct rule_fault fault = {.what = "it has another name"};
	char own[RULEBOOK_NAME_MAX + 1] = "";
	struct rule *r = NULL;
	int err = rule_read(&r, span_str(text), &fault);

	if (err == WEIR_ENOMEM)
		return err;
	if (!err)
		name_of(own, rule_kind_name(r->kind), r->id);
	if (!err && !strcmp(own, name)) {
		*out = r;
		return 0;
	}
	if (m->bad_rules++ < BAD_TOLD_MAX)
		say_bad(m, name, &fault);
	rule_unref(&r);
	return WEIR_EINVAL;
}

static void gather(void *ctx, const char *name, const char *text)
{
	struct gathering *g = ctx;
	struct rule *r = NULL;
	int err;

	if (g->err)
		return;
	err = read_rule(g->m, &r, name, text);
	if (!err)
		g->rule[g->count++] = r;
	else if (err == WEIR_ENOMEM)
		g->err = err;
}

static int take_all(struct gathering *g)
{
	const struct rulebook *b = store_rules(g->m->store);

	g->rule = calloc(rulebook_count(b) + 1, sizeof(struct rule *));
	if (!g->rule)
		return WEIR_ENOMEM;
	rulebook_each(b, gather, g);
	if (g->err)
		return g->err;
	return ruleset_replace(g->m->rules, RULES_REGISTRY,
			       (const struct rule *const *)g->rule, g->count);
}

/* Returns 0, or WEIR_ENOMEM: those of before are in force. */
static int read_registry(struct member *m)
{
	struct gathering g = {.m = m};
	int err = take_all(&g);

	for (size_t i = 0; i < g.count; i++)
		rule_unref(&g.rule[i]);
	free(g.rule);
	m->bad_rules = 0;
	return err;
}

/* Kind and id of a name; false: none that this version knows. */
static bool cut_name(enum rule_kind *kind, const char **id, const char *name)
{
	const char *space = strchr(name, ' ');
	int k = space ? rule_kind_of(span_of(name, (size_t)(space - name)))
		      : -1;

	if (k < 0)
		return false;
	*kind = (enum rule_kind)k;
	*id = space + 1;
	return true;
}

/* Where there is no memory for it, all are read in a second. */
void rules_on_rule(void *ctx, const char *name, const char *text)
{
	struct member *m = ctx;
	struct rule *r = NULL;
	enum rule_kind kind;
	const char *id;
	int err = text ? read_rule(m, &r, name, text) : WEIR_EINVAL;

	if (!err)
		err = ruleset_put(m->rules, RULES_REGISTRY, r);
	rule_unref(&r);
	if (err == WEIR_EINVAL && cut_name(&kind, &id, name))
		(void)ruleset_remove(m->rules, RULES_REGISTRY, kind, id);
	else if (err)
		m->rules_are_stale |= err != WEIR_EINVAL;
}

static void say_rules(struct member *m)
{
	m->bad_rules = 0;
	if (m->events->on_rules)
		m->events->on_rules(m->ctx, member_now_ms(m));
	member_wake(m);
}

void rules_on_change(void *ctx)
{
	say_rules(ctx);
}

/* ---- what is over ---- */

static void on_purged(void *ctx, int err, bool is_repeat)
{
	(void)ctx;
	(void)err; /* it is tried again in a second */
	(void)is_repeat;
}

static void change(struct member *m, enum rule_op op, const char *name,
		   struct span text, const char *request, member_rule_fn *fn,
		   void *ctx);

/* Returns whether it is purged. */
static bool purge_one(struct member *m, const struct rule *r)
{
	char name[RULEBOOK_NAME_MAX + 1];
	const char *text;

	name_of(name, rule_kind_name(r->kind), r->id);
	text = rulebook_text(store_rules(m->store), span_str(name));
	if (text)
		change(m, RULE_PURGE, name, span_str(text), NULL, on_purged,
		       NULL);
	return text;
}

/* Returns how many. */
static unsigned purge_some(struct member *m, int64_t now_ms)
{
	unsigned purged = 0;

	for (int k = 0; k < RULE_KIND_COUNT; k++) {
		enum rule_source source;
		const struct rule *r;

		for (size_t i = 0; (r = ruleset_at(m->rules, (enum rule_kind)k,
						   i, &source)) &&
				   purged < PURGED_AT_ONCE;
		     i++)
			if (source == RULES_REGISTRY &&
			    rule_is_over(r, now_ms - PURGE_LATE_MS))
				purged += purge_one(m, r);
	}
	return purged;
}

/* Rules that are over are no rules; dispatches take them out of the registry. */
void rules_on_second(struct member *m)
{
	int64_t now_ms = io_utc_us() / 1000;

	if (m->rules_are_stale) {
		m->rules_are_stale = read_registry(m) != 0;
		say_rules(m);
	}
	if (now_ms < m->rules_over_ms || !store_is_up(m->store) ||
	    strcmp(m->self.ref.role, "dispatch") != 0)
		return;
	m->rules_over_ms = now_ms + (purge_some(m, now_ms) ? 1000 : 10000);
}

/* ---- changes ---- */

struct rule_asked {
	struct list link; /* in member.rule_asks */
	struct member *m;
	member_rule_fn *fn;
	void *ctx;
};

static void on_answer(void *ctx, const struct rule_reply *reply)
{
	struct rule_asked *a = ctx;
	member_rule_fn *fn = a->fn;
	void *fn_ctx = a->ctx;

	list_remove(&a->link);
	free(a);
	fn(fn_ctx, reply->err, reply->is_repeat);
}

/* Without memory it is answered at the end of this pass. */
static void on_owed(struct member *m)
{
	size_t count = m->rule_owed_count;
	struct rule_owed owed[RULES_OWED_MAX];

	memcpy(owed, m->rule_owed, sizeof(owed));
	m->rule_owed_count = 0;
	for (size_t i = 0; i < count; i++)
		owed[i].fn(owed[i].ctx, owed[i].err, false);
}

static void owe(struct member *m, int err, member_rule_fn *fn, void *ctx)
{
	if (m->rule_owed_count == RULES_OWED_MAX) {
		logger_event(m->log, &member_failed, kv_str("what", "rule"),
			     kv_err("why", err));
		return;
	}
	m->rule_owed[m->rule_owed_count++] = (struct rule_owed){fn, ctx, err};
	loop_at_pass_end(m->loop, &m->rule_owed_task, on_owed, m);
}

static void change(struct member *m, enum rule_op op, const char *name,
		   struct span text, const char *request, member_rule_fn *fn,
		   void *ctx)
{
	const struct rule_change c = {
		.op = op,
		.name = name,
		.text = text,
		.request = request,
	};
	struct rule_asked *a = calloc(1, sizeof(*a));

	if (!a) {
		owe(m, WEIR_ENOMEM, fn, ctx);
		return;
	}
	*a = (struct rule_asked){.m = m, .fn = fn, .ctx = ctx};
	list_init(&a->link);
	list_append(&m->rule_asks, &a->link);
	store_rule(m->store, &c, on_answer, a);
}

void member_put_rule(struct member *m, const struct rule *rule,
		     const char *request_id, member_rule_fn *fn, void *ctx)
{
	char name[RULEBOOK_NAME_MAX + 1];
	struct buf text = {0};

	name_of(name, rule_kind_name(rule->kind), rule->id);
	rule_write(&text, rule, RULE_WHOLE);
	if (buf_error(&text))
		owe(m, buf_error(&text), fn, ctx);
	else
		change(m, RULE_PUT, name, buf_span(&text), request_id, fn, ctx);
	buf_fini(&text);
}

void member_delete_rule(struct member *m, const char *kind, const char *id,
			const char *request_id, member_rule_fn *fn, void *ctx)
{
	char name[RULEBOOK_NAME_MAX + 1];

	name_of(name, kind, id);
	if (strlen(kind) + 1 + strlen(id) >= sizeof(name))
		name[0] = '\0'; /* it is refused, as all that are no names */
	change(m, RULE_DELETE, name, (struct span){0}, request_id, fn, ctx);
}

/* ---- life ---- */

static int read_settings(struct member *m)
{
	const struct access_rules_settings *s =
		svc_settings(m->svc, &access_rules_conf);
	struct rule_fault fault = {0};
	int err = ruleset_load(m->rules, RULES_SETTINGS, span_str(s->rules),
			       &fault);

	if (err == WEIR_EINVAL || err == WEIR_ELIMIT)
		say_bad(m, "cluster.rules", &fault);
	return err;
}

int rules_init(struct member *m)
{
	int err = ruleset_new(&m->rules, m->seed);

	if (!err)
		err = read_settings(m);
	return err ? err : read_registry(m); /* what was on disk */
}

void rules_fini(struct member *m)
{
	pass_task_cancel(&m->rule_owed_task);
	list_each_safe (it, &m->rule_asks) /* the store is gone */
		free(list_entry(it, struct rule_asked, link));
	ruleset_free(&m->rules);
}
