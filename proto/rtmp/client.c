/* proto/rtmp/client.c - the client's side of one RTMP connection. */
#include "proto/rtmp/client.h"

#include <stdlib.h>

#include "common/media/via.h"
#include "proto/rtmp/link.h"

#define TEXT_BYTES_MAX   4096
#define PLAY_BUFFER_MS   3000
#define WINDOW_BYTES     2500000
#define FLASH_VER_PLAY   "LNX 9,0,124,2"
#define FLASH_VER_RECORD "FMLE/3.0 (compatible; weir)"

/* Each command that is answered has its own transaction. */
enum transaction {
	DO_CONNECT = 1,
	DO_RELEASE = 2,
	DO_FCPUBLISH = 3,
	DO_CREATE = 4,
	DO_START = 5, /* publish or play */
	DO_FCUNPUBLISH = 6,
	DO_DELETE = 7,
};

enum phase {
	PHASE_NEW,
	PHASE_CONNECTS, /* handshake and connect */
	PHASE_CREATES,  /* waits for its stream's id */
	PHASE_ASKS,     /* waits for Start */
	PHASE_RUNS,
	PHASE_LEAVES, /* the owner took leave; the server may have a word */
	PHASE_OVER,   /* on_end was called */
};

struct rtmp_client {
	struct rtmp_client_events events;
	struct rtmp_link link;
	uint8_t phase; /* enum phase */
	bool is_publish;
	enum rtmp_handshake_form form;
	uint64_t seed;
	uint32_t time_ms;
	uint32_t stream_id;
	struct span app;
	struct span tc_url;
	struct span name;
	struct span via;
	struct buf text; /* what these point to */
	struct buf cluster;
};

static void put_command(struct rtmp_client *c, uint32_t stream_id,
			struct buf *payload)
{
	rtmp_link_take_command(&c->link, stream_id, payload);
}

static void put_property(struct buf *p, const char *key, struct span text)
{
	amf0_put_key(p, key);
	amf0_put_string(p, text);
}

static void put_connect(struct rtmp_client *c)
{
	struct buf p = {0};

	rtmp_put_chunk_size(&c->link.out, RTMP_CHUNK_BYTES_SENT);
	c->link.chunk_bytes = RTMP_CHUNK_BYTES_SENT;
	rtmp_command_begin(&p, "connect", DO_CONNECT);
	amf0_put_object(&p);
	put_property(&p, "app", c->app);
	if (c->is_publish)
		put_property(&p, "type", SPAN_LIT("nonprivate"));
	put_property(
		&p, "flashVer",
		span_str(c->is_publish ? FLASH_VER_RECORD : FLASH_VER_PLAY));
	put_property(&p, "tcUrl", c->tc_url);
	if (c->via.len)
		put_property(&p, VIA_KEY, c->via);
	if (!c->is_publish) {
		amf0_put_key(&p, "fpad");
		amf0_put_bool(&p, false);
		amf0_put_key(&p, "capabilities");
		amf0_put_number(&p, 15);
		amf0_put_key(&p, "audioCodecs");
		amf0_put_number(&p, 4071);
		amf0_put_key(&p, "videoCodecs");
		amf0_put_number(&p, 252);
		amf0_put_key(&p, "videoFunction");
		amf0_put_number(&p, 1);
	}
	amf0_put_object_end(&p);
	put_command(c, 0, &p);
}

/* name(null, stream name) */
static void put_named(struct rtmp_client *c, const char *command,
		      double transaction)
{
	struct buf p = {0};

	rtmp_command_begin(&p, command, transaction);
	amf0_put_null(&p);
	amf0_put_string(&p, c->name);
	put_command(c, 0, &p);
}

static void put_create(struct rtmp_client *c)
{
	struct buf p = {0};

	rtmp_put_window(&c->link.out, WINDOW_BYTES);
	if (c->is_publish) {
		put_named(c, "releaseStream", DO_RELEASE);
		put_named(c, "FCPublish", DO_FCPUBLISH);
	}
	rtmp_command_begin(&p, "createStream", DO_CREATE);
	amf0_put_null(&p);
	put_command(c, 0, &p);
	c->phase = PHASE_CREATES;
}

static void put_start(struct rtmp_client *c)
{
	struct buf p = {0};

	rtmp_command_begin(&p, c->is_publish ? "publish" : "play", DO_START);
	amf0_put_null(&p);
	amf0_put_string(&p, c->name);
	if (c->is_publish)
		amf0_put_text(&p, "live");
	put_command(c, c->stream_id, &p);
	if (!c->is_publish)
		rtmp_put_buffer_length(&c->link.out, c->stream_id,
				       PLAY_BUFFER_MS);
	c->phase = PHASE_ASKS;
}

static int end(struct rtmp_client *c, enum rtmp_end reason)
{
	int err;

	if (c->phase == PHASE_OVER)
		return 0;
	err = rtmp_link_flush(&c->link);
	if (err)
		return err;
	c->phase = PHASE_OVER;
	return c->events.on_end(c->events.ctx, reason);
}

/* A name that there is no memory for was not said. */
static void keep_cluster(struct rtmp_client *c, const struct rtmp_command *cmd)
{
	struct span id = amf0_find_string(&cmd->object, VIA_KEY);

	if (id.len < VIA_SIZE)
		buf_put(&c->cluster, id);
}

/* The answer to connect or createStream. */
static int on_result(struct rtmp_client *c, const struct rtmp_command *cmd)
{
	struct span args = cmd->arguments;

	if (c->phase == PHASE_CONNECTS && cmd->transaction == DO_CONNECT) {
		keep_cluster(c, cmd);
		put_create(c);
	}
	if (c->phase == PHASE_CREATES && cmd->transaction == DO_CREATE) {
		c->stream_id = amf0_to_u32(rtmp_argument_number(&args, 1));
		put_start(c);
	}
	return 0;
}

struct status {
	struct span code;
	struct span level;
	struct span description;
};

static int report_status(struct rtmp_client *c, const struct rtmp_command *cmd,
			 struct status *out)
{
	struct amf0_value info = {.type = AMF0_NULL};
	struct span args = cmd->arguments;
	int err = rtmp_link_flush(&c->link);

	if (err)
		return err;
	if (amf0_read(&info, &args, NULL))
		info = (struct amf0_value){.type = AMF0_NULL};
	out->code = amf0_find_string(&info, "code");
	out->level = amf0_find_string(&info, "level");
	out->description = amf0_find_string(&info, "description");
	return c->events.on_status(c->events.ctx, out->code, out->level,
				   out->description);
}

/* Servers refuse releaseStream and FCPublish freely; that means nothing. */
static int on_error(struct rtmp_client *c, const struct rtmp_command *cmd)
{
	struct status s;
	int err = report_status(c, cmd, &s);

	if (err)
		return err;
	if (cmd->transaction == DO_CONNECT || cmd->transaction == DO_CREATE ||
	    cmd->transaction == DO_START)
		return end(c, RTMP_END_REFUSED);
	return 0;
}

static bool is_over(struct span code)
{
	return span_eq_str(code, "NetStream.Play.UnpublishNotify") ||
	       span_eq_str(code, "NetStream.Play.Stop") ||
	       span_eq_str(code, "NetStream.Play.Complete");
}

static int on_status(struct rtmp_client *c, const struct rtmp_command *cmd)
{
	const char *start = c->is_publish ? "NetStream.Publish.Start"
					  : "NetStream.Play.Start";
	struct status s;
	int err = report_status(c, cmd, &s);

	if (err)
		return err;
	if (span_eq_str(s.level, "error"))
		return end(c, RTMP_END_REFUSED);
	if (c->phase == PHASE_ASKS && span_eq_str(s.code, start)) {
		c->phase = PHASE_RUNS;
		return c->events.on_ready(c->events.ctx);
	}
	if (c->phase == PHASE_LEAVES &&
	    span_eq_str(s.code, "NetStream.Unpublish.Success"))
		return end(c, RTMP_END_UNPUBLISH);
	return is_over(s.code) ? end(c, RTMP_END_EOF) : 0;
}

/* The server measures bandwidth and wants to hear that it may. */
static int on_bw_done(struct rtmp_client *c, const struct rtmp_command *cmd)
{
	struct buf p = {0};

	(void)cmd;
	rtmp_command_begin(&p, "_checkbw", 0);
	amf0_put_null(&p);
	put_command(c, 0, &p);
	return 0;
}

static int on_close(struct rtmp_client *c, const struct rtmp_command *cmd)
{
	(void)cmd;
	return end(c, RTMP_END_EOF);
}

static const struct {
	const char *name;
	int (*run)(struct rtmp_client *c, const struct rtmp_command *cmd);
} commands[] = {
	{"_result", on_result},   {"_error", on_error}, {"onStatus", on_status},
	{"onBWDone", on_bw_done}, {"close", on_close},
};

static int on_command(struct rtmp_client *c, const struct rtmp_message *msg)
{
	struct rtmp_command cmd;
	int err = rtmp_command_read(&cmd, msg);

	if (err)
		return rtmp_link_fail(&c->link, err, "broken command");
	for (size_t i = 0; i < WEIR_ARRAY_LEN(commands); i++)
		if (span_eq_str(cmd.name, commands[i].name))
			return commands[i].run(c, &cmd);
	return 0;
}

static int on_user_control(struct rtmp_client *c,
			   const struct rtmp_message *msg)
{
	struct rtmp_user_control control;

	if (rtmp_user_control_read(&control, msg->payload))
		return rtmp_link_fail(&c->link, WEIR_EPROTO,
				      "user control too short");
	if (control.event == RTMP_STREAM_EOF && c->phase == PHASE_RUNS &&
	    control.value == c->stream_id)
		return end(c, RTMP_END_EOF);
	return 0;
}

static int on_part(void *ctx, const struct rtmp_media *m)
{
	struct rtmp_client *c = ctx;

	return c->events.on_media(c->events.ctx, m);
}

static int on_media(struct rtmp_client *c, const struct rtmp_message *msg)
{
	int err;

	/* Some servers begin before they have said Start. */
	if (c->is_publish || c->phase < PHASE_ASKS || c->phase >= PHASE_LEAVES)
		return 0;
	err = rtmp_link_flush(&c->link);
	if (err)
		return err;
	err = rtmp_media_each(msg, on_part, c);
	if (err == WEIR_EPROTO && msg->type == RTMP_AGGREGATE)
		return rtmp_link_fail(&c->link, err, "broken aggregate");
	return err;
}

static int on_message(void *ctx, const struct rtmp_message *msg)
{
	struct rtmp_client *c = ctx;

	if (rtmp_type_is_media(msg->type))
		return on_media(c, msg);
	switch (msg->type) {
	case RTMP_COMMAND:
	case RTMP_COMMAND_AMF3:
		return on_command(c, msg);
	case RTMP_USER_CONTROL:
		return on_user_control(c, msg);
	default:
		return 0; /* what we do not know is no reason to leave */
	}
}

static int keep_texts(struct rtmp_client *c,
		      const struct rtmp_client_desc *desc)
{
	struct span *const texts[] = {&c->app, &c->tc_url, &c->name, &c->via};

	c->app = span_str(desc->app);
	c->tc_url = span_str(desc->tc_url);
	c->name = span_str(desc->name);
	c->via = span_str(desc->via ? desc->via : "");
	for (size_t i = 0; i < WEIR_ARRAY_LEN(texts); i++)
		if (texts[i]->len > TEXT_BYTES_MAX)
			return WEIR_ELIMIT;
	return rtmp_keep_texts(&c->text, texts, WEIR_ARRAY_LEN(texts));
}

int rtmp_client_new(struct rtmp_client **out,
		    const struct rtmp_client_desc *desc,
		    const struct rtmp_client_events *events, uint64_t seed,
		    uint32_t time_ms)
{
	struct rtmp_client *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return WEIR_ENOMEM;
	c->events = *events;
	c->is_publish = desc->is_publish;
	c->form = desc->handshake;
	c->seed = seed;
	c->time_ms = time_ms;
	c->link.on_send = events->on_send;
	c->link.send_ctx = events->ctx;
	c->link.on_message = on_message;
	c->link.ctx = c;
	err = rtmp_link_init(&c->link, &rtmp_limits_media);
	if (!err)
		err = keep_texts(c, desc);
	if (err)
		rtmp_client_free(&c);
	else
		*out = c;
	return err;
}

void rtmp_client_free(struct rtmp_client **out)
{
	struct rtmp_client *c = *out;

	if (!c)
		return;
	rtmp_link_fini(&c->link);
	buf_fini(&c->text);
	buf_fini(&c->cluster);
	free(c);
	*out = NULL;
}

int rtmp_client_start(struct rtmp_client *c)
{
	int err;

	BUG_ON(c->phase != PHASE_NEW);
	err = rtmp_handshake_new_client(&c->link.handshake, &c->link.out,
					c->form, c->seed, c->time_ms);
	if (err)
		return rtmp_link_fail(&c->link, err, "out of memory");
	c->phase = PHASE_CONNECTS;
	return rtmp_link_flush(&c->link);
}

int rtmp_client_feed(struct rtmp_client *c, struct span in, size_t *used)
{
	size_t shaken = 0;
	int err;

	*used = 0;
	BUG_ON(c->phase == PHASE_NEW);
	if (c->link.handshake) {
		err = rtmp_link_shake(&c->link, in, &shaken);
		if (!err && !c->link.handshake)
			put_connect(c);
		if (err)
			return err;
	}
	err = rtmp_link_feed(&c->link, span_from(in, shaken), used);
	*used += shaken;
	return err;
}

struct span rtmp_client_cluster(const struct rtmp_client *c)
{
	return buf_span(&c->cluster);
}

const char *rtmp_client_fault(const struct rtmp_client *c)
{
	return c->link.fault;
}

int rtmp_client_write_media(struct rtmp_client *c, const struct rtmp_media *m)
{
	struct buf p = {0};

	if (!c->is_publish || c->phase != PHASE_RUNS)
		return WEIR_EINVAL;
	if (m->payload.len > RTMP_MESSAGE_BYTES_MAX)
		return WEIR_ELIMIT;
	if (m->type != RTMP_DATA) {
		rtmp_link_put(&c->link, m->type, m->timestamp_ms, c->stream_id,
			      m->payload);
		return rtmp_link_flush(&c->link);
	}
	amf0_put_text(&p, "@setDataFrame");
	buf_put(&p, m->payload);
	if (!c->link.out.err)
		c->link.out.err = buf_error(&p);
	rtmp_link_put(&c->link, m->type, m->timestamp_ms, c->stream_id,
		      buf_span(&p));
	buf_fini(&p);
	return rtmp_link_flush(&c->link);
}

int rtmp_client_stop(struct rtmp_client *c)
{
	struct buf p = {0};

	if (c->phase != PHASE_ASKS && c->phase != PHASE_RUNS)
		return 0;
	c->phase = PHASE_LEAVES;
	if (c->is_publish)
		put_named(c, "FCUnpublish", DO_FCUNPUBLISH);
	rtmp_command_begin(&p, "deleteStream", DO_DELETE);
	amf0_put_null(&p);
	amf0_put_number(&p, c->stream_id);
	put_command(c, 0, &p);
	return rtmp_link_flush(&c->link);
}
