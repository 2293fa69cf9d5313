/* common/media/key_fuzz.c - any address: a key or a fault; a key stays itself. */
#include "common/media/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = span_from(span_of(data, len), 1);
	enum stream_identity identity = len ? data[0] & 1 : 0;
	size_t cut = len ? data[0] >> 1 : 0;
	struct stream_key key, again;

	(void)stream_key_from_rtmp(&key, span_first(in, cut),
				   span_from(in, cut), identity);
	if (stream_key_from_path(&key, in, identity))
		return 0;
	BUG_ON(stream_key_app_len(&key) >= strlen(key.text));
	if (!strpbrk(key.text, "%?"))
		BUG_ON(stream_key_from_path(&again, span_str(key.text),
					    identity) ||
		       strcmp(key.text, again.text) != 0);
	return 0;
}
