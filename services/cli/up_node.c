/* services/cli/up_node.c - the nodes of the cluster. */
#include <stdio.h>

#include "services/cli/up.h"

/* Its address of before, so that a restarted node is found where it was. */
static unsigned port_of_before(const struct up_proc *p, const char *name,
			       unsigned planned)
{
	struct json_object *a;

	if (planned || !p->addresses ||
	    !json_object_object_get_ex(p->addresses, name, &a))
		return planned;
	return up_port_of(json_object_get_string(a));
}

static void pass(struct child_desc *d, const char *name, int fd)
{
	d->pass[d->pass_count].name = name;
	d->pass[d->pass_count++].fd = fd;
}

/* Edges take publishers for the ingests; without edges they do it themselves.
 */
static void describe_ingest(struct up_proc *p, struct child_desc *d)
{
	struct up *up = p->up;

	if (!up->o.wish.count[PLAN_EDGE])
		pass(d, "rtmp", up->rtmp.fd);
	if (p->plan->has_rtmp)
		up_proc_set(p, d, "ingest.rtmp.own_listen=%s:%u", up->o.host,
			    port_of_before(p, "rtmp", p->plan->rtmp_port));
	up_proc_set(p, d, "ingest.rtmp.listen=");
}

/* What belongs to the role: sockets and where it listens itself. */
static void describe_role(struct up_proc *p, struct child_desc *d)
{
	struct up *up = p->up;
	const char *host = up->o.host;

	switch (p->plan->role) {
	case PLAN_INGEST:
		describe_ingest(p, d);
		break;
	case PLAN_EDGE:
		pass(d, "rtmp", up->rtmp.fd);
		pass(d, "http", up->http.fd);
		up_proc_set(p, d, "edge.rtmp.own_listen=%s:%u", host,
			    port_of_before(p, "rtmp", 0));
		up_proc_set(p, d, "edge.http.own_listen=%s:%u", host,
			    port_of_before(p, "http", 0));
		break;
	case PLAN_DISPATCH:
		pass(d, "api", up->api.fd);
		/* Its page serves who can reach it: this machine's users. */
		up_proc_set(p, d, "dispatch.web.open=true");
		up_proc_set(p, d, "dispatch.web.http_url=http://%s",
			    up->http.addr);
		up_proc_set(p, d, "dispatch.web.rtmp_url=rtmp://%s",
			    up->rtmp.addr);
		break;
	case PLAN_PACKAGER:
		up_proc_set(p, d, "packager.http.listen=%s:%u", host,
			    port_of_before(p, "http", 0));
		break;
	case PLAN_ORIGIN:
	case PLAN_ROLES:
		break;
	}
}

static void describe(struct up_proc *p, struct child_desc *d)
{
	struct up *up = p->up;
	const char *role = plan_role_name(p->plan->role);
	char path[PLACE_PATH_SIZE];

	d->file = up_proc_text(p, "%s/weir-%s", up->bin, role);
	child_arg(d, d->file);
	child_arg(d, "--node-id");
	child_arg(d, p->id);
	child_arg(d, "--parent-death");
	if (up->o.conf) {
		child_arg(d, "--conf");
		child_arg(d, up->o.conf);
	}
	child_arg(d, "--conf");
	child_arg(d, up_proc_text(p, "%s",
				  place_path(path, &up->place, "conf.json")));
	up_proc_set(p, d, "admin.listen=127.0.0.1:%u",
		    port_of_before(p, "admin", p->plan->admin_port));
	describe_role(p, d);
	for (size_t i = 0; i < up->o.set.count; i++) {
		child_arg(d, "--set");
		child_arg(d, up->o.set.item[i]);
	}
	d->has_ready = true;
	child_arg(d, "--ready-fd");
	child_arg(d, up_proc_text(p, "%d", child_ready_fd(d)));
}

/* {"id":…,"role":…,"pid":…,"addresses":{…}} */
static void take_line(struct up_proc *p, struct span line)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = NULL, *addresses;

	if (tok)
		o = json_tokener_parse_ex(tok, (const char *)line.data,
					  (int)line.len);
	if (json_object_object_get_ex(o, "addresses", &addresses) &&
	    json_object_is_type(addresses, json_type_object)) {
		json_object_put(p->addresses);
		p->addresses = json_object_get(addresses);
	}
	json_object_put(o);
	if (tok)
		json_tokener_free(tok);
}

static void on_ready(struct up_proc *p, struct span line)
{
	take_line(p, line);
	up_changed(p->up);
}

bool up_nodes_are_ready(const struct up *up)
{
	for (size_t i = 0; i < up->plan.count; i++)
		if (!up->node[i].is_ready)
			return false;
	return true;
}

void up_nodes_start(struct up *up)
{
	for (size_t i = 0; i < up->plan.count && !up->ending; i++)
		if (!up->node[i].started_ms)
			up_proc_start(&up->node[i]);
}

/* Settings that nobody else on this machine shall read in a list of processes.
 */
int up_nodes_write_conf(struct up *up)
{
	char path[PLACE_PATH_SIZE];
	struct buf text = {0};
	int err;

	place_path(path, &up->place, "state");
	buf_printf(&text,
		   "{\"cluster\":{\"key\":\"%s\",\"state_dir\":\"%s\","
		   "\"run_dir\":\"%s\"},"
		   "\"redis\":{\"url\":\"%s\"},"
		   "\"bus\":{\"listen\":\"127.0.0.1:0\"},"
		   "\"dispatch\":{\"api\":{\"token\":\"%s\"}}}\n",
		   up->key, path, path, up->redis_addr, up->token);
	err = buf_error(&text);
	if (!err)
		err = place_write(&up->place, "conf.json", buf_span(&text));
	buf_fini(&text);
	return err;
}

int up_nodes_init(struct up *up)
{
	int err = 0;

	for (size_t i = 0; i < up->plan.count && !err; i++) {
		struct up_proc *p = &up->node[i];

		err = up_proc_init(p, up, up->plan.node[i].id);
		p->plan = &up->plan.node[i];
		p->describe = describe;
		p->on_ready = on_ready;
	}
	return err;
}
