/* services/dispatch/api_lal.c - the calls that lal has, for the whole cluster. */
#include <stdio.h>
#include <sys/utsname.h>

#include "common/conf/json.h"
#include "services/dispatch/api_calls.h"
#include "services/dispatch/internal.h"

/* ---- stat ---- */

void api_lal_info(struct api_call *call)
{
	struct dispatch *d = call->dispatch;
	struct json_object *o = json_object_new_object();
	char text[256], when[LAL_TIME_SIZE];
	struct utsname u = {.sysname = "", .machine = ""};

	uname(&u);
	snprintf(text, sizeof(text),
		 "GitTag=v%s. GitCommitLog=%s. GitStatus=. BuildTime=. "
		 "GoVersion=none. runtime=%s/%s.",
		 svc_version(), svc_commit(), u.sysname, u.machine);
	json_add_text(o, "server_id", d->settings->server_id);
	json_add_text(o, "bin_info", text);
	snprintf(text, sizeof(text), "weir v%s", svc_version());
	json_add_text(o, "lal_version", text);
	json_add_text(o, "api_version", "v0.4.4");
	json_add_text(o, "notify_version", "v0.2.2");
	json_add_text(o, "WebUiVersion", "v0.0.3");
	lal_time(when, svc_started_utc_us(d->svc));
	json_add_text(o, "start_time", when);
	api_say(&call, LAL_OK, "succ", o);
}

struct json_object *api_by_stream(const struct api_call *call,
				  const struct gathered *g)
{
	return lal_streams(store_copy(member_store(call->dispatch->member)), g);
}

static void on_all_group(struct api_call *call, const struct gathered *g)
{
	struct json_object *streams = api_by_stream(call, g);
	struct json_object *data = json_object_new_object(), *list = NULL;

	json_object_object_foreach(streams, key, entry)
	{
		(void)entry;
		if (!list)
			list = json_object_new_array();
		json_object_array_add(list, lal_group(streams, key));
	}
	json_object_object_add(data, "groups", list);
	api_say(&call, LAL_OK, "succ", data);
	json_object_put(streams);
}

void api_all_group(struct api_call *call)
{
	api_gather(call, GATHER_SESSIONS | GATHER_STREAMS, NULL, on_all_group);
}

static void on_group(struct api_call *call, const struct gathered *g)
{
	struct json_object *streams = api_by_stream(call, g);
	const char *key = lal_resolve(streams, api_text(call, "stream_name"));

	if (key)
		api_say(&call, LAL_OK, "succ", lal_group(streams, key));
	else
		api_say(&call, LAL_NO_GROUP, "group not found", NULL);
	json_object_put(streams);
}

void api_group(struct api_call *call)
{
	/* All are gathered, for a bare name may stand for any. */
	api_gather(call, GATHER_SESSIONS | GATHER_STREAMS, NULL, on_group);
}

/* ---- kicking ---- */

static void on_kicked(struct api_call *call, const struct gathered *g)
{
	if (g->kicked_count)
		api_say(&call, LAL_OK, "succ", NULL);
	else /* it has just left */
		api_say(&call, LAL_NO_SESSION, "session not found", NULL);
}

/* What lal kicks, it knows by the id: neither pushes nor what is customized. */
static bool is_kickable(const char *id)
{
	static const char *const prefixes[] = {
		"RTMPPUBSUB", "RTMPPULL", "RTSPPULL",  "RTSPPUB",  "RTSPSUB",
		"PSPUB",      "FLVPULL",  "FLVPUBSUB", "TSPUBSUB", "HLSSUB",
	};

	for (size_t i = 0; i < WEIR_ARRAY_LEN(prefixes); i++)
		if (!strncmp(id, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static bool has_session(struct json_object *streams, const char *key,
			const char *id)
{
	struct json_object *entry, *list;
	const char *other;

	if (!json_object_object_get_ex(streams, key, &entry) ||
	    !json_object_object_get_ex(entry, "sessions", &list))
		return false;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		other = member_json_text(json_object_array_get_idx(list, i),
					 "session_id");
		if (other && !strcmp(other, id))
			return true;
	}
	return false;
}

/* As in lal, an id of another group is none. */
static void on_groups(struct api_call *call, const struct gathered *g)
{
	const char *id = api_text(call, "session_id");
	struct json_object *streams = api_by_stream(call, g);
	const char *key = lal_resolve(streams, api_text(call, "stream_name"));
	bool is_there = key && is_kickable(id) && has_session(streams, key, id);

	json_object_put(streams);
	if (is_there)
		api_gather(call, GATHER_KICK, api_args(call, "session_id"),
			   on_kicked);
	else if (key)
		api_say(&call, LAL_NO_SESSION, "session not found", NULL);
	else
		api_say(&call, LAL_NO_GROUP, "group not found", NULL);
}

void api_kick_session(struct api_call *call)
{
	api_gather(call, GATHER_SESSIONS | GATHER_STREAMS, NULL, on_groups);
}

/* ---- what is not there yet ---- */

void api_start_rtp_pub(struct api_call *call)
{
	api_say(&call, LAL_NO_PORT, "start_rtp_pub is not there yet", NULL);
}
