/* services/ingest/handed.c - publishers that edges of this machine hand over. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/rtmp/server.h"
#include "services/ingest/internal.h"

const struct log_event ingest_peer_handed = {
	"peer.handed", LOG_INFO, "stream peer proto from",
	"An edge handed a publisher over; what becomes of it is told as if it "
	"had come by itself."};
const struct log_event ingest_handover_fault = {
	"handover.fault", LOG_WARN, "what why",
	"Another process of this machine handed over what does not fit; it was "
	"closed. Or the socket for it could not be opened."};

struct handed {
	struct ingest *in;
	struct handover_door *door;
};

/* Another ingest ends, and this one publishes. */
static bool is_live(const struct handover_offer *o)
{
	return !strcmp(o->work, INGEST_WORK_LIVE);
}

static enum reason on_offer(void *ctx, const struct handover_offer *o,
			    char detail[HANDOVER_DETAIL_SIZE])
{
	const struct handed *h = ctx;
	const struct ingest *in = h->in;

	if (strcmp(o->to, svc_node_id(in->svc)) != 0) {
		snprintf(detail, HANDOVER_DETAIL_SIZE, "this is %.40s",
			 svc_node_id(in->svc));
		return REASON_not_found;
	}
	if (strcmp(o->protocol, RTMP_SERVER_SAVED) != 0 ||
	    !(is_live(o) || (!strcmp(o->work, "publish") && !o->hops)))
		return REASON_unsupported;
	if (in->is_draining)
		return REASON_draining;
	if (in->stats.publishers >= (uint64_t)in->settings->publishers_max) {
		snprintf(detail, HANDOVER_DETAIL_SIZE, "too many publishers");
		return REASON_no_resources;
	}
	return REASON_none;
}

static void take_live(struct ingest *in, const struct handover_offer *o, int fd,
		      const struct handover_goods *goods)
{
	struct stream_key key = {0};

	snprintf(key.text, sizeof(key.text), "%s", o->stream);
	rtmp_door_take_live(in->rtmp, fd, goods, &key);
}

static void on_given(void *ctx, const struct handover_offer *o, int fd,
		     const struct handover_goods *goods)
{
	struct handed *h = ctx;
	struct ingest *in = h->in;
	const bool live = is_live(o);

	in->stats.handed++;
	logger_event(in->log, &ingest_peer_handed, kv_str("stream", o->stream),
		     kv_str("peer", o->peer), kv_str("proto", "RTMP"),
		     kv_str("from", o->from));
	if (live)
		take_live(in, o, fd, goods);
	else
		rtmp_door_take_over(in->rtmp, fd, goods);
	member_wake(in->member);
}

static void on_fault(void *ctx, int err, const char *what)
{
	struct handed *h = ctx;

	h->in->stats.handed_faults++;
	logger_event(h->in->log, &ingest_handover_fault, kv_str("what", what),
		     kv_err("why", err));
}

static const struct handover_door_ops ops = {
	.on_offer = on_offer,
	.on_given = on_given,
	.on_fault = on_fault,
};

/* Absolute, because others open it too. */
static int socket_path(char out[PATH_MAX], const struct ingest *in)
{
	char folder[PATH_MAX];
	int len;

	if (!realpath(in->rules->run_dir, folder))
		return -errno;
	len = snprintf(out, PATH_MAX, "%s/%s.handover", folder,
		       svc_node_id(in->svc));
	return len < 0 || len >= PATH_MAX ? WEIR_EINVAL : 0;
}

static int open_door(struct handed *h)
{
	char path[PATH_MAX] = "";
	int err = socket_path(path, h->in);

	if (!err)
		err = handover_door_new(&h->door, h->in->loop, path, NULL, &ops,
					h);
	if (!err)
		err = member_set_handover(h->in->member, path);
	if (err)
		logger_event(
			h->in->log, &ingest_handover_fault,
			kv_str("what", *path ? path : h->in->rules->run_dir),
			kv_err("why", err));
	return err;
}

int handed_new(struct handed **out, struct ingest *in)
{
	struct handed *h;
	int err;

	if (!*in->rules->run_dir)
		return 0;
	h = calloc(1, sizeof(*h));
	if (!h)
		return WEIR_ENOMEM;
	h->in = in;
	err = open_door(h);
	if (err)
		handed_free(&h);
	else
		*out = h;
	return err;
}

void handed_free(struct handed **ph)
{
	struct handed *h = *ph;

	if (!h)
		return;
	*ph = NULL;
	handover_door_free(&h->door);
	free(h);
}
