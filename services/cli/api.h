/* services/cli/api.h - one question to the API of a cluster, and its answer.
 *
 * Where the API is: --api and --token, else WEIR_API and WEIR_TOKEN, else the
 * file that `weir up` leaves in its folder (--dir, or the default ones).
 */
#ifndef WEIR_CLI_API_H
#define WEIR_CLI_API_H

#include <json-c/json.h>

#include "services/cli/args.h"

#define API_URL_SIZE 2048

struct api_options {
	const char *api;   /* "http://127.0.0.1:8083" */
	const char *token; /* NULL: none */
	const char *dir;
	bool is_json;
};

/* Rows for the arg tables of commands whose struct begins with api_options. */
#define API_ARGS                                                               \
	{"api",                                                                \
	 ARG_TEXT,                                                             \
	 "URL",                                                                \
	 0,                                                                    \
	 0,                                                                    \
	 offsetof(struct api_options, api),                                    \
	 "where the API is [WEIR_API, else found by itself]"},                 \
		{"token",                                                      \
		 ARG_TEXT,                                                     \
		 "TOKEN",                                                      \
		 0,                                                            \
		 0,                                                            \
		 offsetof(struct api_options, token),                          \
		 "its token [WEIR_TOKEN]"},                                    \
		{"dir",                                                        \
		 ARG_TEXT,                                                     \
		 "FOLDER",                                                     \
		 0,                                                            \
		 0,                                                            \
		 offsetof(struct api_options, dir),                            \
		 "the folder of weir up"},                                     \
		{"json",                                                       \
		 ARG_FLAG,                                                     \
		 "",                                                           \
		 0,                                                            \
		 0,                                                            \
		 offsetof(struct api_options, is_json),                        \
		 "print the API's answer as it came"},

/* Ask `path` ("/api/nodes?x=y"); `body` NULL: GET, else POST. Waits. Says on
 * stderr what went wrong. Returns 0 and *out, the caller's; or the exit status.
 */
WEIR_MUST_CHECK int api_ask(struct json_object **out,
			    const struct api_options *o, const char *path,
			    const char *body);

/* For --json: the answer on stdout. */
void api_print(struct json_object *o);

/* Append `text` percent-encoded for a query. */
void api_escape(struct buf *out, const char *text);

/* Members of an object; "" and 0 when they are missing or something else. */
const char *api_text(struct json_object *o, const char *name);
double api_number(struct json_object *o, const char *name);
/* NULL when it is missing. */
struct json_object *api_member(struct json_object *o, const char *name);
/* The elements of a member that is an array; 0 when it is not. */
size_t api_count(struct json_object *o, const char *name);
struct json_object *api_item(struct json_object *o, const char *name, size_t i);

#endif
