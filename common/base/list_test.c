/* common/base/list_test.c */
#include "common/base/list.h"

#include "common/test/check.h"

struct item {
	int number;
	struct list link;
};

static int number_of(struct list *l)
{
	return list_entry(l, struct item, link)->number;
}

/* The numbers in the list, as decimal digits. */
static int digits(struct list *head)
{
	int sum = 0;

	list_each (l, head)
		sum = sum * 10 + number_of(l);
	return sum;
}

static void make(struct list *head, struct item item[3])
{
	list_init(head);
	for (int i = 0; i < 3; i++) {
		item[i].number = i + 1;
		list_init(&item[i].link);
		list_append(head, &item[i].link);
	}
}

TEST(members_stand_in_the_order_in_which_they_were_put)
{
	struct item item[3], front = {.number = 9};
	struct list head;

	make(&head, item);
	CHECK_EQ(digits(&head), 123);
	list_prepend(&head, &front.link);
	CHECK_EQ(digits(&head), 9123);
}

TEST(a_member_can_be_removed_any_number_of_times)
{
	struct item item[3];
	struct list head;

	make(&head, item);
	list_remove(&item[1].link);
	list_remove(&item[1].link);
	CHECK_EQ(digits(&head), 13);
	list_append(&head, &item[1].link);
	CHECK_EQ(digits(&head), 132);
}

TEST(a_walk_may_remove_the_member_at_which_it_is)
{
	struct item item[3];
	struct list head;
	int seen = 0;

	make(&head, item);
	list_each_safe (l, &head) {
		seen = seen * 10 + number_of(l);
		list_remove(l);
	}
	CHECK_EQ(seen, 123);
	CHECK(list_is_empty(&head));
}

TEST(an_empty_list_has_nothing_to_walk)
{
	struct list head;

	list_init(&head);
	CHECK(list_is_empty(&head));
	CHECK_EQ(digits(&head), 0);
	list_remove(&head);
	CHECK(list_is_empty(&head));
}

TEST(all_members_of_one_list_go_behind_those_of_another)
{
	struct item a[3], b[3];
	struct list head, from, none;

	make(&head, a);
	make(&from, b);
	list_init(&none);
	list_append_all(&head, &from);
	CHECK_EQ(digits(&head), 123123);
	CHECK(list_is_empty(&from));
	list_append_all(&head, &none);
	CHECK_EQ(digits(&head), 123123);
	list_append_all(&none, &head);
	CHECK_EQ(digits(&none), 123123);
	CHECK(list_is_empty(&head));
	list_remove(&b[2].link);
	CHECK_EQ(digits(&none), 12312);
}
