/* common/base/err_test.c */
#include "common/base/err.h"

#include <errno.h>

#include "common/test/check.h"

struct listed {
	int number;
	const char *text;
};

static const struct listed all[] = {
#define LISTED(name, number, text) {WEIR_##name, text},
	WEIR_ERRORS(LISTED)
#undef LISTED
};

TEST(every_error_has_a_text_of_its_own)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(all); i++) {
		CHECK_STR(weir_strerror(all[i].number), all[i].text);
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(all[i].text, all[k].text) != 0);
	}
}

TEST(our_errors_lie_outside_the_numbers_of_the_system)
{
	for (size_t i = 0; i < WEIR_ARRAY_LEN(all); i++)
		CHECK(all[i].number <= -1000);
}

TEST(system_errors_and_success_have_texts)
{
	CHECK_STR(weir_strerror(0), "no error");
	CHECK_STR(weir_strerror(-ENOENT), strerror(ENOENT));
	CHECK(strlen(weir_strerror(-999999)) > 0);
}
