/* common/svc/spare.c - memory that streams have left goes back to the machine.
 *
 * What is freed in the middle of its heap, glibc keeps: a process that once had
 * many streams would stay as large as it was then. Giving back takes about 0.1 ms
 * for each MB, on the loop; so it is done seldom, and where it is worth it. To ask
 * whether it is takes as long where much is in use: glibc walks through all that is
 * free between it. So the first question is whether there is less to do than before.
 */
#include <malloc.h>

#include "common/io/usage.h"
#include "common/svc/svc_priv.h"

#define LOOK_MS     10000
#define WORTH_BYTES ((size_t)4 * 1024 * 1024)
#define LOOKS       64 /* then less to do is what is usual */

/* Logs of streams stay for a while: looks after 1, 2, 4 to LOOKS times LOOK_MS. */
bool svc_spare_wants_look(struct svc_spare *s, uint64_t cpu_us)
{
	const uint64_t work_us = cpu_us - s->cpu_us;
	const bool is_less = work_us <= s->most_us / 2;

	s->cpu_us = cpu_us;
	s->most_us = WEIR_MAX(s->most_us, work_us);
	s->less_looks = is_less ? s->less_looks + 1 : 0;
	if (s->less_looks == LOOKS) {
		s->less_looks = 0;
		s->most_us = work_us;
		return true;
	}
	return is_less && !(s->less_looks & (s->less_looks - 1));
}

/* Pages that were given back count as free until they are used again: what
 * matters is how much more is free than at the least since then. */
bool svc_spare_is_due(struct svc_spare *s, size_t free_bytes, size_t used_bytes)
{
	s->least_bytes = WEIR_MIN(s->least_bytes, free_bytes);
	if (free_bytes < s->least_bytes + WORTH_BYTES ||
	    free_bytes < used_bytes)
		return false;
	s->least_bytes = free_bytes;
	return true;
}

static void on_look(struct svc *svc)
{
	struct mallinfo2 m;

	if (!svc_spare_wants_look(&svc->spare, io_cpu_us()))
		return;
	m = mallinfo2();
	if (svc_spare_is_due(&svc->spare, m.fordblks, m.uordblks))
		malloc_trim(0);
}

int svc_watch_spare(struct svc *svc)
{
	int err = timer_new(&svc->spare.timer, svc->loop, on_look, svc);

	if (!err)
		timer_repeat(svc->spare.timer, LOOK_MS);
	return err;
}
