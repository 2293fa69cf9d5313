/* common/registry/entry_test.c - calls and replies of the registry, in words. */
#include "common/registry/entry.h"

#include "common/bus/testing.h"

#define ENTRY_AT 5 /* keys, root, time, key */

static struct script_call a_call(uint8_t kind)
{
	return (struct script_call){
		.kind = kind,
		.entry =
			{
				.key = test_key("live/cam"),
				.kind = "publish",
				.is_live = true,
				.is_local = true,
				.epoch = test_epoch(7),
				.term = {12, test_epoch(3).writer},
				.start_us = TEST_UTC_US,
				.birth_ms = 1767323040000,
				.lost_until_ms = 1767323050000,
				.writer_node = "ingest-1",
				.writer_instance = test_epoch(4).writer,
				.home_node = "origin-1",
				.home_instance = test_epoch(5).writer,
				.home_url = "tcp://10.0.0.1:7000",
			},
		.expected = test_epoch(6),
		.told_counter = 21,
		.told_term = 22,
		.expected_term = {11, test_epoch(2).writer},
		.only_without_lease = true,
	};
}

static void encode(struct script_words *w, uint8_t kind)
{
	struct script_call call = a_call(kind);

	CHECK_EQ(script_encode(w, "c1", &call, TEST_UTC_US), 0);
	CHECK_EQ(w->key_count, 2);
}

static void check_word(const struct script_words *w, size_t i, const char *text)
{
	CHECK(i < w->count);
	CHECK_SPAN(w->word[i], span_str(text));
}

struct reply {
	struct script_words words;              /* what the call wrote */
	struct span word[SCRIPT_REPLY_MAX + 1]; /* one too many fits */
	size_t count;
};

/* What a script answers that found the call's own entry. */
static void reply_of(struct reply *r, bool has_previous)
{
	size_t n = 0;

	encode(&r->words, SCRIPT_VERIFY);
	r->word[n++] = span_str("OK");
	r->word[n++] = span_str("1");
	for (size_t i = 0; i < ENTRY_FIELDS; i++)
		r->word[n++] = r->words.word[ENTRY_AT + i];
	r->word[n++] = span_str(has_previous ? "1" : "0");
	for (size_t i = 0; has_previous && i < ENTRY_FIELDS; i++)
		r->word[n++] = r->words.word[ENTRY_AT + i];
	r->count = n;
}

static void check_entry(const struct stream_entry *got)
{
	struct stream_entry want = a_call(0).entry;

	CHECK_STR(got->key.text, want.key.text);
	CHECK_STR(got->kind, want.kind);
	CHECK_EQ(got->is_live, true);
	CHECK_EQ(got->is_ended, false);
	CHECK_EQ(got->is_local, true);
	CHECK(epoch_eq(&got->epoch, &want.epoch));
	CHECK(term_eq(&got->term, &want.term));
	CHECK_EQ(got->start_us, want.start_us);
	CHECK_EQ(got->birth_ms, want.birth_ms);
	CHECK_EQ(got->lost_until_ms, want.lost_until_ms);
	CHECK_STR(got->writer_node, want.writer_node);
	CHECK(uuid_eq(&got->writer_instance, &want.writer_instance));
	CHECK_STR(got->home_node, want.home_node);
	CHECK(uuid_eq(&got->home_instance, &want.home_instance));
	CHECK_STR(got->home_url, want.home_url);
}

static int decode(const struct reply *r, struct script_result *out)
{
	struct stream_key key = test_key("live/cam");

	return script_decode(out, &key, r->word, r->count);
}

/* *out stays what it was. */
static void check_refused(const struct reply *r)
{
	struct script_result out = {.err = 77};

	CHECK_EQ(decode(r, &out), WEIR_EPROTO);
	CHECK_EQ(out.err, 77);
}

TEST(every_call_begins_with_its_keys_the_time_and_the_entry)
{
	struct script_words w;

	encode(&w, SCRIPT_VERIFY);
	CHECK(w.text == script_verify_lua);
	check_word(&w, 0, "weir:{c1}:stream:live/cam");
	check_word(&w, 1, "weir:{c1}:streams");
	check_word(&w, 2, "weir:{c1}:");
	check_word(&w, 3, "1767323045678");
	check_word(&w, 4, "live/cam");
	check_word(&w, ENTRY_AT, "publish");
	check_word(&w, ENTRY_AT + 4, "7");
	check_word(&w, ENTRY_AT + 15, "tcp://10.0.0.1:7000");
	CHECK_EQ(w.count, ENTRY_AT + ENTRY_FIELDS);
}

TEST(a_claim_names_whom_it_expects_and_the_highest_numbers_told)
{
	struct script_words w;

	encode(&w, SCRIPT_CLAIM);
	CHECK(w.text == script_claim_lua);
	check_word(&w, ENTRY_AT + ENTRY_FIELDS, "6");
	check_word(&w, ENTRY_AT + ENTRY_FIELDS + 2, "21");
	check_word(&w, ENTRY_AT + ENTRY_FIELDS + 3, "22");
	CHECK_EQ(w.count, ENTRY_AT + ENTRY_FIELDS + 4);
}

TEST(a_move_names_the_term_that_it_expects)
{
	struct script_words w;

	encode(&w, SCRIPT_MOVE);
	CHECK(w.text == script_move_lua);
	check_word(&w, ENTRY_AT + ENTRY_FIELDS, "11");
	CHECK_EQ(w.count, ENTRY_AT + ENTRY_FIELDS + 2);
}

TEST(lost_and_end_say_whether_a_lease_protects)
{
	struct script_words w;

	encode(&w, SCRIPT_LOST);
	CHECK(w.text == script_lost_lua);
	check_word(&w, ENTRY_AT + ENTRY_FIELDS, "1");
	encode(&w, SCRIPT_END);
	CHECK(w.text == script_end_lua);
	check_word(&w, ENTRY_AT + ENTRY_FIELDS, "1");
	check_word(&w, ENTRY_AT + ENTRY_FIELDS + 1, "86400000");
	encode(&w, SCRIPT_SETTLE);
	CHECK(w.text == script_settle_lua);
}

TEST(a_call_of_no_kind_is_refused_and_a_lease_has_its_words)
{
	struct script_call call = a_call(99);
	struct script_words w;
	struct node_ref node = {.id = "origin-1", .role = "origin"};
	struct span info = span_str("{}");

	CHECK_EQ(script_encode(&w, "c1", &call, 0), WEIR_EINVAL);
	call = a_call(SCRIPT_MOVE);
	CHECK_EQ(script_encode(&w, "c1", &call, 0), 0);
	CHECK_EQ(node_encode(&w, "c1", NODE_RENEW, &node, info, 3000), 0);
	CHECK(w.text == script_node_lua);
	check_word(&w, 0, "weir:{c1}:node:origin-1");
	check_word(&w, 3, "renew");
	check_word(&w, 7, "{}");
	check_word(&w, 8, "3000");
}

TEST(numbers_that_lua_cannot_hold_are_cut)
{
	struct script_call call = a_call(SCRIPT_VERIFY);
	struct script_words w;

	call.entry.epoch.counter = UINT64_MAX;
	call.entry.start_us = -1;
	CHECK_EQ(script_encode(&w, "c1", &call, -5), 0);
	check_word(&w, 3, "0");
	check_word(&w, ENTRY_AT + 4, "9007199254740992");
	check_word(&w, ENTRY_AT + 8, "0");
}

TEST(an_entry_comes_back_as_it_was_written)
{
	struct script_result out = {0};
	struct reply r;

	reply_of(&r, false);
	CHECK_EQ(decode(&r, &out), 0);
	CHECK_EQ(out.err, 0);
	CHECK(!out.has_previous);
	CHECK(out.entry.writer_has_lease);
	check_entry(&out.entry);
}

TEST(what_was_there_before_comes_with_it)
{
	struct script_result out = {0};
	struct reply r;

	reply_of(&r, true);
	CHECK_EQ(decode(&r, &out), 0);
	CHECK(out.has_previous);
	check_entry(&out.previous);
}

TEST(a_refusal_says_which_and_what_stands)
{
	struct script_result out = {0};
	struct reply r;

	reply_of(&r, false);
	r.word[0] = span_str("BUSY");
	r.word[1] = span_str("0");
	CHECK_EQ(decode(&r, &out), 0);
	CHECK_EQ(out.err, WEIR_EBUSY);
	CHECK(!out.entry.writer_has_lease);
	check_entry(&out.entry);
	r.word[0] = span_str("STALE");
	CHECK_EQ(decode(&r, &out), 0);
	CHECK_EQ(out.err, WEIR_ESTALE);
	r.word[0] = span_str("GONE");
	r.count = 1;
	CHECK_EQ(decode(&r, &out), 0);
	CHECK_EQ(out.err, WEIR_ENOENT);
}

TEST(a_reply_that_was_cut_is_refused)
{
	struct reply r;

	reply_of(&r, true);
	for (size_t full = r.count, n = 0; n < full; n++) {
		r.count = n;
		check_refused(&r);
	}
}

TEST(a_reply_with_words_too_many_is_refused)
{
	struct reply r;

	for (int has_previous = 0; has_previous < 2; has_previous++) {
		reply_of(&r, has_previous);
		r.word[r.count++] = span_str("0");
		check_refused(&r);
	}
	reply_of(&r, false);
	r.word[0] = span_str("GONE"); /* and yet an entry */
	check_refused(&r);
	reply_of(&r, true);
	r.word[2 + ENTRY_FIELDS] = span_str("0");
	check_refused(&r);
}

TEST(a_reply_with_a_wrong_field_is_refused)
{
	static const struct {
		int at; /* 0: the status; else a field behind the lease */
		const char *text;
	} bad[] = {
		{0, "ok"},
		{0, ""},
		{1, "2"},
		{1, ""},
		{2, "a-kind-that-is-too-long"},
		{3, "2"},
		{4, ""},
		{5, "yes"},
		{6, "-1"},
		{6, "1e3"},
		{6, ""},
		{6, "99999999999999999"},
		{6, "9007199254740993"},
		{7, "no uuid"},
		{8, " 1"},
		{9, ""},
		{10, "0x10"},
		{12, "1.5"},
		{14, "12"},
		{17,
		 "a url that is far too long to be one "
		 "0123456789012345678901234567890123456789012345678901234567"
		 "0123456789012345678901234567890123456789012345678901234567"},
		{18, ""},
		{18, "highest"},
		{19, "no"},
	};
	struct reply r;

	for (size_t i = 0; i < WEIR_ARRAY_LEN(bad); i++) {
		reply_of(&r, false);
		r.word[bad[i].at] = span_str(bad[i].text);
		check_refused(&r);
	}
	reply_of(&r, true);
	r.word[2 + ENTRY_FIELDS + 1 + 4] = span_str("x");
	check_refused(&r);
	reply_of(&r, false);
	r.word[13] = span_of("a\0b", 3); /* a node with NUL */
	check_refused(&r);
}

TEST(a_hash_is_read_by_its_names_in_any_order)
{
	struct span word[2 * ENTRY_FIELDS + 2];
	struct stream_key key = test_key("live/cam");
	struct stream_entry out = {0};
	struct reply r;
	size_t n = 0;

	reply_of(&r, false);
	word[n++] = span_str("of a later version");
	word[n++] = span_str("17");
	for (size_t i = ENTRY_FIELDS; i-- > 0;) {
		word[n++] = span_str(entry_field[i]);
		word[n++] = r.word[2 + i];
	}
	CHECK_EQ(entry_read_pairs(&out, &key, word, n), 0);
	check_entry(&out);
	CHECK(!out.writer_has_lease);
	CHECK_EQ(entry_read_pairs(&out, &key, word, 0), WEIR_ENOENT);
	CHECK_EQ(entry_read_pairs(&out, &key, word, n - 1), WEIR_EPROTO);
	CHECK_EQ(entry_read_pairs(&out, &key, word, n - 2), 0); /* no kind */
	CHECK_EQ(entry_read_pairs(&out, &key, word, 8), WEIR_EPROTO);
}

TEST(the_higher_counter_stands_then_the_earlier_start_then_the_smaller_uuid)
{
	struct epoch a = test_epoch(7), b = test_epoch(8);

	CHECK(claim_order(&b, 9, &a, 1) > 0);
	CHECK(claim_order(&a, 1, &b, 9) < 0);
	b.counter = a.counter; /* of another writer */
	CHECK(claim_order(&b, 1, &a, 9) > 0);
	CHECK(claim_order(&b, 9, &a, 1) < 0);
	CHECK(claim_order(&a, 5, &b, 5) > 0);
	CHECK(claim_order(&b, 5, &a, 5) < 0);
	CHECK_EQ(claim_order(&a, 1, &a, 9), 0);
}
