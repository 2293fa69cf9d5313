/* common/registry/kept_test.c - a file for the next life of a process. Not
 * repeated with failing allocations: threads write files.
 */
#include "common/registry/kept.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/test/check.h"

#define PARTS 3

/* What is kept: numbers, each a part of the text. */
struct numbers {
	char dir[TEST_PATH_SIZE], file[TEST_PATH_SIZE + 8];
	struct loop *loop;
	struct kept *kept;
	int number[PARTS];
	unsigned parts_made;
	char read[64];
	int read_err;
};

static bool write_part(void *ctx, struct buf *out, const void **at)
{
	struct numbers *n = ctx;
	const int *next = *at ? *at : n->number;

	n->parts_made++;
	buf_printf(out, "%d\n", *next++);
	*at = next;
	return next == n->number + PARTS;
}

static int read_text(void *ctx, struct span text)
{
	struct numbers *n = ctx;

	snprintf(n->read, sizeof(n->read), "%.*s", (int)text.len,
		 (const char *)text.data);
	kept_changed(n->kept); /* reading is no change */
	return n->read_err;
}

static void make_kept(struct numbers *n, size_t bytes_max)
{
	static const struct kept_ops ops = {write_part, read_text};
	const struct kept_options o = {
		.file = n->file,
		.bytes_max = bytes_max,
		.each_ms = 20,
	};

	CHECK_EQ(kept_new(&n->kept, n->loop, &o, &ops, n), 0);
}

static void open_numbers(struct numbers *n)
{
	*n = (struct numbers){0};
	test_path(n->dir);
	CHECK_EQ(mkdir(n->dir, 0700), 0);
	snprintf(n->file, sizeof(n->file), "%s/numbers", n->dir);
	CHECK_EQ(loop_new(&n->loop), 0);
	make_kept(n, 64);
}

static void close_numbers(struct numbers *n)
{
	kept_free(&n->kept);
	loop_free(&n->loop);
	unlink(n->file);
	CHECK_EQ(rmdir(n->dir), 0); /* nothing else is left */
}

static bool is_in_file(const struct numbers *n, const char *text)
{
	char all[64] = "";
	FILE *f = fopen(n->file, "r");
	size_t len = f ? fread(all, 1, sizeof(all) - 1, f) : 0;

	all[len] = '\0';
	if (f)
		fclose(f);
	return !strcmp(all, text);
}

/* The test's runner ends what takes for ever. */
static void serve_until_in_file(struct numbers *n, const char *text)
{
	while (!is_in_file(n, text))
		loop_run_once(n->loop);
}

TEST_NO_OOM(what_has_changed_is_in_the_file_soon_and_is_read_again)
{
	struct numbers n;

	open_numbers(&n);
	CHECK_EQ(kept_load(n.kept), -ENOENT);
	CHECK_EQ(n.parts_made, 0);
	kept_changed(n.kept);
	serve_until_in_file(&n, "0\n0\n0\n");
	n.number[2] = 7;
	kept_changed(n.kept);
	serve_until_in_file(&n, "0\n0\n7\n");
	kept_free(&n.kept);
	make_kept(&n, 64);
	CHECK_EQ(kept_load(n.kept), 0);
	CHECK(!strcmp(n.read, "0\n0\n7\n"));
	close_numbers(&n);
}

TEST_NO_OOM(a_text_is_of_one_moment_whatever_changes_while_it_is_made)
{
	unsigned disturbed = 0, seen = 0;
	struct numbers n;

	open_numbers(&n);
	kept_changed(n.kept);
	while (disturbed < 5) {
		loop_run_once(n.loop);
		if (n.parts_made == seen)
			continue;
		seen = n.parts_made;
		n.number[0] = n.number[2] = (int)++disturbed;
		kept_changed(n.kept);
	}
	serve_until_in_file(&n, "5\n0\n5\n");
	close_numbers(&n);
}

TEST_NO_OOM(who_changes_for_ever_is_written_all_the_same)
{
	struct numbers n;

	open_numbers(&n);
	kept_changed(n.kept);
	while (access(n.file, F_OK)) {
		loop_run_once(n.loop);
		n.number[0] = ++n.number[1];
		kept_changed(n.kept);
	}
	close_numbers(&n);
}

TEST_NO_OOM(many_changes_are_few_files)
{
	struct numbers n;

	open_numbers(&n);
	for (int i = 1; i <= 1000; i++) {
		n.number[1] = i;
		kept_changed(n.kept);
	}
	serve_until_in_file(&n, "0\n1000\n0\n");
	CHECK_EQ(n.parts_made, PARTS);
	close_numbers(&n);
}

TEST_NO_OOM(a_file_that_cannot_be_used_is_said_to_be_none)
{
	struct numbers n;

	open_numbers(&n);
	n.number[0] = 123456;
	kept_changed(n.kept);
	serve_until_in_file(&n, "123456\n0\n0\n");
	n.read_err = WEIR_EPROTO;
	CHECK_EQ(kept_load(n.kept), WEIR_EPROTO);
	kept_free(&n.kept);
	make_kept(&n, 4);
	CHECK_EQ(kept_load(n.kept), WEIR_ELIMIT);
	close_numbers(&n);
}
