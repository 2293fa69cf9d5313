/* common/member/session.c - one publisher or player, as the API shows it. */
#include "common/member/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/access/redact.h"
#include "common/base/hash.h"
#include "common/conf/json.h"
#include "common/io/clock.h"

#define URL_PARAM_MAX 1024 /* bytes; the rest is not shown */

/* 48 bits: as unique as it needs to be, and exact in JavaScript. */
void session_id_make(char out[SESSION_ID_SIZE], const char *prefix,
		     const char *request_id)
{
	uint64_t n = hash_bytes(0, span_str(request_id));

	if (!*request_id)
		io_random(&n, sizeof(n));
	snprintf(out, SESSION_ID_SIZE, "%s%llu", prefix,
		 (unsigned long long)(n >> 16));
}

/* It is a peer's text and goes into JSON: what is not plain becomes '?'. */
static char *copy_plain(struct span text)
{
	char *copy = malloc(text.len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	for (size_t i = 0; i < text.len; i++)
		if (copy[i] < 0x20 || copy[i] >= 0x7f)
			copy[i] = '?';
	return copy;
}

/* Without what is secret: it is shown. */
static char *copy_query(struct span query)
{
	struct buf out = {0};
	char *copy = NULL;

	redact_query(&out, query);
	if (out.len && !buf_error(&out))
		copy = copy_plain(span_first(buf_span(&out), URL_PARAM_MAX));
	buf_fini(&out);
	return copy;
}

void session_init(struct session *s, const char *prefix, const char *protocol,
		  const char *base_type, const struct stream_key *key,
		  const struct net_addr *peer, struct span url_param,
		  uint64_t now_ms)
{
	*s = (struct session){
		.protocol = protocol,
		.base_type = base_type,
		.key = key,
		.url_param = copy_query(url_param),
		.start_us = io_utc_us(),
		.sampled_at_ms = now_ms,
	};
	list_init(&s->link);
	session_id_make(s->id, prefix, "");
	net_addr_text(s->remote_addr, peer);
}

void session_fini(struct session *s)
{
	if (s->link.next)
		list_remove(&s->link);
	free(s->url_param);
	free(s->user);
	s->url_param = s->user = NULL;
}

void session_set_user(struct session *s, const char *user)
{
	free(s->user);
	s->user = *user ? strdup(user) : NULL;
}

static uint32_t kbits(uint64_t bytes, uint64_t ms)
{
	return (uint32_t)WEIR_MIN(bytes * 8 * 1000 / 1024 / ms, UINT32_MAX);
}

void session_sample(struct session *s, uint64_t now_ms)
{
	uint64_t ms = now_ms - s->sampled_at_ms;

	if (!ms)
		return;
	s->read_kbits = kbits(s->read_bytes - s->sampled_read, ms);
	s->write_kbits = kbits(s->wrote_bytes - s->sampled_wrote, ms);
	s->sampled_at_ms = now_ms;
	s->sampled_read = s->read_bytes;
	s->sampled_wrote = s->wrote_bytes;
}

struct json_object *session_json(const struct session *s)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		return NULL;
	json_add_text(o, "stream", s->key->text);
	json_add_text(o, "session_id", s->id);
	json_add_text(o, "protocol", s->protocol);
	json_add_text(o, "base_type", s->base_type);
	json_add_text(o, "remote_addr", s->remote_addr);
	json_object_object_add(o, "start_us",
			       json_object_new_int64(s->start_us));
	json_add_uint(o, "read_bytes", s->read_bytes);
	json_add_uint(o, "wrote_bytes", s->wrote_bytes);
	json_add_uint(o, "read_kbits", s->read_kbits);
	json_add_uint(o, "write_kbits", s->write_kbits);
	json_add_uint(o, "skipped", s->skipped);
	json_add_text(o, "url_param", s->url_param ? s->url_param : "");
	if (s->user)
		json_add_text(o, "user", s->user);
	return o;
}
