/* common/registry/node.c - what a node says of itself, and its JSON. */
#include "common/registry/node.h"

#include <inttypes.h>
#include <json-c/json.h>

#define NODE_JSON_DEPTH 8

/* Printable, and nothing that JSON would have to escape. */
static bool is_plain(const char *s)
{
	for (; *s; s++)
		if (*s < 0x21 || *s > 0x7e || *s == '"' || *s == '\\')
			return false;
	return true;
}

static bool is_word(const char *s)
{
	static const char marks[] = "-_.";

	if (!*s)
		return false;
	for (; *s; s++) {
		bool is_alnum = (*s >= '0' && *s <= '9') ||
				(*s >= 'a' && *s <= 'z') ||
				(*s >= 'A' && *s <= 'Z');

		if (!is_alnum && !strchr(marks, *s))
			return false;
	}
	return true;
}

/* ---- addresses ---- */

const char *node_address(const struct node *n, const char *name)
{
	for (size_t i = 0; i < n->address_count; i++)
		if (!strcmp(n->address[i].name, name))
			return n->address[i].addr;
	return NULL;
}

int node_set_address(struct node *n, const char *name, const char *addr)
{
	size_t name_len = strlen(name);
	size_t addr_len = strlen(addr);
	struct node_address *a = NULL;

	if (!is_word(name) || name_len >= sizeof(a->name) || !is_plain(addr) ||
	    addr_len >= sizeof(a->addr))
		return WEIR_EINVAL;
	for (size_t i = 0; i < n->address_count; i++)
		if (!strcmp(n->address[i].name, name))
			a = &n->address[i];
	if (!a && n->address_count == NODE_ADDRESSES_MAX)
		return WEIR_ELIMIT;
	if (!a)
		a = &n->address[n->address_count++];
	memcpy(a->name, name, name_len + 1);
	memcpy(a->addr, addr, addr_len + 1);
	return 0;
}

/* A path may have spaces and letters of any language, but nothing that JSON
 * would have to escape. */
static bool is_path(const char *s)
{
	if (*s != '/')
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == '"' ||
		    *s == '\\')
			return false;
	return true;
}

int node_set_handover(struct node *n, const char *path)
{
	size_t len = strlen(path);

	if (!is_path(path) || len >= sizeof(n->handover))
		return WEIR_EINVAL;
	memcpy(n->handover, path, len + 1);
	return 0;
}

int node_set_zone(struct node *n, const char *zone)
{
	size_t len = strlen(zone);

	if (len >= sizeof(n->zone) || (len && !is_word(zone)))
		return WEIR_EINVAL;
	memcpy(n->zone, zone, len + 1);
	return 0;
}

/* ---- writing ---- */

static void load_write(struct buf *out, const struct node_load *l)
{
	buf_printf(out,
		   "\"load\":{\"busy_permille\":%" PRIu32
		   ",\"streams\":%" PRIu32 ",\"publishers\":%" PRIu32
		   ",\"viewers\":%" PRIu32 ",\"in_bps\":%" PRIu64
		   ",\"out_bps\":%" PRIu64 ",\"cpu_permille\":%" PRIu32
		   ",\"memory_bytes\":%" PRIu64 ",\"full\":%s}",
		   l->busy_permille, l->streams, l->publishers, l->viewers,
		   l->in_bps, l->out_bps, l->cpu_permille, l->memory_bytes,
		   l->is_full ? "true" : "false");
}

void node_write(struct buf *out, const struct node *n)
{
	char instance[UUID_TEXT_SIZE];

	buf_printf(out,
		   "{\"id\":\"%s\",\"role\":\"%s\",\"instance\":\"%s\","
		   "\"url\":\"%s\",\"pid\":%" PRIu32
		   ",\"version\":\"%s\","
		   "\"draining\":%s,\"addresses\":{",
		   n->ref.id, n->ref.role,
		   uuid_text(instance, &n->ref.instance), n->ref.url, n->pid,
		   n->version, n->is_draining ? "true" : "false");
	for (size_t i = 0; i < n->address_count; i++)
		buf_printf(out, "%s\"%s\":\"%s\"", i ? "," : "",
			   n->address[i].name, n->address[i].addr);
	buf_put(out, SPAN_LIT("},"));
	if (n->handover[0])
		buf_printf(out, "\"handover\":\"%s\",", n->handover);
	if (!uuid_is_zero(&n->machine))
		buf_printf(out, "\"machine\":\"%s\",",
			   uuid_text(instance, &n->machine));
	if (n->zone[0])
		buf_printf(out, "\"zone\":\"%s\",", n->zone);
	load_write(out, &n->load);
	buf_put_u8(out, '}');
}

/* ---- reading ---- */

/* Missing: "". Returns 0 or WEIR_EPROTO. */
static int take_text(char *out, size_t size, struct json_object *o,
		     const char *name)
{
	struct json_object *v;
	const char *s;
	int len;

	out[0] = '\0';
	if (!json_object_object_get_ex(o, name, &v))
		return 0;
	if (!json_object_is_type(v, json_type_string))
		return WEIR_EPROTO;
	s = json_object_get_string(v);
	len = json_object_get_string_len(v);
	if (len < 0 || (size_t)len >= size || strlen(s) != (size_t)len ||
	    !is_plain(s))
		return WEIR_EPROTO;
	memcpy(out, s, (size_t)len + 1);
	return 0;
}

/* Missing, negative or no number: 0. */
static uint64_t take_number(struct json_object *o, const char *name,
			    uint64_t max)
{
	struct json_object *v;
	int64_t n;

	if (!json_object_object_get_ex(o, name, &v) ||
	    !json_object_is_type(v, json_type_int))
		return 0;
	n = json_object_get_int64(v);
	if (n < 0)
		return 0;
	return WEIR_MIN((uint64_t)n, max);
}

static void take_load(struct node_load *out, struct json_object *o)
{
	struct json_object *l, *full;

	if (!json_object_object_get_ex(o, "load", &l) ||
	    !json_object_is_type(l, json_type_object))
		return;
	out->busy_permille = (uint32_t)take_number(l, "busy_permille", 1000);
	out->streams = (uint32_t)take_number(l, "streams", UINT32_MAX);
	out->publishers = (uint32_t)take_number(l, "publishers", UINT32_MAX);
	out->viewers = (uint32_t)take_number(l, "viewers", UINT32_MAX);
	out->in_bps = take_number(l, "in_bps", UINT64_MAX);
	out->out_bps = take_number(l, "out_bps", UINT64_MAX);
	out->cpu_permille =
		(uint32_t)take_number(l, "cpu_permille", UINT32_MAX);
	out->memory_bytes = take_number(l, "memory_bytes", UINT64_MAX);
	out->is_full = json_object_object_get_ex(l, "full", &full) &&
		       json_object_get_boolean(full);
}

static int take_addresses(struct node *n, struct json_object *o)
{
	struct json_object *a;
	char addr[sizeof(n->address[0].addr)];
	int err = 0;

	if (!json_object_object_get_ex(o, "addresses", &a))
		return 0;
	if (!json_object_is_type(a, json_type_object))
		return WEIR_EPROTO;
	json_object_object_foreach(a, name, unused)
	{
		(void)unused;
		err = take_text(addr, sizeof(addr), a, name);
		if (!err)
			err = node_set_address(n, name, addr);
		if (err)
			return err == WEIR_ELIMIT ? err : WEIR_EPROTO;
	}
	return 0;
}

/* One that we could not use ourselves is left out: the node is there all the
 * same. */
static void take_handover(struct node *n, struct json_object *o)
{
	struct json_object *v;
	const char *path;

	if (!json_object_object_get_ex(o, "handover", &v) ||
	    !json_object_is_type(v, json_type_string))
		return;
	path = json_object_get_string(v);
	if (strlen(path) != (size_t)json_object_get_string_len(v) ||
	    node_set_handover(n, path))
		n->handover[0] = '\0';
}

static int take_node(struct node *n, struct json_object *o)
{
	struct json_object *draining;
	char instance[UUID_TEXT_SIZE], zone[NODE_ZONE_SIZE];

	if (!json_object_is_type(o, json_type_object) ||
	    take_text(n->ref.id, sizeof(n->ref.id), o, "id") ||
	    take_text(n->ref.role, sizeof(n->ref.role), o, "role") ||
	    take_text(n->ref.url, sizeof(n->ref.url), o, "url") ||
	    take_text(n->version, sizeof(n->version), o, "version") ||
	    take_text(instance, sizeof(instance), o, "instance"))
		return WEIR_EPROTO;
	if (!is_word(n->ref.id) || !is_word(n->ref.role) ||
	    uuid_parse(&n->ref.instance, span_str(instance)))
		return WEIR_EPROTO;
	n->pid = (uint32_t)take_number(o, "pid", UINT32_MAX);
	if (json_object_object_get_ex(o, "draining", &draining))
		n->is_draining = json_object_get_boolean(draining);
	take_load(&n->load, o);
	take_handover(n, o);
	if (take_text(instance, sizeof(instance), o, "machine") ||
	    uuid_parse(&n->machine, span_str(instance)))
		n->machine = (struct uuid){{0}};
	if (take_text(zone, sizeof(zone), o, "zone") || node_set_zone(n, zone))
		n->zone[0] = '\0'; /* as with a handover */
	return take_addresses(n, o);
}

int node_read(struct node *out, struct span text)
{
	struct node n = {0};
	struct json_tokener *tok;
	struct json_object *o = NULL;
	int err = WEIR_EPROTO;

	if (text.len > NODE_JSON_MAX)
		return WEIR_ELIMIT;
	tok = json_tokener_new_ex(NODE_JSON_DEPTH);
	if (!tok)
		return WEIR_ENOMEM;
	o = json_tokener_parse_ex(tok, (const char *)text.data, (int)text.len);
	if (o && json_tokener_get_parse_end(tok) == text.len)
		err = take_node(&n, o);
	if (!err)
		*out = n;
	json_object_put(o);
	json_tokener_free(tok);
	return err;
}

/* ---- comparing ---- */

static bool addresses_eq(const struct node *a, const struct node *b)
{
	if (a->address_count != b->address_count)
		return false;
	for (size_t i = 0; i < a->address_count; i++) {
		const char *other = node_address(b, a->address[i].name);

		if (!other || strcmp(other, a->address[i].addr) != 0)
			return false;
	}
	return true;
}

bool node_eq(const struct node *a, const struct node *b)
{
	return !strcmp(a->ref.id, b->ref.id) &&
	       !strcmp(a->ref.role, b->ref.role) &&
	       !strcmp(a->ref.url, b->ref.url) &&
	       uuid_eq(&a->ref.instance, &b->ref.instance) &&
	       a->pid == b->pid && a->is_draining == b->is_draining &&
	       !strcmp(a->version, b->version) &&
	       !strcmp(a->handover, b->handover) && !strcmp(a->zone, b->zone) &&
	       addresses_eq(a, b);
}
