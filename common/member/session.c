/* common/member/session.c - a publisher or viewer as the API shows it. */
#include "common/member/session.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/io/clock.h"

#define RATE_MS 5000

void session_rate_update(struct session_rate *r, uint64_t bytes,
			 uint64_t now_ms)
{
	uint64_t passed_ms = now_ms - r->at_ms;

	if (!r->at_ms) {
		r->at_ms = now_ms;
		r->bytes = bytes;
		return;
	}
	if (passed_ms < RATE_MS)
		return;
	r->kbits = (uint32_t)((bytes - r->bytes) * 8 * 1000 / 1024 / passed_ms);
	r->bytes = bytes;
	r->at_ms = now_ms;
}

void session_id_make(char out[SESSION_ID_SIZE], const char *prefix)
{
	uint64_t number = 0;

	io_random(&number, 6);
	snprintf(out, SESSION_ID_SIZE, "%s%" PRIu64, prefix, number);
}

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

struct json_object *session_json(const struct session_info *s)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		return NULL;
	add_text(o, "session_id", s->id);
	add_text(o, "stream", s->stream);
	add_text(o, "protocol", s->protocol);
	add_text(o, "base_type", s->base_type);
	add_text(o, "remote_addr", s->remote);
	json_object_object_add(o, "start_us",
			       json_object_new_int64(s->start_us));
	json_object_object_add(o, "read_bytes",
			       json_object_new_uint64(s->read_bytes));
	json_object_object_add(o, "wrote_bytes",
			       json_object_new_uint64(s->wrote_bytes));
	json_object_object_add(o, "read_kbits",
			       json_object_new_int64(s->read_kbits));
	json_object_object_add(o, "write_kbits",
			       json_object_new_int64(s->write_kbits));
	json_object_object_add(o, "skipped",
			       json_object_new_uint64(s->skipped));
	json_object_object_add(
		o, "url_param",
		json_object_new_string_len((const char *)s->url_param.data,
					   (int)s->url_param.len));
	return o;
}
