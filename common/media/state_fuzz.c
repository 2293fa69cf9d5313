/* common/media/state_fuzz.c - any payload: what is read is written as it was. */
#include "common/media/state.h"
#include "common/media/track.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_of(data, len);
	struct epoch_state epoch;
	struct clock_state clock;
	struct cut_state cut;
	struct tracks tracks;
	struct buf b = {0};

	if (!epoch_state_read(&epoch, in))
		epoch_state_write(&b, &epoch);
	else if (!clock_state_read(&clock, in))
		clock_state_write(&b, &clock);
	else if (!cut_state_read(&cut, in))
		cut_state_write(&b, &cut);
	else if (!tracks_read(&tracks, in))
		tracks_write(&b, &tracks);
	BUG_ON(b.len && !span_eq(buf_span(&b), in));
	buf_fini(&b);
	return 0;
}
