/* services/edge/elsewhere.c - where a player may go whom this edge has no room
 * for. */
#include "services/edge/elsewhere.h"

#define MARK "sent_on=1" /* it was sent on: not a second time */

bool elsewhere_helps(enum reason why)
{
	return why == REASON_overloaded || why == REASON_no_resources ||
	       why == REASON_draining;
}

static bool was_sent_on(struct span query)
{
	const struct span mark = SPAN_LIT(MARK);

	for (size_t i = 0; i + mark.len <= query.len; i++)
		if ((!i || query.data[i - 1] == '&') &&
		    !memcmp(query.data + i, mark.data, mark.len))
			return true;
	return false;
}

static struct span without_port(struct span host)
{
	const uint8_t *end;

	if (!host.len)
		return host;
	if (host.data[0] == '[') {
		end = memchr(host.data, ']', host.len);
		return end ? span_first(host, (size_t)(end - host.data) + 1)
			   : (struct span){0};
	}
	end = memchr(host.data, ':', host.len);
	return end ? span_first(host, (size_t)(end - host.data)) : host;
}

static void put_rest(struct buf *out, const struct elsewhere_request *rq)
{
	buf_put(out, rq->path);
	buf_put_u8(out, '?');
	buf_put(out, rq->query);
	if (rq->query.len)
		buf_put_u8(out, '&');
	buf_put(out, SPAN_LIT(MARK));
}

bool elsewhere_put(struct buf *out, const struct elsewhere_self *self,
		   const struct elsewhere_request *rq, uint64_t seed)
{
	const char *name = rq->has_tls ? "https" : "http";
	const struct best_wish wish = {
		.role = "edge",
		.address = name,
		.zone = self->zone,
		.without = self->id,
		.is_free = true,
		.seed = seed,
	};
	const struct node *edge;
	struct buf addr = {0};
	bool is_there;

	if (!self->copy || was_sent_on(rq->query) ||
	    !best_nodes(self->copy, &wish, &edge, 1))
		return false;
	is_there =
		node_put_public(&addr, edge, name, without_port(rq->came_by)) &&
		!buf_error(&addr);
	if (is_there) {
		buf_printf(out, "%s://%s", name, buf_text(&addr));
		put_rest(out, rq);
	}
	buf_fini(&addr);
	return is_there;
}
