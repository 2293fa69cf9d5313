/* common/svc/spare.c - memory that streams have left goes back to the machine.
 *
 * What is freed in the middle of its heap, glibc keeps: a process that once had
 * many streams would stay as large as it was then. Giving back takes about 0.1 ms
 * for each MB, on the loop; so it is done seldom, and where it is worth it.
 */
#include <malloc.h>

#include "common/svc/svc_priv.h"

#define LOOK_MS     10000
#define WORTH_BYTES ((size_t)4 * 1024 * 1024)

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
	struct mallinfo2 m = mallinfo2();

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
