/* services/dispatch/api_kick.c - publishers and viewers are ended, and kept out
 * for a while: by session, stream, address, user. */
#include <stdio.h>

#include "common/access/rule.h"
#include "common/base/hash.h"
#include "services/dispatch/api_calls.h"
#include "services/dispatch/internal.h"

static const char *const whom[] = {"session", "stream", "ip", "user"};

static bool names_somebody(const struct api_call *call)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(whom); i++)
		if (api_text(call, whom[i]))
			return true;
	return false;
}

static void on_kicked(struct api_call *call, const struct gathered *g)
{
	struct json_object *o = json_object_new_object();
	const char *ban = api_text(call, "ban");

	json_object_object_add(o, "kicked",
			       json_object_new_int64(g->kicked_count));
	json_object_object_add(o, "silent",
			       json_object_new_int64(g->silent_count));
	if (ban)
		json_object_object_add(o, "ban", json_object_new_string(ban));
	api_answer(&call, o);
}

/* What nodes are asked, "session" by the name that they have for it. */
static struct json_object *kick_args(const struct api_call *call)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < WEIR_ARRAY_LEN(whom); i++) {
		const char *text = api_text(call, whom[i]);

		if (text)
			json_object_object_add(o, i ? whom[i] : "session_id",
					       json_object_new_string(text));
	}
	if (*call->request_id) /* who has done it does it no more */
		json_object_object_add(
			o, "request_id",
			json_object_new_string(call->request_id));
	return o;
}

static void on_banned(void *ctx, int err, bool is_repeat)
{
	struct api_call *call = ctx;

	(void)is_repeat; /* nodes that have kicked already say so again */
	if (err)
		api_refuse_rule(&call, err);
	else
		api_gather(call, GATHER_KICK, kick_args(call), on_kicked);
}

/* A name that is the same when the request is repeated. */
static void name_ban(struct api_call *call)
{
	char name[RULE_ID_MAX + 1];
	uint64_t number;

	io_random(&number, sizeof(number));
	if (strlen(call->request_id) > RULE_ID_MAX - strlen("kick-"))
		snprintf(name, sizeof(name), "kick-%016llx",
			 (unsigned long long)hash_bytes(
				 0, span_str(call->request_id)));
	else if (*call->request_id)
		snprintf(name, sizeof(name), "kick-%s", call->request_id);
	else
		snprintf(name, sizeof(name), "kick-%016llx",
			 (unsigned long long)number);
	json_object_object_add(call->in, "ban", json_object_new_string(name));
}

static struct json_object *ban_json(const struct api_call *call)
{
	struct json_object *o = json_object_new_object();
	int64_t until_ms = io_utc_us() / 1000 + api_int(call, "ban_ms");

	for (size_t i = 0; i < WEIR_ARRAY_LEN(whom); i++) {
		const char *text = api_text(call, whom[i]);

		if (text)
			json_object_object_add(o, whom[i],
					       json_object_new_string(text));
	}
	json_object_object_add(o, "until_ms", json_object_new_int64(until_ms));
	return o;
}

/* Out they go by this rule already; then those who went are counted. */
static void ban(struct api_call *call)
{
	struct rule_fault fault = {.where = ""};
	struct json_object *o;
	struct rule *rule = NULL;
	int err;

	name_ban(call);
	o = ban_json(call);
	err = rule_read_json(&rule, o, "ban", api_text(call, "ban"), &fault);
	json_object_put(o);
	if (err == WEIR_EINVAL || err == WEIR_ELIMIT)
		api_refuse(&call, 400, fault.where, fault.what);
	else if (err)
		api_refuse_rule(&call, err);
	else
		member_put_rule(call->dispatch->member, rule, call->request_id,
				on_banned, call);
	rule_unref(&rule);
}

/* Nodes compare texts. */
static void write_ip(struct api_call *call)
{
	const char *text = api_text(call, "ip");
	char plain[CIDR_TEXT_SIZE];
	struct ip_addr ip;

	if (text && !ip_addr_parse(&ip, span_str(text)))
		json_object_object_add(
			call->in, "ip",
			json_object_new_string(ip_addr_text(plain, &ip)));
}

void api_kick(struct api_call *call)
{
	write_ip(call);
	if (!names_somebody(call))
		api_refuse(&call, 400, NULL,
			   "one of session, stream, ip, user is needed");
	else if (api_int(call, "ban_ms") > 0)
		ban(call);
	else
		api_gather(call, GATHER_KICK, kick_args(call), on_kicked);
}

/* ---- lal's list ---- */

static void on_denied(void *ctx, int err, bool is_repeat)
{
	struct api_call *call = ctx;

	(void)is_repeat;
	if (err)
		api_refuse_rule(&call, err);
	else
		api_say(&call, LAL_OK, "succ", NULL);
}

/* One rule for each address; the last word counts. */
static struct json_object *deny_json(const struct api_call *call)
{
	struct json_object *o = json_object_new_object();
	int64_t ms = api_int(call, "duration_sec") * 1000;
	char id[RULE_ID_MAX + 1];

	snprintf(id, sizeof(id), "lal-%s", api_text(call, "ip"));
	for (char *at = id; *at; at++)
		if (*at == '/') /* not in an id */
			*at = '_';
	json_object_object_add(o, "id", json_object_new_string(id));
	json_object_object_add(o, "cidr",
			       json_object_new_string(api_text(call, "ip")));
	json_object_object_add(o, "until_ms",
			       json_object_new_int64(io_utc_us() / 1000 + ms));
	json_object_object_add(o, "note",
			       json_object_new_string("add_ip_blacklist"));
	return o;
}

void api_add_ip_blacklist(struct api_call *call)
{
	struct json_object *o = deny_json(call);
	struct rule *rule = NULL;
	int err = rule_read_json(&rule, o, "deny", NULL, NULL);

	json_object_put(o);
	if (err == WEIR_EINVAL || err == WEIR_ELIMIT) /* no address */
		api_say(&call, LAL_NO_PARAM, "param missing", NULL);
	else if (err)
		api_refuse_rule(&call, err);
	else
		member_put_rule(call->dispatch->member, rule, call->request_id,
				on_denied, call);
	rule_unref(&rule);
}
