/* common/http/kept.c - answers that are made once and given to many.
 *
 * What a request says changes an answer only by its Origin: one answer is kept
 * for those that have none, as players do, and one for the page that asked
 * last.
 */
#include <stdlib.h>

#include "common/http/server_priv.h"

/* An answer and whom it is for. Requests hold it too, so that it may leave its
 * place before they are answered. */
struct http_made {
	unsigned refs;
	struct MHD_Response *response;
	char origin[]; /* "": none */
};

struct http_kept {
	struct http_made *plain, *paged;
};

static void unref(struct http_made **pm)
{
	struct http_made *m = *pm;

	*pm = NULL;
	if (!m || --m->refs)
		return;
	MHD_destroy_response(m->response);
	free(m);
}

void http_kept_free(struct http_kept **pk)
{
	struct http_kept *k = *pk;

	if (!k)
		return;
	*pk = NULL;
	unref(&k->plain);
	unref(&k->paged);
	free(k);
}

static const char *origin_of(const struct http_request *req)
{
	const char *origin = http_header(req, "Origin");

	return origin ? origin : "";
}

static struct http_made **place_of(struct http_kept *k, const char *origin)
{
	return *origin ? &k->paged : &k->plain;
}

bool http_kept_take(struct http_request *req, struct http_kept *k)
{
	const char *origin = origin_of(req);
	struct http_made *m = k ? *place_of(k, origin) : NULL;

	if (!m || strcmp(m->origin, origin) != 0)
		return false;
	m->refs++;
	req->made = m;
	req->response = m->response;
	return true;
}

static struct http_made *made_of(struct MHD_Response *response,
				 const char *origin)
{
	size_t size = strlen(origin) + 1;
	struct http_made *m = malloc(sizeof(*m) + size);

	if (!m)
		return NULL;
	*m = (struct http_made){.refs = 1, .response = response};
	memcpy(m->origin, origin, size);
	return m;
}

/* Without memory the answer is the request's alone. */
void http_kept_put(struct http_kept **pk, struct http_request *req)
{
	const char *origin = origin_of(req);
	struct http_made **place;

	if (!*pk)
		*pk = calloc(1, sizeof(**pk));
	if (!*pk)
		return;
	req->made = made_of(req->response, origin);
	if (!req->made)
		return;
	place = place_of(*pk, origin);
	unref(place);
	req->made->refs++;
	*place = req->made;
}

void http_response_drop(struct http_request *req)
{
	if (req->made)
		unref(&req->made);
	else if (req->response)
		MHD_destroy_response(req->response);
	req->response = NULL;
}
