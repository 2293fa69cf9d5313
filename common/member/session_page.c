/* common/member/session_page.c - some of a node's sessions. */
#include "common/member/session_page.h"

#include "common/member/member.h"

bool session_page_is_asked(struct json_object *args)
{
	return member_json_int(args, "limit") > 0;
}

int session_page_begin(struct session_page *p, struct json_object *args)
{
	const char *ip = member_json_text(args, "ip");

	p->stream = member_json_text(args, "stream");
	p->protocol = member_json_text(args, "protocol");
	p->base_type = member_json_text(args, "base_type");
	p->user = member_json_text(args, "user");
	p->after = member_json_text(args, "after");
	p->limit = (size_t)WEIR_MIN(WEIR_MAX(member_json_int(args, "limit"), 1),
				    SESSION_PAGE_MAX);
	p->count = 0;
	p->has_more = false;
	p->has_ip = ip != NULL;
	return ip ? cidr_parse(&p->ip, span_str(ip)) : 0;
}

/* ---- is it wanted? ---- */

static bool is_text(const char *wanted, const char *text)
{
	return !wanted || (text && !strcmp(wanted, text));
}

/* "192.0.2.1:5000", "[2001:db8::1]:5000" */
static bool is_from(const struct session *s, const struct cidr *block)
{
	const char *addr = s->remote_addr;
	const char *end = strrchr(addr, ':');
	struct ip_addr ip;
	size_t len;

	if (!end)
		return false;
	len = (size_t)(end - addr);
	if (len > 2 && addr[0] == '[') {
		addr++;
		len -= 2;
	}
	return !ip_addr_parse(&ip, span_of(addr, len)) &&
	       cidr_contains(block, &ip);
}

static bool is_wanted(const struct session_page *p, const struct session *s)
{
	return (!p->after || strcmp(s->id, p->after) > 0) &&
	       is_text(p->stream, s->key->text) &&
	       is_text(p->protocol, s->protocol) &&
	       is_text(p->base_type, s->base_type) &&
	       is_text(p->user, s->user) && (!p->has_ip || is_from(s, &p->ip));
}

/* ---- which are the first ---- */

static size_t place_of(const struct session_page *p, const char *id)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(p->row[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void session_page_offer(void *ctx, struct session *s)
{
	struct session_page *p = ctx;
	size_t at;

	if (!is_wanted(p, s))
		return;
	at = place_of(p, s->id);
	if (p->count == p->limit) {
		p->has_more = true;
		if (at == p->count)
			return;
		p->count--;
	}
	memmove(&p->row[at + 1], &p->row[at],
		(p->count - at) * sizeof(p->row[0]));
	p->row[at] = s;
	p->count++;
}

struct json_object *session_page_end(const struct session_page *p)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; o && list && i < p->count; i++) {
		struct json_object *s = session_json(p->row[i]);

		if (s)
			json_object_object_del(s, "url_param");
		json_object_array_add(list, s);
	}
	json_object_object_add(o, "sessions", list);
	if (p->has_more)
		json_object_object_add(o, "more", json_object_new_boolean(1));
	return o;
}
