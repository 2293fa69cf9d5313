/* common/test/vector.h - golden vectors: bytes from files, and what they yield.
 *
 * Paths are from the root of the tree, where tests run. Trouble with a file
 * fails the test.
 */
#ifndef WEIR_TEST_VECTOR_H
#define WEIR_TEST_VECTOR_H

#include "common/base/buf.h"

/* Append the file's bytes to `out`, which the caller ends with buf_fini. */
void vector_load(struct buf *out, const char *path);

/* Check that `text` is what the file says, but for its lines with '#'. */
void vector_check(const char *path, struct span text);

#endif
