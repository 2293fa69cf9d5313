/* tests/sim/business.c - who asks dispatches: rules are put and deleted, publishers
 * are kicked and kept out. What is not answered is asked again, of the other
 * dispatch, under the same request id.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/rules.h"

#define AGAIN_MS 700
#define LEARN_MS 1500 /* so long it may take to be everywhere */
#define SLACK_MS 100  /* what is under way when a ban ends */

struct business {
	struct action action[ACTIONS_MAX];
	size_t count;
};

size_t business_count(const struct sim *s)
{
	return s->business->count;
}

struct action *business_action(struct sim *s, size_t i)
{
	return &s->business->action[i];
}

/* ---- asking ---- */

struct asking {
	struct job job;
	size_t action;
};

static void on_ask(struct sim *s, struct job *j);

static void ask_at(struct sim *s, size_t action, int64_t at_us)
{
	struct asking *k = sim_job(s, sizeof(*k), NULL, on_ask);

	k->action = action;
	sim_at(s, &k->job, at_us);
}

/* What is to be deleted is there. */
static bool is_ready(struct sim *s, const struct action *a)
{
	for (size_t i = 0; !a->is_put && i < s->business->count; i++) {
		const struct action *b = business_action(s, i);

		if (b->is_put && !strcmp(a->name, b->name))
			return b->acked_us != INT64_MAX;
	}
	return true;
}

static void on_ask(struct sim *s, struct job *j)
{
	size_t i = ((struct asking *)j)->action;
	struct action *a = business_action(s, i);
	size_t dispatch;

	if (a->acked_us != INT64_MAX)
		return;
	if (!is_ready(s, a)) {
		ask_at(s, i, s->now_us + AGAIN_MS * MS);
		return;
	}
	dispatch = (i + a->tries++) % DISPATCHES;
	sim_trace(s, "dispatch-%zu is asked to %s \"%s\" %s", dispatch + 1,
		  a->is_put ? "put" : "delete", a->name, a->text);
	ask_at(s, i, s->now_us + AGAIN_MS * MS);
	if (s->now_us >= s->dispatch_until_us[dispatch])
		readers_change(s, dispatch, i);
}

/* ---- kicking, once the ban stands ---- */

struct kick {
	struct job job;
	size_t publisher;
};

static void ip_of(char out[16], size_t publisher)
{
	snprintf(out, 16, "10.0.0.%zu", publisher + 1);
}

static void on_kick(struct sim *s, struct job *j)
{
	char ip[16];

	(void)s;
	ip_of(ip, ((struct kick *)j)->publisher);
	guests_kick(j->node, ip);
}

/* Half of the nodes hear it; the others have the rule. */
static void kick(struct sim *s, size_t publisher)
{
	for (size_t i = 0; i < s->node_count; i++) {
		struct sim_node *n = &s->node[i];
		struct kick *k;

		if (!n->is_alive || !n->gate || readers_random(s, 2))
			continue;
		k = sim_job(s, sizeof(*k), n, on_kick);
		k->publisher = publisher;
		sim_at(s, &k->job,
		       s->now_us + 1000 + (int64_t)readers_random(s, 5000));
	}
}

void business_answer(struct sim *s, size_t action, bool is_done)
{
	struct action *a = business_action(s, action);

	if (!is_done || a->acked_us != INT64_MAX)
		return;
	sim_trace(s, "\"%s\" is done", a->name);
	a->acked_us = s->now_us;
	if (a->publisher != SIZE_MAX && s->now_us < a->until_us)
		kick(s, a->publisher);
}

/* ---- what is known of bans ---- */

bool business_bans(struct sim *s, size_t publisher)
{
	for (size_t i = 0; i < s->business->count; i++) {
		const struct action *a = business_action(s, i);

		if (a->publisher == publisher && s->now_us >= a->begun_us &&
		    s->now_us < a->until_us + SLACK_MS * MS)
			return true;
	}
	return false;
}

const struct action *business_ban_known(struct sim *s, const struct sim_node *n,
					size_t publisher)
{
	for (size_t i = 0; i < s->business->count; i++) {
		const struct action *a = business_action(s, i);

		if (a->publisher == publisher && a->acked_us != INT64_MAX &&
		    s->now_us < a->until_us &&
		    s->now_us - a->acked_us > LEARN_MS * MS &&
		    readers_could_know(s, n, a->acked_us))
			return a;
	}
	return NULL;
}

/* ---- what it will want ---- */

static struct action *plan(struct sim *s, bool is_put, int64_t at_us)
{
	struct business *b = s->business;
	struct action *a = &b->action[b->count];

	*a = (struct action){
		.is_put = is_put,
		.until_us = INT64_MAX,
		.publisher = SIZE_MAX,
		.begun_us = at_us,
		.acked_us = INT64_MAX,
	};
	snprintf(a->request, sizeof(a->request), "request-%zu", b->count);
	ask_at(s, b->count++, at_us);
	return a;
}

static int64_t between_us(struct sim *s, uint64_t from_ms, uint64_t to_ms)
{
	return (int64_t)(from_ms + readers_random(s, to_ms - from_ms)) * MS;
}

static void plan_rule(struct sim *s, size_t number)
{
	int64_t at_us = between_us(s, 1000, 14000);
	struct action *a = plan(s, true, at_us);

	snprintf(a->name, sizeof(a->name), "deny d%zu", number);
	snprintf(a->text, sizeof(a->text),
		 "{\"kind\":\"deny\",\"id\":\"d%zu\",\"cidr\":\"10.9.%zu.0/"
		 "24\"}",
		 number, number);
	if (readers_random(s, 2))
		return;
	a = plan(s, false, at_us + between_us(s, 3000, 9000));
	snprintf(a->name, sizeof(a->name), "deny d%zu", number);
}

/* With a time until which it is kept out. */
static void plan_kick(struct sim *s, size_t number)
{
	int64_t at_us = between_us(s, 3000, 10000);
	struct action *a = plan(s, true, at_us);
	char ip[16];

	a->publisher = readers_random(s, s->publisher_count);
	a->until_us = at_us + between_us(s, 2000, 6000);
	ip_of(ip, a->publisher);
	snprintf(a->name, sizeof(a->name), "ban k%zu", number);
	snprintf(a->text, sizeof(a->text),
		 "{\"kind\":\"ban\",\"id\":\"k%zu\",\"ip\":\"%s\","
		 "\"until_ms\":%" PRId64 "}",
		 number, ip, (SIM_START_US + a->until_us) / 1000);
}

void business_init(struct sim *s)
{
	size_t rules, kicks;

	s->business = sim_need(calloc(1, sizeof(*s->business)));
	rules = readers_random(s, 4);
	kicks = sim_is_lossless(s) ? 0 : readers_random(s, 4);
	for (size_t i = 0; i < rules; i++)
		plan_rule(s, i);
	for (size_t i = 0; i < kicks; i++)
		plan_kick(s, i);
}

void business_fini(struct sim *s)
{
	free(s->business);
	s->business = NULL;
}
