/* common/registry/store_lease.c - this node's lease. */
#include "common/registry/store_priv.h"

static void on_renewed(void *ctx, const redisReply *reply);
static void on_registered(void *ctx, const redisReply *reply);

/* One node script. Returns as redis_send, or the encoder's error. */
static int send_op(struct store *st, enum node_op op, bool is_whole,
		   redis_reply_fn *fn)
{
	struct script_words words;
	struct buf info = {0};
	int err;

	node_write(&info, &st->self);
	err = buf_error(&info);
	if (!err)
		err = node_encode(&words, st->cluster, op, &st->self.ref,
				  buf_span(&info), st->lease_ttl_ms);
	if (!err)
		err = store_eval(st, NULL, &words, is_whole, fn, st);
	buf_fini(&info);
	return err;
}

static bool says(const redisReply *reply, const char *word)
{
	struct span w = {0};

	return store_reply_words(&w, 1, reply) == 1 && span_eq_str(w, word);
}

/* ---- at each connect ---- */

static void register_as(struct store *st, bool is_whole)
{
	int err = send_op(st, NODE_REGISTER, is_whole, on_registered);

	if (err)
		store_link_lost(st, "lease", err);
}

static void on_registered(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;

	if (store_lacks_script(reply)) {
		register_as(st, true);
		return;
	}
	if (store_is_error(reply)) {
		store_link_refused(st, "lease", reply);
		return;
	}
	st->leased_ms = loop_now_ms(st->loop);
	store_link_registered(st);
}

void store_lease_register(struct store *st)
{
	st->is_lease_open = st->is_lease_wanted = false;
	register_as(st, false);
}

/* ---- each second ---- */

static void renew(struct store *st, bool is_whole)
{
	int err;

	if (st->is_lease_open && !is_whole) {
		st->is_lease_wanted = true;
		return;
	}
	st->is_lease_open = true;
	st->is_lease_wanted = false;
	err = send_op(st, NODE_RENEW, is_whole, on_renewed);
	if (err)
		store_link_lost(st, "lease", err);
}

static void say_taken(struct store *st)
{
	if (!st->is_taken_said)
		logger_event(st->lg, &store_taken,
			     kv_str("node", st->self.ref.id));
	st->is_taken_said = true;
}

/* A lease that cannot have run out yet is new: the registry was emptied. */
static bool was_emptied(const struct store *st, const redisReply *reply)
{
	return says(reply, "NEW") &&
	       loop_now_ms(st->loop) - st->leased_ms < st->lease_ttl_ms;
}

static void on_renewed(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;

	if (store_lacks_script(reply)) {
		renew(st, true);
		return;
	}
	st->is_lease_open = false;
	if (store_is_error(reply)) {
		store_link_refused(st, "lease", reply);
		return;
	}
	if (was_emptied(st, reply)) {
		st->run_id[0] = '-'; /* as if another server had come */
		store_link_lost(st, "emptied", WEIR_ESTALE);
		return;
	}
	if (says(reply, "TAKEN"))
		say_taken(st);
	else
		st->leased_ms = loop_now_ms(st->loop);
	if (st->is_lease_wanted)
		renew(st, false);
}

static void on_lease(struct store *st)
{
	store_link_check(st);
	if (store_is_up(st))
		renew(st, false);
}

void store_set_self(struct store *st, const struct node *self, bool now)
{
	struct node_ref ref = st->self.ref;

	st->self = *self;
	memcpy(st->self.ref.id, ref.id, sizeof(ref.id));
	memcpy(st->self.ref.role, ref.role, sizeof(ref.role));
	st->self.ref.instance = ref.instance;
	if (now && store_is_up(st) && !st->is_leaving)
		renew(st, false);
}

/* ---- the end ---- */

static void say_left(struct store *st)
{
	void (*done)(void *ctx) = st->left;

	timer_stop(st->leave);
	st->left = NULL;
	if (done)
		done(st->left_ctx);
}

static void on_left(void *ctx, const redisReply *reply)
{
	(void)reply; /* if it was refused, the lease runs out */
	say_left(ctx);
}

void store_leave(struct store *st, void (*done)(void *ctx), void *ctx)
{
	bool is_asked;

	st->left = done;
	st->left_ctx = ctx;
	st->is_leaving = true;
	timer_stop(st->lease);
	is_asked = store_is_up(st) && !send_op(st, NODE_LEAVE, false, on_left);
	timer_start(st->leave, is_asked ? st->registry_ms : 0);
}

void store_lease_lost(struct store *st)
{
	st->is_lease_open = st->is_lease_wanted = false;
}

/* ---- life ---- */

int store_lease_init(struct store *st)
{
	int err = timer_new(&st->lease, st->loop, on_lease, st);

	if (!err)
		err = timer_new(&st->leave, st->loop, say_left, st);
	if (!err)
		timer_repeat(st->lease, st->lease_ms);
	return err;
}

void store_lease_fini(struct store *st)
{
	timer_free(&st->lease);
	timer_free(&st->leave);
}
