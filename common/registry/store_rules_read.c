/* common/registry/store_rules_read.c - the cluster's rules from the registry: what
 * has changed since the version that is known, or all of them, some at a time;
 * kept on disk, and written again where the registry has lost them.
 *
 * All are read while they may change: HSCAN has what stands there all the time,
 * and what has changed since it was begun is asked for at its end. As long as
 * that goes on, what is known is no version that anybody else knows of.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/io/clock.h"
#include "common/registry/store_priv.h"

#define FILE_BYTES_MAX ((size_t)20 << 20)
#define FILE_EACH_MS   1000
#define SCAN_COUNT     "50"
#define DROPPED_MAX    100 /* in one pass */
#define NEXT_PASS_MS   1   /* at 0 it would still be this one */

static void ask_since(struct store *st, bool is_whole);

void store_rules_tag(char tag[RULEBOOK_TAG_SIZE])
{
	uint64_t n;

	io_random(&n, sizeof(n));
	snprintf(tag, RULEBOOK_TAG_SIZE, "%016" PRIx64, n);
}

/* ---- what is told ---- */

static void say_rules(struct store *st)
{
	st->rules_have_changed = false;
	if (st->events.on_rules)
		st->events.on_rules(st->ctx);
}

static void say_rule(struct store *st, struct span name)
{
	char text[RULEBOOK_NAME_MAX + 1];

	snprintf(text, sizeof(text), "%.*s", (int)name.len,
		 (const char *)name.data);
	st->rules_have_changed = true;
	if (st->events.on_rule)
		st->events.on_rule(st->ctx, text,
				   rulebook_text(&st->rules, name));
}

/* ---- what is taken ---- */

static void remove_rule(struct store *st, struct span name)
{
	struct span key = span_first(name, RULEBOOK_NAME_MAX);
	uint8_t own[RULEBOOK_NAME_MAX]; /* the name may be the rule's */

	if (!key.len)
		return;
	memcpy(own, key.data, key.len);
	key.data = own;
	if (rulebook_remove(&st->rules, key))
		say_rule(st, key);
}

/* Without a text it is gone. Returns 0 or why no more can be taken. */
static int take_rule(struct store *st, struct span name, struct span text)
{
	bool is_other = false;
	int err = 0;

	if (text.len)
		err = rulebook_put(&st->rules, name, text, &is_other);
	if (err == WEIR_EPROTO)
		store_bad(st, "a rule", err);
	if (!text.len || err == WEIR_EPROTO) {
		remove_rule(st, name);
		return 0;
	}
	if (!err && is_other)
		say_rule(st, name);
	return err;
}

static struct span text_of(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING ? span_of(r->str, (size_t)r->len)
					     : (struct span){0};
}

static int take_rules(struct store *st, const redisReply *list, size_t from)
{
	int err = 0;

	for (size_t i = from; i + 1 < list->elements && !err; i += 2) {
		struct span name = text_of(list->element[i]);

		if (name.len && name.data[0] != '#')
			err = take_rule(st, name,
					text_of(list->element[i + 1]));
	}
	return err;
}

/* ---- the end of a reading ---- */

static void end_reading(struct store *st)
{
	bool again = st->is_rule_check_wanted;

	st->is_rule_check_open = st->is_rule_check_wanted = false;
	st->rules_reading.step = RULES_NOT_READ;
	if (again)
		store_rules_check(st);
}

/* Some may have been taken: nobody else has them like that. */
static void be_no_version(struct store *st)
{
	store_rules_tag(st->rules.version.tag);
	st->rules.version.tag[0] = RULEBOOK_NO_VERSION;
}

static void fail_reading(struct store *st, int err)
{
	store_bad(st, REGISTRY_RULES, err);
	if (st->rules_have_changed)
		kept_changed(st->rules_file);
	if (st->rules_have_changed)
		say_rules(st);
	end_reading(st);
}

/* What is known is what the registry has. */
static void be_current(struct store *st, const struct rule_version *version)
{
	bool was_known = st->rules_are_known;

	/* On disk is one version until there is a whole other one. */
	if (!rule_version_eq(&st->rules.version, version))
		kept_changed(st->rules_file);
	st->rules.version = *version;
	st->rules_are_read = st->rules_are_known = true;
	if (!was_known || st->rules_have_changed)
		say_rules(st);
	store_rules_serve(st);
	end_reading(st);
}

/* ---- all of them ---- */

static void rules_key(const struct store *st, char *out, size_t size)
{
	snprintf(out, size, "%s" REGISTRY_RULES, st->root);
}

static bool is_scan(const redisReply *r)
{
	return r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
	       r->element[0]->type == REDIS_REPLY_STRING &&
	       r->element[0]->len > 0 &&
	       (size_t)r->element[0]->len <
		       sizeof(((struct rules_reading *)0)->cursor) &&
	       r->element[1]->type == REDIS_REPLY_ARRAY;
}

static void scan(struct store *st);

static void on_scanned(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;
	char *cursor = st->rules_reading.cursor;
	int err = is_scan(reply) ? 0 : WEIR_EPROTO;

	if (!err)
		err = take_rules(st, reply->element[1], 0);
	if (err) {
		fail_reading(st, err);
		return;
	}
	memcpy(cursor, reply->element[0]->str,
	       (size_t)reply->element[0]->len + 1);
	if (strcmp(cursor, "0") != 0) {
		scan(st);
		return;
	}
	st->rules_reading.step = RULES_CLOSED;
	ask_since(st, false);
}

static void scan(struct store *st)
{
	char key[sizeof(st->root) + sizeof(REGISTRY_RULES)];
	struct redis_command c = {0};
	int err;

	rules_key(st, key, sizeof(key));
	redis_add_str(&c, "HSCAN");
	redis_add_str(&c, key);
	redis_add_str(&c, st->rules_reading.cursor);
	redis_add_str(&c, "COUNT");
	redis_add_str(&c, SCAN_COUNT);
	err = redis_send(st->command, NULL, &c, on_scanned, st);
	if (err)
		store_link_lost(st, REGISTRY_RULES, err);
}

static void begin_scan(struct store *st, const struct rule_version *head)
{
	st->rules_reading = (struct rules_reading){
		.step = RULES_SCANNED,
		.begun = *head,
		.cursor = "0",
	};
	st->stats.rule_scans++;
	be_no_version(st);
	rulebook_mark(&st->rules);
	scan(st);
}

/* Those that were not met, some in each pass. */
static void drop_some(struct store *st)
{
	struct span name[DROPPED_MAX];
	size_t count = rulebook_unmarked(&st->rules, name, DROPPED_MAX);

	for (size_t i = 0; i < count; i++)
		remove_rule(st, name[i]);
	if (count == DROPPED_MAX)
		timer_start(st->rules_step, NEXT_PASS_MS);
	else
		be_current(st, &st->rules_reading.end);
}

static void on_step(struct store *st)
{
	if (st->rules_reading.step == RULES_DROPPED)
		drop_some(st);
	else if (st->rules_have_changed)
		say_rules(st); /* half of a reading that was lost */
}

/* ---- writing again ---- */

static void settle(struct store *st, bool is_whole);

static void on_settled(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;

	if (store_lacks_script(reply))
		settle(st, true);
	else if (store_is_error(reply))
		store_link_refused(st, "rules", reply);
	else
		ask_since(st, false);
}

static void settle(struct store *st, bool is_whole)
{
	struct script_words words;
	struct buf lines = {0};
	int err;

	st->rules_reading.step = RULES_NOT_READ;
	rulebook_lines(&st->rules, &lines);
	err = buf_error(&lines);
	if (!err)
		err = rules_settle_encode(
			&words, st->cluster, st->rules.version.number,
			st->rules.version.tag, buf_span(&lines));
	if (!err)
		err = store_eval(st, NULL, &words, is_whole, on_settled, st);
	buf_fini(&lines);
	if (err)
		fail_reading(st, err);
}

/* ---- is there something new? ---- */

static void take_changes(struct store *st, const struct rule_version *version,
			 const redisReply *reply)
{
	int err = take_rules(st, reply, RULES_SINCE_WORDS);

	if (err) {
		be_no_version(st);
		fail_reading(st, err);
	} else if (st->rules_reading.step == RULES_CLOSED) {
		st->rules_reading.step = RULES_DROPPED;
		st->rules_reading.end = *version;
		drop_some(st);
	} else {
		be_current(st, version);
	}
}

static void on_since(void *ctx, const redisReply *reply)
{
	struct store *st = ctx;
	struct span word[RULES_SINCE_WORDS];
	struct rule_version head;
	bool is_whole = false;

	if (store_lacks_script(reply)) {
		ask_since(st, true);
		return;
	}
	if (store_reply_words(word, RULES_SINCE_WORDS, reply) !=
		    RULES_SINCE_WORDS ||
	    rules_since_decode(&head, &is_whole, word))
		fail_reading(st, WEIR_EPROTO);
	else if (!is_whole)
		take_changes(st, &head, reply);
	else if (head.number < st->rules.version.number)
		settle(st, false);
	else
		begin_scan(st, &head);
}

static void ask_since(struct store *st, bool is_whole)
{
	const struct rule_version *known =
		st->rules_reading.step == RULES_CLOSED
			? &st->rules_reading.begun
			: &st->rules.version;
	struct script_words words;
	int err = rules_since_encode(&words, st->cluster, known);

	if (!err)
		err = store_eval(st, NULL, &words, is_whole, on_since, st);
	if (err)
		store_link_lost(st, REGISTRY_RULES, err);
}

void store_rules_check(struct store *st)
{
	if (!store_is_up(st))
		return;
	if (st->is_rule_check_open) {
		st->is_rule_check_wanted = true;
		return;
	}
	st->is_rule_check_open = true;
	ask_since(st, false);
}

const struct rulebook *store_rules(const struct store *st)
{
	return &st->rules;
}

bool store_rules_are_known(const struct store *st)
{
	return st->rules_are_known;
}

/* ---- life ---- */

void store_rules_read_lost(struct store *st)
{
	st->rules_are_read = false;
	st->is_rule_check_open = st->is_rule_check_wanted = false;
	st->rules_reading.step = RULES_NOT_READ;
	if (!st->rules_have_changed)
		return;
	kept_changed(st->rules_file);
	timer_start(st->rules_step, 0);
}

static bool write_file(void *ctx, struct buf *out, const void **at)
{
	const struct store *st = ctx;

	return rulebook_write(&st->rules, out, at);
}

static int read_file(void *ctx, struct span text)
{
	struct store *st = ctx;
	int err = rulebook_read(&st->rules, text);

	/* Not as it was written: no version that anybody knows. */
	if (err)
		st->rules.version.number = 0;
	if (err || st->rules.version.tag[0] == RULEBOOK_NO_VERSION)
		be_no_version(st);
	return err;
}

int store_rules_read_init(struct store *st, const char *rules_file)
{
	static const struct kept_ops ops = {write_file, read_file};
	const struct kept_options o = {
		.file = rules_file,
		.bytes_max = FILE_BYTES_MAX,
		.each_ms = FILE_EACH_MS,
		.log = st->lg,
	};
	int err = timer_new(&st->rules_step, st->loop, on_step, st);

	if (err || !rules_file)
		return err;
	err = kept_new(&st->rules_file, st->loop, &o, &ops, st);
	/* One that is no such file may be half of one: nothing is known then. */
	if (!err)
		st->rules_are_known = !kept_load(st->rules_file);
	return err;
}

void store_rules_read_fini(struct store *st)
{
	timer_free(&st->rules_step);
	kept_free(&st->rules_file);
	rulebook_fini(&st->rules);
}
