/* services/cli/kick.c - `weir kick`: end a publisher or a viewer. */
#include <stdio.h>

#include "services/cli/api.h"
#include "services/cli/commands.h"

static const struct arg args[] = {API_ARGS};

static const struct arg_table table = {
	.command = "kick",
	.operands = "STREAM SESSION",
	.sentence =
		"Ends one session of a stream: weir kick live/test110 "
		"RTMPPUBSUB7.\nweir streams --sessions shows the ids.",
	.operand_count = 2,
	.arg = args,
	.arg_count = WEIR_ARRAY_LEN(args),
};

static int kick(const struct api_options *o, const char *stream,
		const char *session)
{
	struct json_object *body = json_object_new_object();
	struct json_object *answer = NULL;
	int status;

	json_object_object_add(body, "stream_name",
			       json_object_new_string(stream));
	json_object_object_add(body, "session_id",
			       json_object_new_string(session));
	status = api_ask(
		&answer, o, "/api/ctrl/kick_session",
		json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN));
	if (!status && o->is_json)
		api_print(answer);
	else if (!status)
		printf("%s of %s was kicked\n", session, stream);
	json_object_put(answer);
	json_object_put(body);
	return status;
}

int command_kick(int argc, char **argv)
{
	struct api_options o = {0};
	struct arg_rest rest = {0};
	int status;

	if (args_take(&o, &rest, &table, argc, argv, &status))
		return status;
	return kick(&o, rest.operand[0], rest.operand[1]);
}
