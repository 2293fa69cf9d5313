/* services/dispatch/api.h - the HTTP API as a table.
 *
 * One row is one operation: method, path, what it takes, what it answers, who
 * does it. From the rows come the routes, the checks of requests (what is wrong
 * and where), and the OpenAPI document. A handler sees fields that are as the
 * row says, defaults filled in.
 *
 * Two manners of answering: lal's (status 200, "error_code" and "desp", "data"
 * where the row has an answer), and our own (real status codes; what is refused
 * is {"error_code": status, "desp": why, "field": where}).
 */
#ifndef WEIR_DISPATCH_API_H
#define WEIR_DISPATCH_API_H

#include <json-c/json.h>

#include "common/http/server.h"

struct dispatch;
struct gathered;
struct api_call;
struct api_schema;

/* ---- fields, of requests and of answers ---- */

enum api_kind {
	API_TEXT, /* min and max are its bytes */
	API_INT,  /* whole; min and max are values */
	API_NUMBER,
	API_BOOL,
	API_KEY,         /* the address of a stream; becomes its key */
	API_TEXTS,       /* a list of texts; min and max are its length */
	API_ONE_OR_MORE, /* the same, or one text alone */
	API_OBJECT,      /* of->field */
	API_LIST,        /* of such objects */
	API_MAP,         /* any names, texts as values */
	API_ANY,         /* an object of any form */
};

enum api_field_flag {
	API_NEEDED = 1,  /* must be there */
	API_NULL = 2,    /* may be null */
	API_IN_PATH = 4, /* "{name}" of the path */
	API_IN_QUERY =
		8,     /* behind the '?'; without one of these: in the body */
	API_TOLD = 16, /* is in the log's line of the call */
};

struct api_field {
	const char *name;
	enum api_kind kind;
	unsigned flags;
	int64_t min, max;    /* both 0: no limit but that of the kind */
	const char *choices; /* of a text: "publish|play"; NULL: any */
	const char *initial; /* JSON; NULL: none */
	const struct api_schema *of;
	const char *sentence;
};

struct api_schema {
	const char *name; /* in the document: "Session" */
	const char *sentence;
	const struct api_field *field;
	size_t count;
};

/* ---- operations ---- */

/* Must answer the call, now or later, exactly once. */
typedef void api_fn(struct api_call *call);
/* What nodes said to a call that still waits. */
typedef void api_gathered_fn(struct api_call *call, const struct gathered *g);

/* A request that waits for its answer. */
struct api_call {
	struct dispatch *dispatch;
	const struct api_route *route;
	struct http_request *req; /* NULL: nobody waits any more */
	struct net_addr peer;
	const char *caller; /* the name of its token; "" if none is needed */
	struct json_object *in; /* fields of the request, by name; a handler may
				   keep more here */
	char *request_id;       /* of X-Request-Id; "" without one */
	api_gathered_fn *gathered;
};

enum api_route_flag {
	API_LAL = 1,     /* answers in lal's manner */
	API_CONTROL = 2, /* changes something: needs that role, is logged */
	API_PAGE = 4,    /* see dispatch.web.open */
	API_OLD = 8,     /* another name for a row; not in the document */
	API_EMPTY =
		16, /* lal: with an error "data" has zeros, and is no null */
};

struct api_route {
	const char *method; /* NULL: any (lal asks for none) */
	const char *path;   /* "/api/v1/rules/{kind}/{id}" */
	unsigned flags;
	const char *name; /* of the operation: "put_ban" */
	const char *sentence;
	const struct api_schema *in; /* NULL: no fields */
	const struct api_schema
		*out; /* of lal's "data"; NULL: an error alone */
	api_fn *fn;
};

extern const struct api_route api_table[];
extern const size_t api_table_count;

/* ---- for handlers ---- */

/* Fields of the request; NULL, 0, false when they are not there. */
const char *api_text(const struct api_call *call, const char *name);
int64_t api_int(const struct api_call *call, const char *name);
bool api_bool(const struct api_call *call, const char *name);

/* Ask the nodes (enum gather_what); `args` as in gather(). Without memory the
 * call is refused; when nobody waits any more, `done` does not come. */
void api_gather(struct api_call *call, unsigned what, struct json_object *args,
		api_gathered_fn *done);

/* Each ends the call, whether somebody still waits or not, and takes the JSON.
 */
void api_answer(struct api_call **call, struct json_object *o);
/* `field` NULL: none is to blame. */
void api_refuse(struct api_call **call, unsigned status, const char *field,
		const char *why);
/* lal's manner; data NULL: null (or zeros: API_EMPTY); left out where the row has
 * none. */
void api_say(struct api_call **call, int code, const char *desp,
	     struct json_object *data);

/* lal's codes. */
enum {
	LAL_OK = 0,
	LAL_NO_PAGE = 404,
	LAL_NO_GROUP = 1001,
	LAL_NO_PARAM = 1002,
	LAL_NO_SESSION = 1003,
	LAL_NO_PULL = 2001,
	LAL_NO_PORT = 2002,
};

/* ---- pure: requests against their row, rows as a document ---- */

/* What came, as text. */
struct api_raw {
	const char *(*part)(void *ctx,
			    unsigned n); /* of the path; "" if none */
	const char *(*query)(void *ctx,
			     const char *name); /* decoded, or NULL */
	void *ctx;
	struct span query_text; /* as it stands */
	struct span body;
};

struct api_fault {
	char field[64]; /* "": none */
	char why[160];
};

/* Returns 0 and *out, an object, the caller's; WEIR_EINVAL and *fault; or
 * WEIR_ENOMEM. lal's rows let fields pass that they do not know. */
WEIR_MUST_CHECK int api_read(struct json_object **out, struct api_fault *fault,
			     const struct api_route *r,
			     const struct api_raw *raw);

/* The OpenAPI 3.1 document; the caller's. NULL without memory. */
struct json_object *api_document(const struct api_route *route, size_t count,
				 const char *version);

/* ---- routes ---- */

struct api_router; /* what the server needs of the table while it lives */

/* All of the table, and what answers for the rest of the server's paths. Sets
 * d->router, the caller's, on failure too. Returns 0 or WEIR_ENOMEM. */
WEIR_MUST_CHECK int api_routes(struct dispatch *d);
void api_router_free(struct api_router **r);

#endif
