/* common/svc/admin.c - health, metrics and version of the process. */
#include <stdio.h>
#include <stdlib.h>

#include "common/conf/json.h"
#include "common/io/usage.h"
#include "common/svc/svc_priv.h"

/* ---- counters ---- */

static void refresh(void *ctx)
{
	struct svc *svc = ctx;
	struct logger_stats log;

	logger_stats(svc->log, &log);
	svc->values.is_ready = svc->is_ready;
	svc->values.busy_permille = loop_busy_permille(svc->loop);
	svc->values.resident_bytes = io_resident_bytes();
	svc->values.cpu_us = io_cpu_us();
	svc->values.start_ms = (uint64_t)svc->started_utc_us / 1000;
	svc->values.log_dropped = log.dropped_count;
	svc->values.log_suppressed = log.suppressed_count;
}

static int show_counters(struct svc *svc)
{
	const char *const info[] = {svc->desc->role, svc->node_id,
				    svc_version(), svc_commit()};
	int err = stat_add(svc->stats, &svc_stat, &svc->series, &svc->values,
			   NULL);

	if (!err)
		err = stat_add(svc->stats, &svc_info_stat, &svc->info_series,
			       &svc->values, info);
	if (!err)
		stat_refresh_add(svc->stats, &svc->refresh, refresh, svc);
	return err;
}

/* ---- answers ---- */

static void answer_health(void *ctx, struct http_request *req)
{
	(void)ctx; /* the loop runs, or nobody would be here */
	http_answer_text(req, 200, "ok\n");
}

static void answer_ready(void *ctx, struct http_request *req)
{
	const struct svc *svc = ctx;
	char text[SVC_REASON_BYTES + 16];

	if (svc->is_ready) {
		http_answer_text(req, 200, "ready\n");
		return;
	}
	snprintf(text, sizeof(text), "not ready: %s\n", svc->reason);
	http_answer_text(req, 503, text);
}

static void answer_metrics(void *ctx, struct http_request *req)
{
	struct svc *svc = ctx;
	struct buf out = {0};
	struct http_answer a = {.status = 200,
				.content_type = STAT_CONTENT_TYPE};

	stat_print(svc->stats, &out);
	a.body = buf_span(&out);
	if (buf_error(&out))
		http_answer_error(req, 503, "out of memory");
	else
		http_answer(req, &a);
	buf_fini(&out);
}

void svc_put_addresses(const struct svc *svc, struct buf *out)
{
	buf_put_u8(out, '{');
	for (size_t i = 0; i < svc->address_count; i++) {
		buf_printf(out, "%s", i ? "," : "");
		json_put_string(out, span_str(svc->address[i].name));
		buf_put_u8(out, ':');
		json_put_string(out, span_str(svc->address[i].addr));
	}
	buf_put_u8(out, '}');
}

static void answer_version(void *ctx, struct http_request *req)
{
	const struct svc *svc = ctx;
	char instance[UUID_TEXT_SIZE];
	char started[IO_UTC_TEXT_SIZE];
	struct buf out = {0};

	buf_printf(&out,
		   "{\"role\":\"%s\",\"id\":\"%s\",\"version\":\"%s\","
		   "\"commit\":\"%s\",\"instance\":\"%s\",\"started\":\"%s\","
		   "\"pid\":%d,\"addresses\":",
		   svc->desc->role, svc->node_id, svc_version(), svc_commit(),
		   uuid_text(instance, &svc->instance),
		   io_utc_text(started, svc->started_utc_us), (int)getpid());
	svc_put_addresses(svc, &out);
	buf_printf(&out, "}\n");
	if (buf_error(&out))
		http_answer_error(req, 503, "out of memory");
	else
		http_answer_json(req, 200, buf_span(&out));
	buf_fini(&out);
}

/* ---- opening ---- */

static int listen_admin(struct svc *svc)
{
	const struct svc_admin_settings *s =
		conf_get(svc->conf, &svc_admin_conf);
	char text[NET_ADDR_TEXT_SIZE];
	struct net_addr addr;
	int fd;
	int err = svc_listen(svc, &fd, "admin", s->listen);

	if (err == WEIR_ENOENT)
		return 0; /* "" is none */
	if (err)
		return err;
	err = http_server_listen(svc->admin, fd, &addr);
	if (err)
		return err;
	return svc_add_address(svc, "admin", net_addr_text(text, &addr));
}

static const struct http_route *make_routes(struct svc *svc)
{
	const struct http_route routes[] = {
		{"GET", "/healthz", HTTP_OPEN, answer_health, svc},
		{"GET", "/readyz", HTTP_OPEN, answer_ready, svc},
		{"GET", "/metrics", HTTP_OPEN, answer_metrics, svc},
		{"GET", "/version", HTTP_OPEN, answer_version, svc},
	};

	_Static_assert(sizeof(routes) == sizeof(svc->routes),
		       "as many routes as there is room for");
	memcpy(svc->routes, routes, sizeof(routes));
	return svc->routes;
}

int svc_open_admin(struct svc *svc)
{
	int err = show_counters(svc);

	if (!err)
		err = http_server_new(&svc->admin, svc->loop, NULL);
	if (!err)
		err = http_server_route(svc->admin, make_routes(svc),
					WEIR_ARRAY_LEN(svc->routes));
	if (!err)
		err = listen_admin(svc);
	return err;
}
