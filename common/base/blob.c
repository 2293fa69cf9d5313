/* common/base/blob.c - bytes that are shared by reference. */
#include "common/base/blob.h"

#include <stdlib.h>

int blob_take_buf(struct blob **out, struct buf *b)
{
	struct blob *blob;
	uint8_t *fitting;

	if (buf_error(b))
		return buf_error(b);
	blob = calloc(1, sizeof(*blob));
	if (!blob)
		return WEIR_ENOMEM;
	/* Without the spare part; where that cannot be had it stays. */
	fitting = b->len ? realloc(b->data, b->len) : NULL;
	blob->refs = 1;
	blob->bytes = span_of(fitting ? fitting : b->data, b->len);
	b->data = NULL;
	b->len = b->cap = 0;
	*out = blob;
	return 0;
}

int blob_new(struct blob **out, struct span bytes)
{
	struct buf copy = {0};
	int err;

	buf_put(&copy, bytes);
	err = blob_take_buf(out, &copy);
	buf_fini(&copy);
	return err;
}

struct blob *blob_ref(struct blob *b)
{
	if (b) {
		BUG_ON(b->refs == 0 || b->refs == UINT32_MAX);
		b->refs++;
	}
	return b;
}

void blob_unref(struct blob **pb)
{
	struct blob *b = *pb;

	*pb = NULL;
	if (!b)
		return;
	BUG_ON(b->refs == 0);
	if (--b->refs)
		return;
	free((void *)(uintptr_t)b->bytes.data);
	free(b);
}
