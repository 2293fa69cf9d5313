/* proto/rtmp/server_command.c - what a client's commands do to a server session.
 *
 * What is answered, and how, follows what encoders and players of the field
 * wait for: README.md has the table.
 */
#include "common/media/via.h"
#include "proto/rtmp/server_state.h"

/* Of capsEx, in Enhanced RTMP: the others are not ours. */
#define CAPS_RECONNECT 1u

static int answer(struct rtmp_server *s, uint32_t stream_id,
		  struct buf *payload)
{
	rtmp_link_take_command(&s->link, stream_id, payload);
	return 0;
}

/* "Done": _result with nothing in it. */
static int answer_done(struct rtmp_server *s, const struct rtmp_command *c)
{
	struct buf payload = {0};

	if (!(c->transaction > 0))
		return 0;
	rtmp_command_begin(&payload, "_result", c->transaction);
	amf0_put_null(&payload);
	amf0_put_undefined(&payload);
	return answer(s, 0, &payload);
}

void rtmp_server_put_status(struct rtmp_server *s, uint32_t stream_id,
			    const char *level, const char *code,
			    const char *description)
{
	struct buf payload = {0};

	rtmp_status_payload(&payload, "onStatus", 0, level, code, description);
	answer(s, stream_id, &payload);
}

static void put_connect_result(struct rtmp_server *s)
{
	struct buf p = {0};

	rtmp_put_window(&s->link.out, RTMP_WINDOW_BYTES);
	rtmp_put_peer_bandwidth(&s->link.out, RTMP_WINDOW_BYTES);
	rtmp_put_chunk_size(&s->link.out, RTMP_CHUNK_BYTES_SENT);
	s->link.chunk_bytes = RTMP_CHUNK_BYTES_SENT;
	rtmp_command_begin(&p, "_result", s->transaction);
	amf0_put_object(&p);
	amf0_put_key(&p, "fmsVer");
	amf0_put_text(&p, "FMS/3,0,1,123");
	amf0_put_key(&p, "capabilities");
	amf0_put_number(&p, 31);
	if (s->connect.has_caps) {
		amf0_put_key(&p, "capsEx");
		amf0_put_number(&p, CAPS_RECONNECT);
	}
	if (s->connect.via.len && s->cluster) {
		amf0_put_key(&p, VIA_KEY);
		amf0_put_text(&p, s->cluster);
	}
	amf0_put_object_end(&p);
	amf0_put_object(&p);
	amf0_put_key(&p, "level");
	amf0_put_text(&p, "status");
	amf0_put_key(&p, "code");
	amf0_put_text(&p, "NetConnection.Connect.Success");
	amf0_put_key(&p, "description");
	amf0_put_text(&p, "Connection succeeded.");
	amf0_put_key(&p, "objectEncoding");
	amf0_put_number(&p, s->connect.object_encoding);
	amf0_put_object_end(&p);
	answer(s, 0, &p);
}

static int keep_connect(struct rtmp_server *s, const struct amf0_value *object)
{
	struct rtmp_connect c = {
		.app = amf0_find_string(object, "app"),
		.tc_url = amf0_find_string(object, "tcUrl"),
		.flash_ver = amf0_find_string(object, "flashVer"),
		.page_url = amf0_find_string(object, "pageUrl"),
		.swf_url = amf0_find_string(object, "swfUrl"),
		.via = amf0_find_string(object, VIA_KEY),
	};
	struct span *const texts[] = {&c.app,      &c.tc_url,  &c.flash_ver,
				      &c.page_url, &c.swf_url, &c.via};
	double caps = amf0_find_number(object, "capsEx", -1);
	int err;

	if (amf0_find_number(object, "objectEncoding", 0) == 3)
		c.object_encoding = 3;
	c.has_caps = caps >= 0;
	c.can_reconnect = c.has_caps && amf0_to_u32(caps) & CAPS_RECONNECT;
	err = rtmp_keep_texts(&s->connect_text, texts, WEIR_ARRAY_LEN(texts));
	if (err)
		return rtmp_link_fail(&s->link, err, "out of memory");
	s->connect = c;
	return 0;
}

static int on_connect(struct rtmp_server *s, const struct rtmp_command *c,
		      const struct rtmp_message *msg)
{
	int err, verdict;

	(void)msg;
	if (s->phase != RTMP_PHASE_NEW)
		return rtmp_link_fail(&s->link, WEIR_EPROTO,
				      "connect a second time");
	err = keep_connect(s, &c->object);
	if (!err)
		err = rtmp_link_flush(&s->link);
	if (err)
		return err;
	s->transaction = c->transaction;
	s->is_connecting = true;
	verdict = s->events.on_connect(s->events.ctx, &s->connect);
	s->is_connecting = false;
	if (s->phase != RTMP_PHASE_NEW)
		return verdict; /* it was refused */
	s->phase = RTMP_PHASE_IDLE;
	put_connect_result(s);
	return verdict;
}

/* The lowest id that is free: clients that have one stream get 1, which is what
 * shared copies of a stream are written for. */
static int on_create_stream(struct rtmp_server *s, const struct rtmp_command *c,
			    const struct rtmp_message *msg)
{
	struct buf payload = {0};
	uint32_t id = 1;

	(void)msg;
	while (id <= RTMP_STREAMS_MAX && s->streams & 1u << (id - 1))
		id++;
	if (id > RTMP_STREAMS_MAX)
		return rtmp_link_fail(&s->link, WEIR_ELIMIT,
				      "too many streams");
	s->streams |= 1u << (id - 1);
	rtmp_command_begin(&payload, "_result", c->transaction);
	amf0_put_null(&payload);
	amf0_put_number(&payload, id);
	return answer(s, 0, &payload);
}

static bool is_active(const struct rtmp_server *s)
{
	return s->phase != RTMP_PHASE_NEW && s->phase != RTMP_PHASE_IDLE;
}

/* The peer has no more use for its stream. */
static int end_stream(struct rtmp_server *s, enum rtmp_end reason)
{
	bool is_publish = s->phase == RTMP_PHASE_PUBLISHES;
	int err;

	if (!is_active(s))
		return 0;
	err = rtmp_link_flush(&s->link);
	if (err)
		return err;
	s->phase = RTMP_PHASE_IDLE;
	s->drops_media |= is_publish;
	s->wants_fcpublish = false;
	return s->events.on_end(s->events.ctx, reason);
}

static int on_delete_stream(struct rtmp_server *s, const struct rtmp_command *c,
			    const struct rtmp_message *msg)
{
	struct span args = c->arguments;
	uint32_t id =
		amf0_to_u32(rtmp_argument_number(&args, s->request.stream_id));

	(void)msg;
	if (id >= 1 && id <= RTMP_STREAMS_MAX)
		s->streams &= ~(1u << (id - 1));
	return id == s->request.stream_id ? end_stream(s, RTMP_END_DELETE) : 0;
}

static int on_close_stream(struct rtmp_server *s, const struct rtmp_command *c,
			   const struct rtmp_message *msg)
{
	(void)c;
	return msg->stream_id == s->request.stream_id || !msg->stream_id
		       ? end_stream(s, RTMP_END_CLOSE)
		       : 0;
}

static int on_fc_publish(struct rtmp_server *s, const struct rtmp_command *c,
			 const struct rtmp_message *msg)
{
	(void)msg;
	s->wants_fcpublish = true;
	return answer_done(s, c);
}

static int on_fc_unpublish(struct rtmp_server *s, const struct rtmp_command *c,
			   const struct rtmp_message *msg)
{
	struct buf payload = {0};

	(void)msg;
	answer_done(s, c);
	if (s->phase != RTMP_PHASE_PUBLISHES &&
	    s->phase != RTMP_PHASE_ASKS_PUBLISH)
		return 0;
	rtmp_status_payload(&payload, "onFCUnpublish", 0, "status",
			    "NetStream.Unpublish.Success", "");
	answer(s, s->request.stream_id, &payload);
	rtmp_server_put_status(s, s->request.stream_id, "status",
			       "NetStream.Unpublish.Success", "Stopped.");
	return end_stream(s, RTMP_END_UNPUBLISH);
}

/* "a?b" -> "a" and "b"; without a '?' all is the head. */
static void split_query(struct span text, struct span *head, struct span *query)
{
	size_t at = 0;

	while (at < text.len && text.data[at] != '?')
		at++;
	*head = span_first(text, at);
	*query = span_from(text, at + 1);
}

static int keep_request(struct rtmp_server *s, struct rtmp_request r,
			struct span name)
{
	struct span *const texts[] = RTMP_REQUEST_TEXTS(&r);
	int err;

	split_query(s->connect.app, &r.app, &r.app_query);
	r.via = s->connect.via;
	split_query(name, &r.name, &r.query);
	err = rtmp_keep_texts(&s->request_text, texts, WEIR_ARRAY_LEN(texts));
	if (err)
		return rtmp_link_fail(&s->link, err, "out of memory");
	s->request = r;
	return 0;
}

static int refuse_now(struct rtmp_server *s, uint32_t stream_id,
		      const char *code, const char *description)
{
	rtmp_server_put_status(s, stream_id, "error", code, description);
	return 0;
}

static bool is_nameless(struct span name)
{
	return !name.len || name.data[0] == '?';
}

/* Let the owner decide. Unless it did so in its callback, the feed ends. */
static int ask_owner(struct rtmp_server *s, enum rtmp_phase phase)
{
	int err = rtmp_link_flush(&s->link);

	if (err)
		return err;
	s->phase = phase;
	if (phase == RTMP_PHASE_ASKS_PUBLISH)
		err = s->events.on_publish(s->events.ctx, &s->request);
	else
		err = s->events.on_play(s->events.ctx, &s->request);
	if (err || s->phase != phase)
		return err;
	s->is_parked = true;
	return WEIR_ESTOP;
}

static int on_publish(struct rtmp_server *s, const struct rtmp_command *c,
		      const struct rtmp_message *msg)
{
	struct rtmp_request r = {.stream_id = msg->stream_id};
	struct span args = c->arguments;
	struct span name = rtmp_argument_string(&args);
	int err;

	if (is_active(s))
		return refuse_now(s, msg->stream_id,
				  "NetStream.Publish.BadName",
				  "This connection has a stream already.");
	if (is_nameless(name))
		return refuse_now(s, msg->stream_id,
				  "NetStream.Publish.BadName",
				  "The stream key is empty.");
	r.type = rtmp_argument_string(&args);
	err = keep_request(s, r, name);
	return err ? err : ask_owner(s, RTMP_PHASE_ASKS_PUBLISH);
}

static int on_play(struct rtmp_server *s, const struct rtmp_command *c,
		   const struct rtmp_message *msg)
{
	struct rtmp_request r = {.stream_id = msg->stream_id};
	struct span args = c->arguments;
	struct span name = rtmp_argument_string(&args);
	int err;

	if (is_active(s))
		return refuse_now(s, msg->stream_id, "NetStream.Play.Failed",
				  "This connection has a stream already.");
	if (is_nameless(name))
		return refuse_now(s, msg->stream_id,
				  "NetStream.Play.StreamNotFound",
				  "The stream name is empty.");
	r.start_raw = rtmp_argument_number(&args, -2);
	err = keep_request(s, r, name);
	return err ? err : ask_owner(s, RTMP_PHASE_ASKS_PLAY);
}

/* Live media is not held back: the player is told what it wants to hear. */
static int on_pause(struct rtmp_server *s, const struct rtmp_command *c,
		    const struct rtmp_message *msg)
{
	struct span args = c->arguments;
	struct amf0_value v;
	bool is_paused = !amf0_read(&v, &args, NULL) && v.boolean;

	rtmp_server_put_status(s, msg->stream_id, "status",
			       is_paused ? "NetStream.Pause.Notify"
					 : "NetStream.Unpause.Notify",
			       "Live streams go on.");
	return 0;
}

static int on_get_stream_length(struct rtmp_server *s,
				const struct rtmp_command *c,
				const struct rtmp_message *msg)
{
	struct buf payload = {0};

	(void)msg;
	rtmp_command_begin(&payload, "_result", c->transaction);
	amf0_put_null(&payload);
	amf0_put_number(&payload, 0);
	return answer(s, 0, &payload);
}

static int on_ignored(struct rtmp_server *s, const struct rtmp_command *c,
		      const struct rtmp_message *msg)
{
	(void)s;
	(void)c;
	(void)msg;
	return 0;
}

typedef int command_fn(struct rtmp_server *s, const struct rtmp_command *c,
		       const struct rtmp_message *msg);

static const struct {
	const char *name;
	command_fn *run;
} commands[] = {
	{"connect", on_connect},
	{"createStream", on_create_stream},
	{"FCPublish", on_fc_publish},
	{"publish", on_publish},
	{"play", on_play},
	{"FCUnpublish", on_fc_unpublish},
	{"deleteStream", on_delete_stream},
	{"closeStream", on_close_stream},
	{"pause", on_pause},
	{"pauseRaw", on_pause},
	{"getStreamLength", on_get_stream_length},
	/* answers to what a server may ask; answering them would never end */
	{"_result", on_ignored},
	{"_error", on_ignored},
	{"onStatus", on_ignored},
};

int rtmp_server_on_command(struct rtmp_server *s,
			   const struct rtmp_message *msg)
{
	struct rtmp_command c;
	int err = rtmp_command_read(&c, msg);

	if (err)
		return rtmp_link_fail(&s->link, err, "broken command");
	if (s->phase == RTMP_PHASE_NEW && !span_eq_str(c.name, "connect"))
		return rtmp_link_fail(&s->link, WEIR_EPROTO,
				      "command before connect");
	for (size_t i = 0; i < WEIR_ARRAY_LEN(commands); i++)
		if (span_eq_str(c.name, commands[i].name))
			return commands[i].run(s, &c, msg);
	/* releaseStream, _checkbw, FCSubscribe, seek, receiveVideo, … An _error
	 * would make ffmpeg leave. */
	return answer_done(s, &c);
}
