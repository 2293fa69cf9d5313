/* services/cli/plan.c - which nodes `weir up` starts, and on which ports. */
#include "services/cli/plan.h"

#include <stdio.h>

static const char *const role_name[PLAN_ROLES] = {"ingest", "origin", "edge",
						  "packager", "dispatch"};

const char *plan_role_name(enum plan_role role)
{
	return role_name[role];
}

static unsigned admin_port(unsigned base, enum plan_role role, unsigned k)
{
	if (!base)
		return 0;
	return (base == PLAN_NO_BASE ? 9101 : base + 101) + (unsigned)role +
	       10 * k;
}

static unsigned ingest_port(unsigned base, unsigned k)
{
	if (!base)
		return 0;
	return (base == PLAN_NO_BASE ? 1936 : base + 10) + k;
}

static void add_node(struct plan *p, const struct plan_wish *w,
		     enum plan_role role, unsigned k, unsigned host, int worker)
{
	struct plan_node *n = &p->node[p->count++];
	unsigned base = w->base_port;

	n->role = role;
	n->admin_port = admin_port(base, role, k);
	n->has_rtmp = role == PLAN_INGEST && w->has_ingest_ports;
	n->rtmp_port = n->has_rtmp ? ingest_port(base, k) : 0;
	if (worker < 0)
		snprintf(n->id, sizeof(n->id), "%s-%u", role_name[role], host);
	else
		snprintf(n->id, sizeof(n->id), "%s-%u.%d", role_name[role],
			 host, worker);
}

static int add_role(struct plan *p, const struct plan_wish *w,
		    enum plan_role role)
{
	unsigned workers = role == PLAN_EDGE ? w->workers : 1;

	if (w->count[role] * workers > PLAN_EACH_MAX)
		return WEIR_ELIMIT;
	for (unsigned k = 0; k < w->count[role] * workers; k++)
		add_node(p, w, role, k, k / workers + 1,
			 workers > 1 ? (int)(k % workers) : -1);
	return 0;
}

int plan_make(struct plan *out, const struct plan_wish *wish)
{
	struct plan p = {
		.rtmp_port = 1935, .http_port = 8080, .api_port = 8083};
	int err = 0;

	if (wish->base_port != PLAN_NO_BASE) {
		unsigned base = wish->base_port;

		if (base > PLAN_PORT_LAST)
			return WEIR_EINVAL;
		p.rtmp_port = base;
		p.http_port = base ? base + 1 : 0;
		p.api_port = base ? base + 2 : 0;
	}
	for (int role = 0; role < PLAN_ROLES && !err; role++)
		err = add_role(&p, wish, (enum plan_role)role);
	if (!err)
		*out = p;
	return err;
}
