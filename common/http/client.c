/* common/http/client.c - libcurl's multi interface on our loop. */
#include "common/http/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/io/net.h"

#define CALLS_MAX      64
#define BODY_BYTES_MAX (16u << 20)
#define TIMEOUT_MS     5000

struct http_client {
	struct loop *loop;
	CURLM *multi;
	struct timer *timer;
	struct list calls;
	unsigned calls_count;
	struct http_client_options options;
};

struct http_call {
	struct list link;
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	struct buf body;
	http_piece_fn *on_piece; /* NULL: the body is kept */
	int piece_err;           /* what that returned */
	http_done_fn *done;
	void *ctx;
	char addr[NET_ADDR_TEXT_SIZE];
	char words[CURL_ERROR_SIZE];
};

/* A socket of libcurl's that we watch. */
struct curl_socket {
	struct http_client *client;
	struct loop_watch *watch;
	curl_socket_t fd;
};

static void free_call(struct http_call *call)
{
	list_remove(&call->link);
	call->client->calls_count--;
	curl_multi_remove_handle(call->client->multi, call->easy);
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	buf_fini(&call->body);
	free(call);
}

/* ---- the end of a call ---- */

static int reason(const struct http_call *call, CURLcode code)
{
	if (buf_error(&call->body))
		return buf_error(&call->body);
	if (call->piece_err)
		return call->piece_err;
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return WEIR_ETIMEOUT;
	case CURLE_OUT_OF_MEMORY:
		return WEIR_ENOMEM;
	default:
		return WEIR_ECLOSED;
	}
}

static void finish(struct http_call *call, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	call->done(call->ctx, reason(call, code), (unsigned)status,
		   buf_span(&call->body));
	free_call(call);
}

static void finish_done(struct http_client *c)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(c->multi, &left))) {
		struct http_call *call = NULL;

		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
		if (msg->msg == CURLMSG_DONE && call)
			finish(call, msg->data.result);
	}
}

/* ---- what libcurl waits for ---- */

static void on_socket(struct curl_socket *s, unsigned events)
{
	struct http_client *c = s->client;
	int action = 0;
	int running;

	if (events & LOOP_READABLE)
		action |= CURL_CSELECT_IN;
	if (events & LOOP_WRITABLE)
		action |= CURL_CSELECT_OUT;
	if (events & LOOP_ERROR)
		action |= CURL_CSELECT_ERR;
	curl_multi_socket_action(c->multi, s->fd, action, &running);
	finish_done(c);
}

static void forget_socket(struct http_client *c, struct curl_socket *s)
{
	if (!s)
		return;
	curl_multi_assign(c->multi, s->fd, NULL);
	loop_remove(&s->watch);
	free(s);
}

static struct curl_socket *new_socket(struct http_client *c, curl_socket_t fd)
{
	struct curl_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->client = c;
	s->fd = fd;
	if (loop_add(&s->watch, c->loop, fd, 0, on_socket, s)) {
		free(s);
		return NULL;
	}
	curl_multi_assign(c->multi, fd, s);
	return s;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx,
			void *socket)
{
	struct curl_socket *s = socket;
	unsigned events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		forget_socket(ctx, s);
		return 0;
	}
	if (!s)
		s = new_socket(ctx, fd);
	if (!s)
		return -1; /* the call ends with an error */
	if (what & CURL_POLL_IN)
		events |= LOOP_READABLE;
	if (what & CURL_POLL_OUT)
		events |= LOOP_WRITABLE;
	loop_change(s->watch, events);
	return 0;
}

static void on_timer(struct http_client *c)
{
	int running;

	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_done(c);
}

static int set_timer(CURLM *multi, long after_ms, void *ctx)
{
	struct http_client *c = ctx;

	(void)multi;
	if (after_ms < 0)
		timer_stop(c->timer);
	else
		timer_start(c->timer, (uint64_t)after_ms);
	return 0;
}

/* ---- making ---- */

static int set_up(struct http_client *c)
{
	int err = timer_new(&c->timer, c->loop, on_timer, c);

	if (err)
		return err;
	c->multi = curl_multi_init();
	if (!c->multi)
		return WEIR_ENOMEM;
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	return 0;
}

int http_client_new(struct http_client **out, struct loop *loop,
		    const struct http_client_options *options)
{
	struct http_client *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return WEIR_ENOMEM;
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(c);
		return WEIR_ENOMEM;
	}
	c->loop = loop;
	list_init(&c->calls);
	if (options)
		c->options = *options;
	if (!c->options.calls_max)
		c->options.calls_max = CALLS_MAX;
	if (!c->options.body_bytes_max)
		c->options.body_bytes_max = BODY_BYTES_MAX;
	err = set_up(c);
	if (err) {
		http_client_free(&c);
		return err;
	}
	*out = c;
	return 0;
}

void http_client_free(struct http_client **p)
{
	struct http_client *c = *p;

	if (!c)
		return;
	*p = NULL;
	list_each_safe (it, &c->calls)
		free_call(list_entry(it, struct http_call, link));
	if (c->multi)
		curl_multi_cleanup(c->multi);
	timer_free(&c->timer);
	free(c);
	curl_global_cleanup();
}

/* ---- asking ---- */

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
	struct http_call *call = ctx;
	long status = 0;

	if (!call->on_piece) {
		buf_put(&call->body, span_of(data, one * len));
		return buf_error(&call->body) ? 0 : one * len;
	}
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		call->piece_err =
			call->on_piece(call->ctx, span_of(data, one * len));
	return call->piece_err ? 0 : one * len;
}

static bool is_url(const char *url)
{
	CURLU *u = curl_url();
	bool is_good = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK;

	curl_url_cleanup(u);
	return is_good &&
	       (!strncmp(url, "http://", 7) || !strncmp(url, "https://", 8));
}

/* What stands in `ref` unencoded, as some servers list it, is encoded. */
static int join(char **out, CURLU *u, const char *base, const char *ref)
{
	if (curl_url_set(u, CURLUPART_URL, base, 0) ||
	    curl_url_set(u, CURLUPART_URL, ref, CURLU_URLENCODE) ||
	    curl_url_get(u, CURLUPART_URL, out, 0))
		return WEIR_EINVAL;
	return is_url(*out) ? 0 : WEIR_EINVAL;
}

int http_url_join(struct buf *out, const char *base, struct span ref)
{
	struct buf text = {0};
	CURLU *u = curl_url();
	char *joined = NULL;
	int err = u ? 0 : WEIR_ENOMEM;

	buf_put(&text, ref);
	(void)buf_text(&text);
	if (!err)
		err = buf_error(&text);
	if (!err && ref.len && memchr(ref.data, 0, ref.len))
		err = WEIR_EINVAL;
	if (!err)
		err = join(&joined, u, base, buf_text(&text));
	if (!err) {
		buf_put(out, span_str(joined));
		err = buf_error(out);
	}
	curl_free(joined);
	curl_url_cleanup(u);
	buf_fini(&text);
	return err;
}

static bool add_header(struct http_call *call, const char *name,
		       const char *value)
{
	struct buf line = {0};
	struct curl_slist *more = NULL;

	buf_printf(&line, "%s: %s", name, value);
	(void)buf_text(&line);
	if (!buf_error(&line))
		more = curl_slist_append(call->headers, buf_text(&line));
	buf_fini(&line);
	if (more)
		call->headers = more;
	return more != NULL;
}

static bool set_headers(struct http_call *call, const struct http_question *q)
{
	struct buf bearer = {0};
	bool is_good = true;

	if (q->token) {
		buf_printf(&bearer, "Bearer %s", q->token);
		(void)buf_text(&bearer);
		is_good = !buf_error(&bearer) &&
			  add_header(call, "Authorization", buf_text(&bearer));
		buf_fini(&bearer);
	}
	if (q->body.len > 0)
		is_good = is_good &&
			  add_header(call, "Content-Type",
				     q->content_type ? q->content_type
						     : "application/json");
	/* Nobody of ours waits for "100 Continue". */
	if (q->field_name)
		is_good = is_good &&
			  add_header(call, q->field_name, q->field_value);
	return is_good && add_header(call, "Expect", "");
}

static bool set_body(CURL *easy, const struct http_question *q)
{
	CURLcode code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
					 (curl_off_t)q->body.len);

	return !code && !curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS,
					  (const char *)q->body.data);
}

/* Where it may be sent to, and whom it believes. */
static bool set_bounds(CURL *e, const struct http_question *q)
{
	bool is_tls = !strncmp(q->url, "https://", 8);
	CURLcode code =
		curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");

	if (!code)
		code = curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR,
					is_tls ? "https" : "http,https");
	if (!code && q->ca_file)
		code = curl_easy_setopt(e, CURLOPT_CAINFO, q->ca_file);
	/* Our own nodes are not behind the proxy of some environment. */
	if (!code)
		code = curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, q->redirects_max ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)q->redirects_max);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	return !code;
}

static bool set_question(struct http_call *call, const struct http_question *q)
{
	CURL *e = call->easy;
	long timeout_ms =
		q->timeout_ms || q->on_piece ? (long)q->timeout_ms : TIMEOUT_MS;
	CURLcode code = curl_easy_setopt(e, CURLOPT_URL, q->url);

	if (!code && q->method)
		code = curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
	if (code || !set_bounds(e, q) || (q->body.len > 0 && !set_body(e, q)) ||
	    !set_headers(call, q))
		return false;
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)q->connect_ms);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->words);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(e, CURLOPT_PRIVATE, call);
	return true;
}

int http_client_call(struct http_client *c, struct http_call **out,
		     const struct http_question *q, http_done_fn *done,
		     void *ctx)
{
	struct http_call *call;

	if (!is_url(q->url))
		return WEIR_EINVAL;
	if (c->calls_count >= c->options.calls_max)
		return WEIR_ELIMIT;
	call = calloc(1, sizeof(*call));
	if (!call)
		return WEIR_ENOMEM;
	call->client = c;
	call->done = done;
	call->ctx = ctx;
	call->on_piece = q->on_piece;
	call->body.limit_bytes = c->options.body_bytes_max;
	call->easy = curl_easy_init();
	list_init(&call->link);
	list_append(&c->calls, &call->link);
	c->calls_count++;
	if (!call->easy || !set_question(call, q) ||
	    curl_multi_add_handle(c->multi, call->easy)) {
		free_call(call);
		return WEIR_ENOMEM;
	}
	if (out)
		*out = call;
	return 0;
}

bool http_call_field(const struct http_call *call, const char *name,
		     struct span *out)
{
	struct curl_header *h;

	if (curl_easy_header(call->easy, name, 0, CURLH_HEADER, -1, &h))
		return false;
	*out = span_str(h->value);
	return true;
}

const char *http_call_addr(struct http_call *call)
{
	char *ip = NULL;
	long port = 0;

	curl_easy_getinfo(call->easy, CURLINFO_PRIMARY_IP, &ip);
	curl_easy_getinfo(call->easy, CURLINFO_PRIMARY_PORT, &port);
	if (!ip || !*ip)
		return "";
	snprintf(call->addr, sizeof(call->addr),
		 strchr(ip, ':') ? "[%s]:%ld" : "%s:%ld", ip, port);
	return call->addr;
}

const char *http_call_words(const struct http_call *call)
{
	return call->words;
}

void http_client_cancel(struct http_call **p)
{
	struct http_call *call = *p;

	if (!call)
		return;
	*p = NULL;
	free_call(call);
}
