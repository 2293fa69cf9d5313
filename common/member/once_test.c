/* common/member/once_test.c - what was asked under a request id is done once. */
#include "common/member/once.h"

#include <stdio.h>

#include "common/test/check.h"

static const char *found(const struct once *o, const char *call, const char *id,
			 int64_t now_ms)
{
	const char *answer = once_find(o, call, id, now_ms);

	return answer ? answer : "-";
}

TEST(an_answer_is_given_again_under_its_call_and_id_alone)
{
	struct once *o = NULL;

	CHECK_EQ(once_new(&o), 0);
	once_keep(o, "kick", "r1", "{\"kicked\":2}", 1000);
	CHECK_STR(found(o, "kick", "r1", 1000), "{\"kicked\":2}");
	CHECK_STR(found(o, "kick", "r2", 1000), "-");
	CHECK_STR(found(o, "pull", "r1", 1000), "-");
	once_free(&o);
}

TEST(after_a_while_it_is_another_request)
{
	struct once *o = NULL;

	CHECK_EQ(once_new(&o), 0);
	once_keep(o, "kick", "r1", "{}", 1000);
	CHECK_STR(found(o, "kick", "r1", 1000 + ONCE_MS - 1), "{}");
	CHECK_STR(found(o, "kick", "r1", 1000 + ONCE_MS), "-");
	once_free(&o);
}

TEST(the_oldest_is_forgotten_first)
{
	struct once *o = NULL;
	char id[16];

	CHECK_EQ(once_new(&o), 0);
	for (unsigned i = 0; i <= ONCE_MAX; i++) {
		snprintf(id, sizeof(id), "r%u", i);
		once_keep(o, "kick", id, id, 0);
	}
	CHECK_STR(found(o, "kick", "r0", 1), "-");
	CHECK_STR(found(o, "kick", "r1", 1), "r1");
	CHECK_STR(found(o, "kick", id, 1), id);
	once_free(&o);
}

TEST(what_is_too_long_is_not_kept)
{
	struct once *o = NULL;
	char id[ONCE_ID_MAX + 2];
	char answer[ONCE_BYTES_MAX + 2];

	memset(id, 'x', sizeof(id));
	id[sizeof(id) - 1] = '\0';
	memset(answer, 'x', sizeof(answer));
	answer[sizeof(answer) - 1] = '\0';
	CHECK_EQ(once_new(&o), 0);
	once_keep(o, "kick", id, "{}", 0);
	once_keep(o, "kick", "r1", answer, 0);
	CHECK_STR(found(o, "kick", id, 0), "-");
	CHECK_STR(found(o, "kick", "r1", 0), "-");
	once_free(&o);
}
