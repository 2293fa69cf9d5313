/* common/registry/kept.c - a small file for the next life of this process. */
#include "common/registry/kept.h"

#include <errno.h>
#include <stdlib.h>

#include "common/registry/disk.h"

#define BEGUN_AGAIN_MAX 8 /* then all is made in one pass */
#define NEXT_PASS_MS    1 /* at 0 it would still be this one */

const struct log_event kept_bad_file = {
	"registry.bad_file", LOG_WARN, "why",
	"A list that is kept on disk cannot be read or written."};

struct kept {
	struct loop *loop;
	struct kept_ops ops;
	void *ctx;
	struct disk *disk;
	struct timer *timer;
	char *file;
	size_t bytes_max;
	uint32_t each_ms;
	struct logger *log;
	uint64_t begun_ms; /* the last text */
	struct buf text;   /* as far as it has been made */
	const void *at;    /* NULL: it has not been begun */
	unsigned begun_again;
	bool is_loading;
};

static void fail(struct kept *k, int err)
{
	logger_event(k->log, &kept_bad_file, kv_err("why", err));
}

static void on_written(void *ctx, int err)
{
	if (err)
		fail(ctx, err);
}

static void begin_again(struct kept *k)
{
	buf_fini(&k->text);
	k->at = NULL;
}

/* Returns whether there is a text. */
static bool make_part(struct kept *k)
{
	bool is_all;

	if (!k->at)
		k->begun_ms = loop_now_ms(k->loop);
	do {
		is_all = k->ops.write(k->ctx, &k->text, &k->at);
	} while (!is_all && k->begun_again > BEGUN_AGAIN_MAX);
	return is_all;
}

static void on_timer(struct kept *k)
{
	int err;

	if (!make_part(k)) {
		timer_start(k->timer, NEXT_PASS_MS);
		return;
	}
	err = buf_error(&k->text);
	if (!err)
		err = disk_write(k->disk, &k->text);
	begin_again(k);
	k->begun_again = 0;
	if (err == WEIR_EBUSY)
		timer_start(k->timer, k->each_ms);
	else if (err)
		fail(k, err);
}

void kept_changed(struct kept *k)
{
	uint64_t since_ms;

	if (!k || k->is_loading)
		return;
	if (k->at) {
		begin_again(k);
		k->begun_again++;
		return;
	}
	if (timer_is_running(k->timer))
		return;
	since_ms = k->begun_ms ? loop_now_ms(k->loop) - k->begun_ms : 0;
	timer_start(k->timer,
		    since_ms < k->each_ms ? k->each_ms - since_ms : 0);
}

int kept_load(struct kept *k)
{
	struct buf text = {0};
	int err = disk_read(&text, k->file, k->bytes_max);

	k->is_loading = true;
	if (!err)
		err = k->ops.read(k->ctx, buf_span(&text));
	k->is_loading = false;
	buf_fini(&text);
	if (err && err != -ENOENT)
		fail(k, err);
	return err;
}

int kept_new(struct kept **out, struct loop *loop,
	     const struct kept_options *options, const struct kept_ops *ops,
	     void *ctx)
{
	struct kept *k = calloc(1, sizeof(*k));
	int err = WEIR_ENOMEM;

	if (!k)
		return err;
	k->loop = loop;
	k->ops = *ops;
	k->ctx = ctx;
	k->bytes_max = options->bytes_max;
	k->each_ms = options->each_ms;
	k->log = options->log;
	k->file = strdup(options->file);
	if (k->file)
		err = timer_new(&k->timer, loop, on_timer, k);
	if (!err)
		err = disk_new(&k->disk, loop, options->file, on_written, k);
	if (err)
		kept_free(&k);
	else
		*out = k;
	return err;
}

void kept_free(struct kept **kp)
{
	struct kept *k = *kp;

	if (!k)
		return;
	*kp = NULL;
	timer_free(&k->timer);
	disk_free(&k->disk);
	buf_fini(&k->text);
	free(k->file);
	free(k);
}
