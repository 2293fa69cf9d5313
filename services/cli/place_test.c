/* services/cli/place_test.c - the folder of `weir up`. */
#include "services/cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/test/check.h"

static bool is_there(const char *dir, const char *name)
{
	char path[PLACE_PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !access(path, F_OK);
}

TEST(a_folder_that_was_made_goes_as_a_whole)
{
	struct place p;
	char dir[TEST_PATH_SIZE];
	int fd;

	test_path(dir);
	CHECK_EQ(place_open(&p, dir, 1935), 0);
	CHECK(is_there(dir, "redis"));
	fd = place_open_log(&p, "edge-1");
	CHECK(fd >= 0);
	close(fd);
	CHECK_EQ(place_write(&p, "up.json", SPAN_LIT("{}")), 0);
	CHECK(is_there(dir, "up.json"));
	place_close(&p);
	CHECK(!is_there(dir, ""));
}

TEST(of_a_folder_that_was_there_the_logs_stay)
{
	struct place p;
	char dir[TEST_PATH_SIZE], file[PLACE_PATH_SIZE];
	int fd;

	test_path(dir);
	CHECK_EQ(mkdir(dir, 0700), 0);
	snprintf(file, sizeof(file), "%s/mine", dir);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	close(fd);
	CHECK_EQ(place_open(&p, dir, 1935), 0);
	fd = place_open_log(&p, "edge-1");
	close(fd);
	CHECK_EQ(place_write(&p, "up.json", SPAN_LIT("{}")), 0);
	place_close(&p);
	CHECK(is_there(dir, "mine"));
	CHECK(is_there(dir, "log/edge-1.log"));
	CHECK(!is_there(dir, "up.json"));
	CHECK(!is_there(dir, "redis"));
}

TEST(a_folder_in_use_is_refused_and_left_alone)
{
	struct place p, second;
	char dir[TEST_PATH_SIZE];

	test_path(dir);
	CHECK_EQ(place_open(&p, dir, 1935), 0);
	CHECK_EQ(place_open(&second, dir, 1935), WEIR_EBUSY);
	place_close(&second);
	CHECK(is_there(dir, "redis"));
	place_close(&p);
	CHECK(!is_there(dir, ""));
}

/* Opens in a process that is then killed; its janitor clears up. */
TEST(a_killed_one_is_cleared_up_behind)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	struct place p;
	char dir[TEST_PATH_SIZE], word;
	int pair[2];
	pid_t pid;

	test_path(dir);
	CHECK_EQ(pipe2(pair, O_CLOEXEC), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		if (!place_open(&p, dir, 1935) && write(pair[1], "x", 1) == 1)
			for (;;)
				nanosleep(&pause, NULL);
		_exit(1);
	}
	close(pair[1]);
	CHECK_EQ(read(pair[0], &word, 1), 1);
	CHECK(is_there(dir, "lock"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* The folder's end is the event; there is none to wait on but it. */
	for (int i = 0; i < 2000 && is_there(dir, ""); i++)
		nanosleep(&pause, NULL);
	CHECK(!is_there(dir, ""));
	close(pair[0]);
}

TEST(the_running_one_is_found_and_a_dead_one_is_not)
{
	struct buf text = {0};
	struct place p;
	char dir[TEST_PATH_SIZE], json[64];
	int err;

	test_path(dir);
	CHECK_EQ(place_open(&p, dir, 1935), 0);
	snprintf(json, sizeof(json), "{\"pid\":%d}", (int)getpid());
	CHECK_EQ(place_write(&p, "up.json", span_str(json)), 0);
	err = place_find(&text, dir);
	if (!err)
		CHECK_SPAN(buf_span(&text), span_str(json));
	if (!err) {
		CHECK_EQ(place_write(&p, "up.json",
				     SPAN_LIT("{\"pid\":2147483646}")),
			 0);
		CHECK_EQ(place_find(&text, dir), WEIR_ENOENT);
	}
	buf_fini(&text);
	place_close(&p);
	CHECK_EQ(err, 0);
}

TEST(the_last_words_of_a_log_are_given)
{
	struct buf tail = {0};
	struct place p;
	char dir[TEST_PATH_SIZE];
	int fd, err;

	test_path(dir);
	CHECK_EQ(place_open(&p, dir, 1935), 0);
	fd = place_open_log(&p, "edge-1");
	CHECK_EQ(write(fd, "one two three", 13), 13);
	close(fd);
	place_tail_log(&p, "edge-1", 5, &tail);
	err = buf_error(&tail);
	if (!err)
		CHECK_SPAN(buf_span(&tail), SPAN_LIT("three"));
	buf_fini(&tail);
	place_close(&p);
	CHECK_EQ(err, 0);
}
