/* common/registry/store_scene_test.h - a real redis-server, and a loop to serve
 * stores in until something holds.
 *
 * For tests alone; included once by each.
 */
#ifndef WEIR_REGISTRY_STORE_SCENE_TEST_H
#define WEIR_REGISTRY_STORE_SCENE_TEST_H

#include "common/registry/redis_server_test.h"

#define PATIENCE_MS 15000

/* A server and a loop to serve in; false: no server can be had. */
struct scene {
	struct loop *loop;
	struct server s;
};

static inline bool open_scene(struct scene *sc)
{
	*sc = (struct scene){0};
	if (!server_is_installed())
		return false;
	server_make(&sc->s);
	CHECK_EQ(loop_new(&sc->loop), 0);
	return true;
}

static inline void close_scene(struct scene *sc)
{
	loop_free(&sc->loop);
	server_stop(&sc->s);
}

static inline void on_patience(void *ctx)
{
	*(bool *)ctx = true;
}

/* Serve until `condition` holds; its text is what failed. */
#define SERVE_UNTIL(loop, condition)                                           \
	do {                                                                   \
		bool is_over_ = false;                                         \
		struct timer *t_ = NULL;                                       \
                                                                               \
		CHECK_EQ(timer_new(&t_, (loop), on_patience, &is_over_), 0);   \
		timer_start(t_, PATIENCE_MS);                                  \
		while (!(condition) && !is_over_)                              \
			loop_run_once(loop);                                   \
		timer_free(&t_);                                               \
		CHECK(condition);                                              \
	} while (0)

#endif
