/* services/cli/up_say.c - what `weir up` tells: JSON for programs, a page for
 * people.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/conf/json.h"
#include "services/cli/up.h"

static struct json_object *node_json(const struct up_proc *p)
{
	struct json_object *o = json_object_new_object();
	int pid = p->child ? (int)child_pid(p->child) : 0;

	json_add_text(o, "id", p->id);
	json_add_text(o, "role", plan_role_name(p->plan->role));
	json_object_object_add(o, "pid", json_object_new_int(pid));
	json_object_object_add(o, "addresses",
			       p->addresses ? json_object_get(p->addresses)
					    : json_object_new_object());
	return o;
}

struct json_object *up_say_json(const struct up *up)
{
	struct json_object *o = json_object_new_object();
	struct json_object *public = json_object_new_object();
	struct json_object *nodes = json_object_new_array();
	char api[NET_ADDR_TEXT_SIZE + 8];

	snprintf(api, sizeof(api), "http://%s", up->api.addr);
	json_add_text(o, "api", api);
	json_add_text(o, "token", up->token);
	json_add_text(o, "redis", up->redis_addr);
	json_add_text(public, "rtmp", up->rtmp.addr);
	json_add_text(public, "http", up->http.addr);
	json_object_object_add(o, "public", public);
	for (size_t i = 0; i < up->plan.count; i++)
		json_object_array_add(nodes, node_json(&up->node[i]));
	json_object_object_add(o, "nodes", nodes);
	return o;
}

static const char *json_text(struct json_object *o)
{
	return json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* ---- for people ---- */

/* What to type to run this program again from here. */
static const char *own_name(const struct up *up, char out[PLACE_PATH_SIZE])
{
	char here[PLACE_PATH_SIZE];
	size_t len = getcwd(here, sizeof(here)) ? strlen(here) : 0;
	bool is_below =
		len && !strncmp(up->bin, here, len) && up->bin[len] == '/';

	snprintf(out, PLACE_PATH_SIZE, "%s/weir",
		 is_below ? up->bin + len + 1 : up->bin);
	return out;
}

/* Without the port that players take by themselves. */
static const char *play_addr(const struct up *up, char out[NET_ADDR_TEXT_SIZE])
{
	unsigned port = up_port_of(up->rtmp.addr);
	size_t len = strlen(up->rtmp.addr) - (port == 1935 ? 5 : 0);

	snprintf(out, NET_ADDR_TEXT_SIZE, "%.*s", (int)len, up->rtmp.addr);
	return out;
}

static bool has_web(const struct up *up)
{
	for (size_t i = 0; i < up->plan.count; i++)
		if (json_object_object_get_ex(up->node[i].addresses, "web",
					      NULL))
			return true;
	return false;
}

/* The browser page. From this machine it needs no token. */
static void say_web(const struct up *up)
{
	struct net_addr api = {0};
	bool is_local = !net_addr_parse(&api, up->api.addr) &&
			net_addr_is_loopback(&api);

	printf("Open      http://%s/%s%s\n", up->api.addr,
	       is_local ? "" : "#token=", is_local ? "" : up->token);
	if (is_local &&
	    (!strcmp(up->o.host, "0.0.0.0") || !strcmp(up->o.host, "::")))
		printf("          from elsewhere "
		       "http://THIS-MACHINE:%u/#token=%s\n",
		       up_port_of(up->api.addr), up->token);
	printf("\n");
}

static void say_page(const struct up *up)
{
	char play[NET_ADDR_TEXT_SIZE];
	char name[PLACE_PATH_SIZE];

	if (has_web(up))
		say_web(up);
	printf("weir is up: %zu processes, files in %s\n\n", up->plan.count,
	       up->place.dir);
	printf("Publish   OBS: Server rtmp://%s/live   Stream key test110\n",
	       up->rtmp.addr);
	printf("          ffmpeg -re -i FILE -c copy -f flv "
	       "rtmp://%s/live/test110\n\n",
	       up->rtmp.addr);
	printf("Play      http://%s/live/test110.flv\n", up->http.addr);
	printf("          http://%s/live/test110.ts\n", up->http.addr);
	printf("          http://%s/live/test110.m3u8\n", up->http.addr);
	printf("          rtmp://%s/live/test110\n", play_addr(up, play));
	printf("          ffplay -fflags nobuffer "
	       "http://%s/live/test110.flv\n\n",
	       up->http.addr);
	printf("API       curl -H 'Authorization: Bearer %s' "
	       "http://%s/api/stat/all_group\n",
	       up->token, up->api.addr);
	printf("Look      %s nodes · streams · explain live/test110 · help\n",
	       own_name(up, name));
	printf("Stop      Ctrl-C\n\n");
	fflush(stdout);
}

/* ---- both ---- */

static void write_file(struct up *up, struct json_object *o)
{
	const char *text;
	int err;

	json_object_object_add(o, "pid", json_object_new_int(getpid()));
	text = json_text(o);
	err = text ? place_write(&up->place, "up.json", span_str(text))
		   : WEIR_ENOMEM;
	if (err)
		fprintf(stderr, "weir up: up.json: %s\n", weir_strerror(err));
}

void up_say(struct up *up, bool is_first)
{
	struct json_object *o = up_say_json(up);

	/* First the file: whoever has read the line may look for it. */
	write_file(up, o);
	if (is_first && up->o.is_json) {
		printf("%s\n", json_text(o));
		fflush(stdout);
	} else if (is_first) {
		say_page(up);
	}
	json_object_put(o);
}
