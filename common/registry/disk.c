/* common/registry/disk.c - replaces a small file without blocking the loop. */
#include "common/registry/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct disk {
	char *file;
	char *beside;
	struct wake *wake;
	void (*done)(void *ctx, int err);
	void *ctx;
	bool is_busy;
	pthread_t thread;
	/* The thread's while busy. */
	struct buf text;
	int err;
};

static void on_wake(struct disk *d)
{
	int err;

	if (!d->is_busy)
		return;
	pthread_join(d->thread, NULL);
	d->is_busy = false;
	err = d->err;
	buf_fini(&d->text);
	d->done(d->ctx, err);
}

int disk_new(struct disk **out, struct loop *loop, const char *file,
	     void (*done)(void *ctx, int err), void *ctx)
{
	struct disk *d = calloc(1, sizeof(*d));
	size_t len = strlen(file);
	int err = WEIR_ENOMEM;

	if (!d)
		return WEIR_ENOMEM;
	d->done = done;
	d->ctx = ctx;
	d->file = strdup(file);
	d->beside = malloc(len + 5);
	if (d->file && d->beside) {
		snprintf(d->beside, len + 5, "%s.new", file);
		err = wake_new(&d->wake, loop, on_wake, d);
	}
	if (err)
		disk_free(&d);
	else
		*out = d;
	return err;
}

void disk_free(struct disk **dp)
{
	struct disk *d = *dp;

	if (!d)
		return;
	if (d->is_busy)
		pthread_join(d->thread, NULL);
	if (d->wake)
		wake_free(&d->wake);
	buf_fini(&d->text);
	free(d->file);
	free(d->beside);
	free(d);
	*dp = NULL;
}

/* ---- on the thread ---- */

static int write_all(int fd, struct span s)
{
	while (s.len) {
		ssize_t n = write(fd, s.data, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s = span_from(s, (size_t)n);
	}
	return fsync(fd) ? -errno : 0;
}

static int replace(const struct disk *d)
{
	int fd =
		open(d->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	/* One that is left from before may be open to others. */
	err = fchmod(fd, 0600) ? -errno : 0;
	if (!err)
		err = write_all(fd, buf_span(&d->text));
	close(fd);
	if (!err && rename(d->beside, d->file))
		err = -errno;
	if (err)
		unlink(d->beside);
	return err;
}

static void *work(void *ctx)
{
	struct disk *d = ctx;

	d->err = replace(d);
	wake_post(d->wake);
	return NULL;
}

/* ---- on the loop ---- */

int disk_write(struct disk *d, struct buf *text)
{
	sigset_t all, before;
	int err;

	if (d->is_busy)
		return WEIR_EBUSY;
	d->text = *text;
	*text = (struct buf){0};
	/* Signals are the loop's: a thread must never take one. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&d->thread, NULL, work, d);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		buf_fini(&d->text);
		return -err;
	}
	d->is_busy = true;
	return 0;
}

static int read_all(struct buf *out, int fd, size_t limit_bytes)
{
	for (;;) {
		uint8_t part[4096];
		ssize_t n = read(fd, part, sizeof(part));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return buf_error(out);
		if (out->len + (size_t)n > limit_bytes)
			return WEIR_ELIMIT;
		buf_put(out, span_of(part, (size_t)n));
	}
}

int disk_read(struct buf *out, const char *file, size_t limit_bytes)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = read_all(out, fd, limit_bytes);
	close(fd);
	return err;
}
