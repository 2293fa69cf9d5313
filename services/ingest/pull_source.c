/* services/ingest/pull_source.c - one connection to a server that a stream is
 * pulled from.
 */
#include "services/ingest/pull_source.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/io/net.h"
#include "common/media/via.h"
#include "proto/flv/flv.h"
#include "remote/rtmp.h"

#define CONNECT_MS    10000
#define REDIRECTS_MAX 5
#define WORDS_SIZE    192

struct pull_source {
	const struct pull_source_events *events;
	void *ctx;
	struct remote_rtmp *rtmp; /* one of the two */
	struct http_call *http;
	struct flv_reader *flv;
	uint64_t in_bytes;
	int err; /* of on_tag */
	bool has_answer;
	char addr[NET_ADDR_TEXT_SIZE];
	char cluster[VIA_SIZE];
	char words[WORDS_SIZE];
};

const char *pull_source_protocol(const char *url)
{
	if (!strncmp(url, "rtmp://", 7) || !strncmp(url, "rtmps://", 8))
		return "RTMP";
	if (!strncmp(url, "http://", 7) || !strncmp(url, "https://", 8))
		return "FLV";
	return NULL;
}

static int give(struct pull_source *s, uint8_t type, uint32_t timestamp_ms,
		struct span body)
{
	s->err = s->events->on_tag(s->ctx, type, timestamp_ms, body);
	return s->err;
}

static void end(struct pull_source *s, enum reason why)
{
	s->events->on_end(s->ctx, s->err ? REASON_none : why, s->err, s->words);
}

/* ---- RTMP ---- */

static void on_rtmp_ready(void *ctx)
{
	struct pull_source *s = ctx;

	s->has_answer = true;
}

static void on_rtmp_media(void *ctx, const struct rtmp_media *m)
{
	struct pull_source *s = ctx;

	if (!s->err && give(s, m->type, m->timestamp_ms, m->payload))
		remote_rtmp_stop(s->rtmp);
}

static void on_rtmp_end(void *ctx, enum remote_end how)
{
	struct pull_source *s = ctx;

	snprintf(s->words, sizeof(s->words), "%s", remote_rtmp_words(s->rtmp));
	switch (how) {
	case REMOTE_EOF:
		end(s, REASON_peer_end);
		break;
	case REMOTE_REFUSED:
		end(s, s->has_answer ? REASON_peer_end : REASON_not_found);
		break;
	default:
		end(s, s->has_answer ? REASON_peer_left : REASON_remote_lost);
		break;
	}
}

static int open_rtmp(struct pull_source *s, const struct pull_tools *tools,
		     const char *url, const char *via)
{
	static const struct remote_rtmp_events events = {
		.on_ready = on_rtmp_ready,
		.on_media = on_rtmp_media,
		.on_end = on_rtmp_end,
	};
	const struct remote_rtmp_options options = {
		.url = url,
		.trust = tools->trust,
		.via = via,
		.connect_ms = CONNECT_MS,
	};

	return remote_rtmp_new(&s->rtmp, tools->loop, &options, &events, s);
}

/* ---- FLV by HTTP ---- */

static int on_flv_tag(void *ctx, const struct flv_tag *tag)
{
	return give(ctx, tag->type, tag->timestamp_ms, tag->body);
}

static void note_answer(struct pull_source *s)
{
	struct span id;

	s->has_answer = true;
	snprintf(s->addr, sizeof(s->addr), "%s", http_call_addr(s->http));
	if (http_call_field(s->http, VIA_HEADER, &id))
		snprintf(s->cluster, sizeof(s->cluster), "%.*s", (int)id.len,
			 (const char *)id.data);
}

static int on_http_piece(void *ctx, struct span piece)
{
	struct pull_source *s = ctx;
	int err;

	if (!s->has_answer)
		note_answer(s);
	s->in_bytes += piece.len;
	err = flv_reader_feed(s->flv, piece);
	if (err && !s->err)
		snprintf(s->words, sizeof(s->words), "what came is no FLV");
	return err;
}

static void on_http_done(struct pull_source *s, int err, unsigned status,
			 struct span body)
{
	(void)body;
	if (status && status != 200)
		snprintf(s->words, sizeof(s->words), "HTTP %u", status);
	else if (err && !s->words[0])
		snprintf(s->words, sizeof(s->words), "%.150s",
			 http_call_words(s->http));
	s->http = NULL;
	if (s->has_answer)
		end(s, err ? REASON_peer_left : REASON_peer_end);
	else
		end(s, status == 404 ? REASON_not_found : REASON_remote_lost);
}

static int open_http(struct pull_source *s, const struct pull_tools *tools,
		     const char *url, const char *via)
{
	static const struct flv_events events = {.on_tag = on_flv_tag};
	const struct http_question q = {
		.url = url,
		.connect_ms = CONNECT_MS,
		.redirects_max = REDIRECTS_MAX,
		.ca_file = tools->ca_file,
		.field_name = VIA_HEADER,
		.field_value = via,
		.on_piece = on_http_piece,
	};
	int err = flv_reader_new(&s->flv, NULL, &events, s);

	if (!err)
		err = http_client_ask(tools->http, &s->http, &q, on_http_done,
				      s);
	return err;
}

/* ---- life ---- */

int pull_source_new(struct pull_source **out, const struct pull_tools *tools,
		    const char *url, const char *via,
		    const struct pull_source_events *events, void *ctx)
{
	const char *protocol = pull_source_protocol(url);
	struct pull_source *s;
	int err;

	if (!protocol)
		return WEIR_EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return WEIR_ENOMEM;
	s->events = events;
	s->ctx = ctx;
	err = !strcmp(protocol, "RTMP") ? open_rtmp(s, tools, url, via)
					: open_http(s, tools, url, via);
	if (err)
		pull_source_free(&s);
	else
		*out = s;
	return err;
}

void pull_source_free(struct pull_source **ps)
{
	struct pull_source *s = *ps;

	if (!s)
		return;
	*ps = NULL;
	remote_rtmp_free(&s->rtmp);
	http_client_cancel(&s->http);
	flv_reader_free(&s->flv);
	free(s);
}

const char *pull_source_addr(const struct pull_source *s)
{
	return s->rtmp ? remote_rtmp_addr_text(s->rtmp) : s->addr;
}

struct span pull_source_cluster(const struct pull_source *s)
{
	return s->rtmp ? remote_rtmp_cluster(s->rtmp) : span_str(s->cluster);
}

uint64_t pull_source_in_bytes(const struct pull_source *s)
{
	return s->rtmp ? remote_rtmp_in_bytes(s->rtmp) : s->in_bytes;
}
