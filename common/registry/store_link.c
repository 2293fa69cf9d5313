/* common/registry/store_link.c - the way to the server: Sentinels, greeting,
 * subscription, loss and the next try.
 *
 * WAITING → (ASKING →) GREETING → SUBSCRIBING → REGISTERING → UP, and from each
 * of them back to WAITING.
 */
#include <stdio.h>

#include "common/registry/store_priv.h"

#include "common/io/clock.h"

#define BACKOFF_MIN_MS   50
#define BACKOFF_MAX_MS   1000
#define TRY_MS           2000 /* from dialing to the lease */
#define CONNECT_MS       1000
#define OWN_COMMANDS_MAX 2048 /* readings and leases, beside calls */
#define REPLY_BYTES_MAX  ((size_t)16 << 20)

bool store_is_error(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR;
}

bool store_is_up(const struct store *st)
{
	return st->state == STORE_UP;
}

/* ---- loss ---- */

static void back_off(struct store *st)
{
	uint8_t die;

	io_random(&die, sizeof(die));
	timer_start(st->retry,
		    st->backoff_ms + st->backoff_ms * die / (4 * 256));
	st->backoff_ms = WEIR_MIN(st->backoff_ms * 2, BACKOFF_MAX_MS);
}

/* Everything ends; callbacks only at the end, when all is in order again. */
static void end_link(struct store *st)
{
	bool was_up = store_is_up(st);

	st->state = STORE_WAITING;
	st->is_read = false;
	st->stats.late += st->command ? redis_late(st->command) : 0;
	redis_free(&st->command);
	redis_free(&st->subscription);
	store_lease_lost(st);
	store_read_lost(st);
	store_call_lost(st);
	store_rules_lost(st);
	if (!st->is_leaving)
		back_off(st);
	if (was_up)
		st->stats.losses++;
	if (was_up && st->events.on_down)
		st->events.on_down(st->ctx);
}

static const char *server_name(const struct store *st)
{
	return st->server.host[0] ? st->server.host : st->where.host[0].host;
}

void store_link_lost(struct store *st, const char *what, int why)
{
	if (!st->is_away_said)
		logger_event(st->lg, &store_unreachable,
			     kv_str("server", server_name(st)),
			     kv_uint("port", st->server.port),
			     kv_str("what", what), kv_err("why", why));
	st->is_away_said = true;
	end_link(st);
}

void store_link_refused(struct store *st, const char *what,
			const redisReply *reply)
{
	if (!st->is_away_said)
		logger_event(st->lg, &store_refused,
			     kv_str("server", server_name(st)),
			     kv_uint("port", st->server.port),
			     kv_str("what", what),
			     kv_span("why",
				     span_of(reply->str, (size_t)reply->len)));
	st->is_away_said = true;
	st->backoff_ms = BACKOFF_MAX_MS;
	end_link(st);
}

void store_link_check(struct store *st)
{
	uint64_t most_ms = WEIR_MAX(2 * st->registry_ms, 2 * st->lease_ms);
	struct redis_command ping = {0};
	bool is_overdue;

	if (!store_is_up(st))
		return;
	is_overdue = redis_waiting_ms(st->command) > most_ms ||
		     redis_silent_ms(st->subscription) > most_ms + st->lease_ms;
	/* Twice: if it was we who stood still, answers lie in the sockets, and
	 * they are read between two looks. */
	if (is_overdue && st->was_overdue) {
		store_link_lost(st, "silent", WEIR_ETIMEOUT);
		return;
	}
	st->was_overdue = is_overdue;
	redis_add_str(&ping, "PING");
	if (redis_send_push(st->subscription, &ping))
		store_link_lost(st, "subscription", WEIR_ECLOSED);
}

/* ---- the subscription, and then the lease ---- */

void store_link_registered(struct store *st)
{
	bool is_other =
		st->run_id[0] && strcmp(st->run_id, st->new_run_id) != 0;

	timer_stop(st->retry);
	memcpy(st->run_id, st->new_run_id, sizeof(st->run_id));
	st->state = STORE_UP;
	st->backoff_ms = BACKOFF_MIN_MS;
	st->connected_ms = loop_now_ms(st->loop);
	st->was_overdue = st->is_away_said = false;
	st->stats.connects++;
	store_read_start(st);
	store_rules_check(st);
	if (store_is_up(st) && st->events.on_up)
		st->events.on_up(st->ctx, is_other);
}

static bool is_word(const redisReply *array, size_t i, const char *word)
{
	const redisReply *e = i < array->elements ? array->element[i] : NULL;

	return e && e->type == REDIS_REPLY_STRING && !strcmp(e->str, word);
}

static void on_message(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;

	if (store_is_error(reply) && st->state == STORE_SUBSCRIBING) {
		store_link_refused(st, "subscribe", reply);
		return;
	}
	if (reply->type != REDIS_REPLY_ARRAY)
		return; /* what AUTH said */
	if (is_word(reply, 0, "subscribe") && st->state == STORE_SUBSCRIBING) {
		st->state = STORE_REGISTERING;
		store_lease_register(st);
	} else if (is_word(reply, 0, "message") && reply->elements == 3 &&
		   reply->element[2]->type == REDIS_REPLY_STRING) {
		store_read_change(st, span_of(reply->element[2]->str,
					      (size_t)reply->element[2]->len));
	}
}

/* AUTH, if there is a password. */
static void add_auth(const struct store *st, struct redis_command *c)
{
	redis_add_str(c, "AUTH");
	if (st->user)
		redis_add_str(c, st->user);
	redis_add_str(c, st->password);
}

static void on_subscription_open(void *ctx)
{
	struct store *st = ctx;
	struct redis_command auth = {0}, subscribe = {0};
	char channel[sizeof(st->root) + sizeof(REGISTRY_CHANGES)];
	int err = 0;

	snprintf(channel, sizeof(channel), "%s%s", st->root, REGISTRY_CHANGES);
	redis_add_str(&subscribe, "SUBSCRIBE");
	redis_add_str(&subscribe, channel);
	if (st->password) {
		add_auth(st, &auth);
		err = redis_send_push(st->subscription, &auth);
	}
	if (!err)
		err = redis_send_push(st->subscription, &subscribe);
	if (err)
		store_link_lost(st, "subscribe", err);
}

static void on_lost(void *ctx, int reason)
{
	store_link_lost(ctx, "connection", reason);
}

static int dial(struct store *st, struct redis **out,
		const struct where_host *host,
		const struct redis_events *events)
{
	const struct redis_options options = {
		.host = host->host,
		.port = host->port,
		.connect_ms = CONNECT_MS,
		.pending_max = st->pending_max + OWN_COMMANDS_MAX,
		.reply_bytes = REPLY_BYTES_MAX,
	};

	return redis_new(out, st->loop, &options, events, st);
}

static void subscribe(struct store *st)
{
	static const struct redis_events events = {on_subscription_open,
						   on_message, on_lost};
	int err;

	st->state = STORE_SUBSCRIBING;
	err = dial(st, &st->subscription, &st->server, &events);
	if (err)
		store_link_lost(st, "dial", err);
}

/* ---- greeting: pipelined, each answer in its turn ---- */

static void on_accepted(void *ctx, const redisReply *reply)
{
	if (store_is_error(reply))
		store_link_refused(ctx, "greeting", reply);
}

static void on_info(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;
	const char *at = NULL;
	size_t len;

	if (store_is_error(reply)) {
		store_link_refused(st, "INFO", reply);
		return;
	}
	if (reply->type == REDIS_REPLY_STRING)
		at = strstr(reply->str, "run_id:");
	if (!at) {
		store_link_lost(st, "INFO", WEIR_EPROTO);
		return;
	}
	at += strlen("run_id:");
	len = strcspn(at, "\r\n");
	len = WEIR_MIN(len, sizeof(st->new_run_id) - 1);
	memcpy(st->new_run_id, at, len);
	st->new_run_id[len] = '\0';
}

/* A replica would take no claim; the Sentinels will name the new master. */
static void on_role(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;

	if (store_is_error(reply))
		store_link_refused(st, "ROLE", reply);
	else if (reply->type != REDIS_REPLY_ARRAY ||
		 !is_word(reply, 0, "master"))
		store_link_lost(st, "not the master", WEIR_ESTALE);
}

static void on_sha(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;
	struct store_script *s = &st->script[st->next_sha++];

	if (store_is_error(reply)) {
		store_link_refused(st, "SCRIPT LOAD", reply);
		return;
	}
	s->sha[0] = '\0'; /* then EVAL is used */
	if (reply->type == REDIS_REPLY_STRING &&
	    (size_t)reply->len < sizeof(s->sha))
		memcpy(s->sha, reply->str, (size_t)reply->len + 1);
	if (st->next_sha == SCRIPTS)
		subscribe(st);
}

static int greet_as(struct store *st)
{
	struct redis_command auth = {0}, select = {0};
	char db[16];
	int err = 0;

	if (st->password) {
		add_auth(st, &auth);
		err = redis_send(st->command, NULL, &auth, on_accepted, st);
	}
	if (!err && st->where.db) {
		snprintf(db, sizeof(db), "%u", st->where.db);
		redis_add_str(&select, "SELECT");
		redis_add_str(&select, db);
		err = redis_send(st->command, NULL, &select, on_accepted, st);
	}
	return err;
}

static int ask_role(struct store *st)
{
	struct redis_command role = {0};

	if (!st->where.is_sentinel)
		return 0;
	redis_add_str(&role, "ROLE");
	return redis_send(st->command, NULL, &role, on_role, st);
}

static int load_scripts(struct store *st)
{
	int err = 0;

	st->next_sha = 0;
	for (size_t i = 0; i < SCRIPTS && !err; i++) {
		struct redis_command load = {0};

		redis_add_str(&load, "SCRIPT");
		redis_add_str(&load, "LOAD");
		redis_add_str(&load, st->script[i].text);
		err = redis_send(st->command, NULL, &load, on_sha, st);
	}
	return err;
}

static void on_command_open(void *ctx)
{
	struct store *st = ctx;
	struct redis_command info = {0};
	struct net_addr local;
	int err;

	if (!net_local_addr(&local, redis_fd(st->command)))
		net_addr_ip_text(st->local_ip, &local);
	redis_add_str(&info, "INFO");
	redis_add_str(&info, "server");
	err = greet_as(st);
	if (!err)
		err = redis_send(st->command, NULL, &info, on_info, st);
	if (!err)
		err = ask_role(st);
	if (!err)
		err = load_scripts(st);
	if (err)
		store_link_lost(st, "greeting", err);
}

static void on_unasked(void *ctx, const redisReply *reply)
{
	(void)ctx;
	(void)reply;
}

static void greet(struct store *st)
{
	static const struct redis_events events = {on_command_open, on_unasked,
						   on_lost};
	int err;

	st->state = STORE_GREETING;
	err = dial(st, &st->command, &st->server, &events);
	if (err)
		store_link_lost(st, "dial", err);
}

/* ---- Sentinels ---- */

static bool read_master(struct where_host *out, const redisReply *reply)
{
	struct span word[2];
	unsigned port = 0;

	if (reply->type != REDIS_REPLY_ARRAY ||
	    store_reply_words(word, 2, reply) != 2 || !word[0].len ||
	    word[0].len >= sizeof(out->host))
		return false;
	for (size_t i = 0; i < word[1].len && port <= 65535; i++) {
		if (word[1].data[i] < '0' || word[1].data[i] > '9')
			return false;
		port = port * 10 + (word[1].data[i] - '0');
	}
	if (!port || port > 65535)
		return false;
	memcpy(out->host, word[0].data, word[0].len);
	out->host[word[0].len] = '\0';
	out->port = port;
	return true;
}

static void on_master(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;

	if (store_is_error(reply)) {
		store_link_refused(st, "Sentinel", reply);
		return;
	}
	if (!read_master(&st->server, reply)) {
		store_link_lost(st, "Sentinel knows no such master",
				WEIR_ENOENT);
		return;
	}
	redis_free(&st->command);
	greet(st);
}

static void on_sentinel_open(void *ctx)
{
	struct store *st = ctx;
	struct redis_command auth = {0}, ask = {0};
	int err = 0;

	redis_add_str(&ask, "SENTINEL");
	redis_add_str(&ask, "get-master-addr-by-name");
	redis_add_str(&ask, st->where.master);
	if (st->password) { /* Sentinels without one refuse it: no matter */
		add_auth(st, &auth);
		err = redis_send(st->command, NULL, &auth, on_unasked, st);
	}
	if (!err)
		err = redis_send(st->command, NULL, &ask, on_master, st);
	if (err)
		store_link_lost(st, "Sentinel", err);
}

static void ask_sentinel(struct store *st)
{
	static const struct redis_events events = {on_sentinel_open, on_unasked,
						   on_lost};
	int err;

	st->state = STORE_ASKING;
	st->server = st->where.host[st->next_host];
	st->next_host = (st->next_host + 1) % st->where.host_count;
	err = dial(st, &st->command, &st->server, &events);
	if (err)
		store_link_lost(st, "dial", err);
}

/* ---- tries ---- */

static void on_retry(struct store *st)
{
	if (st->state != STORE_WAITING) { /* this try has taken too long */
		store_link_lost(st, "no answer", WEIR_ETIMEOUT);
		return;
	}
	timer_start(st->retry, TRY_MS);
	if (st->where.is_sentinel) {
		ask_sentinel(st);
		return;
	}
	st->server = st->where.host[0];
	greet(st);
}

void store_link_start(struct store *st)
{
	st->backoff_ms = BACKOFF_MIN_MS;
	st->state = STORE_WAITING;
	timer_start(st->retry, 0);
}

void store_link_stop(struct store *st)
{
	redis_free(&st->command);
	redis_free(&st->subscription);
	timer_free(&st->retry);
}

int store_link_init(struct store *st)
{
	return timer_new(&st->retry, st->loop, on_retry, st);
}
