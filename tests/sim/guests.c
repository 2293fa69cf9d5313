/* tests/sim/guests.c - publishers at the gates of ingests, and strangers that knock at
 * all gates to see which rules are in force.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/member/gate_priv.h"
#include "tests/sim/rules.h"

struct sim_gate {
	struct sim_node *node;
	struct gate *gate;
	struct gate_world world;
	int64_t due_us;
};

struct sim_guest {
	struct sim_session *of;
	struct gate_pass pass;
	struct session session;
	struct stream_key key;
	struct net_addr peer;
	struct ip_addr ip;
	struct buf query;
	char credential[64]; /* of a copy, until it is let in */
	char user[SIGN_USER_MAX + 1];
};

static const struct access_settings settings = {
	.lal_key = "",
	.dangerous_lal_secret = "",
	.on_publish_auth = "",
	.on_play_auth = "",
};
static const struct member_limits_settings limits;

/* ---- a gate's world ---- */

static int64_t gate_now_ms(void *ctx)
{
	return sim_now_ms(((struct sim_gate *)ctx)->node->sim);
}

static int64_t gate_utc(void *ctx)
{
	return (SIM_START_US + ((struct sim_gate *)ctx)->node->sim->now_us) /
	       1000;
}

static const struct ruleset *gate_rules_now(void *ctx)
{
	return readers_of(((struct sim_gate *)ctx)->node);
}

static bool gate_knows_rules(void *ctx)
{
	return readers_are_known(((struct sim_gate *)ctx)->node);
}

static void gate_usage(void *ctx, struct gate_usage *out)
{
	(void)ctx;
	(void)out;
}

static void gate_ask_nobody(void *ctx, uint64_t tag, struct json_object *args,
			    uint32_t deadline_ms)
{
	(void)ctx;
	(void)tag;
	(void)args;
	(void)deadline_ms;
}

static void on_due(struct sim *s, struct job *j)
{
	struct sim_gate *g = j->node->gate;

	(void)s;
	g->due_us = INT64_MAX;
	gate_tick(g->gate);
}

static void gate_wake_at(void *ctx, int64_t due_ms)
{
	struct sim_gate *g = ctx;
	struct sim *s = g->node->sim;
	int64_t at_us = WEIR_MAX(due_ms * MS, s->now_us + 1000);

	if (due_ms == INT64_MAX || at_us >= g->due_us)
		return;
	g->due_us = at_us;
	sim_at(s, sim_job(s, sizeof(struct job), g->node, on_due), at_us);
}

void guests_node_up(struct sim_node *n)
{
	struct sim_gate *g = sim_need(calloc(1, sizeof(*g)));
	const struct gate_start start = {
		.world = &g->world,
		.settings = &settings,
		.limits = &limits,
		.seed = 1,
	};

	g->node = n;
	g->due_us = INT64_MAX;
	g->world = (struct gate_world){
		.ctx = g,
		.now_ms = gate_now_ms,
		.utc_ms = gate_utc,
		.rules = gate_rules_now,
		.rules_are_known = gate_knows_rules,
		.usage = gate_usage,
		.ask = gate_ask_nobody,
		.wake_at = gate_wake_at,
	};
	BUG_ON(gate_make(&g->gate, &start));
	n->gate = g;
}

void guests_node_died(struct sim_node *n)
{
	if (!n->gate)
		return;
	gate_unmake(&n->gate->gate);
	free(n->gate);
	n->gate = NULL;
}

void guests_on_rules(struct sim_node *n)
{
	if (n->sim->options.mutant != SIM_GATE_FORGETS)
		gate_on_rules(n->gate->gate);
}

void guests_kick(struct sim_node *n, const char *ip)
{
	const struct gate_match who = {.ip = ip};

	if (n->sim->options.mutant != SIM_GATE_FORGETS)
		gate_kick(n->gate->gate, &who);
}

/* ---- publishers ---- */

static void check_refused_by(const struct sim_session *se, enum reason why)
{
	const struct publisher *p = se->publisher;
	struct sim *s = se->sim;

	/* A kick may come late, to who slept. */
	if (p && why != REASON_kicked && !business_bans(s, p->index))
		sim_violation(s,
			      "%s keeps publisher %zu out: %s, without a rule",
			      se->node->id, p->index, reason_name(why));
}

static void check_let_in(const struct sim_session *se)
{
	const struct publisher *p = se->is_pull ? NULL : se->publisher;
	const struct action *ban =
		p ? business_ban_known(se->sim, se->node, p->index) : NULL;

	if (ban)
		sim_violation(se->sim,
			      "%s lets publisher %zu in, which \"%s\" bans",
			      se->node->id, p->index, ban->name);
}

static void on_word(void *ctx, const struct gate_answer *a)
{
	struct sim_session *se = ((struct sim_guest *)ctx)->of;

	if (a->why) {
		check_refused_by(se, a->why);
		session_put_out(se, a->why);
		return;
	}
	check_let_in(se);
	session_claim(se);
}

static void on_end(void *ctx, enum reason why, const char *detail)
{
	struct sim_session *se = ((struct sim_guest *)ctx)->of;

	(void)detail;
	check_refused_by(se, why);
	session_put_out(se, why);
}

static const struct gate_owner owner = {on_word, on_end};

static struct sim_guest *guest_new(struct sim_session *of)
{
	struct sim_guest *g = sim_need(calloc(1, sizeof(*g)));
	size_t number = of->publisher ? of->publisher->index + 1 : 0;
	char addr[32];

	snprintf(addr, sizeof(addr), "10.0.0.%zu:4711", number);
	BUG_ON(net_addr_parse(&g->peer, addr));
	BUG_ON(ip_addr_of(&g->ip, &g->peer.ss));
	g->of = of;
	g->key = of->sim->key[of->key];
	g->session.key = &g->key;
	g->session.protocol = "RTMP";
	g->session.base_type = "PUB";
	snprintf(g->session.id, sizeof(g->session.id), "RTMPPUBSUB%zu", number);
	return g;
}

static void sign(struct sim_guest *g)
{
	struct sim *s = g->of->sim;
	struct sign_claims c = {
		.kid = "k",
		.exp_ms = (SIM_START_US + s->now_us) / 1000 + 60000,
		.ops = ACCESS_PUBLISH,
		.user = "bob",
	};

	BUG_ON(stream_pattern_parse(&c.streams, span_str(g->key.text), NULL));
	BUG_ON(sign_write(&g->query, &c, SPAN_LIT(READERS_SECRET)));
}

/* Nobody asks whether we may pull. */
static void enter_pull(struct sim_session *se)
{
	guests_adopt(se);
	session_claim(se);
}

void guests_ask(struct sim_session *se)
{
	struct sim_guest *g = guest_new(se);
	struct access_request rq = {
		.op = ACCESS_PUBLISH,
		.protocol = ACCESS_RTMP,
		.key = &g->key,
		.ip = &g->ip,
		.session_id = g->session.id,
	};
	struct gate_answer a;
	enum gate_word word;

	se->guest = g;
	if (se->is_pull) {
		enter_pull(se);
		return;
	}
	if (se->sim->is_one_user)
		sign(g);
	rq.query = buf_span(&g->query);
	word = gate_ask(se->node->gate->gate, &g->pass, &a, &rq, &g->session,
			&g->peer, &owner, g);
	if (word != GATE_WAITS)
		on_word(g, &a);
}

struct sim_guest *guests_copy(const struct sim_guest *g, struct sim_session *of)
{
	struct sim_guest *copy = sim_need(calloc(1, sizeof(*copy)));

	if (g) {
		copy->session = g->session;
		copy->peer = g->peer;
		copy->ip = g->ip;
		snprintf(copy->credential, sizeof(copy->credential), "%s",
			 gate_credential(&g->pass));
		snprintf(copy->user, sizeof(copy->user), "%s",
			 gate_user(&g->pass));
	}
	copy->of = of;
	copy->key = of->sim->key[of->key];
	copy->session.key = &copy->key;
	return copy;
}

void guests_adopt(struct sim_session *se)
{
	struct sim_guest *g = se->guest;
	const struct gate_names names = {g->user, g->credential, ""};

	BUG_ON(gate_adopt(se->node->gate->gate, &g->pass, ACCESS_PUBLISH,
			  &g->session, &g->peer, &names, &owner, g));
	g->pass.is_ours = se->is_pull;
}

void guests_leave(struct sim_guest **g)
{
	if (!*g)
		return;
	gate_leave(&(*g)->pass);
	buf_fini(&(*g)->query);
	free(*g);
	*g = NULL;
}

const char *guests_credential(const struct sim_guest *g)
{
	return gate_credential(&g->pass);
}

/* ---- what must hold ---- */

/* Who was kicked publishes no more, wherever it went. */
static void check_publishing(struct sim *s, const struct sim_session *se)
{
	const struct publisher *p = se->publisher;
	const struct action *ban;

	if (!p || se->is_pull || !se->node->is_alive || se->node->is_paused)
		return;
	ban = business_ban_known(s, se->node, p->index);
	if (ban)
		sim_violation(s,
			      "publisher %zu is at %s, though \"%s\" bans it",
			      p->index, se->node->id, ban->name);
}

void guests_check(struct sim *s)
{
	list_each (l, &s->sessions)
		check_publishing(s, list_entry(l, struct sim_session, link));
}
