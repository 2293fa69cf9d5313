/* common/base/hash.h - 64-bit hashes of bytes.
 *
 * hash_bytes() with seed 0 is part of the contract between nodes: rendezvous
 * hashing over it must give the same answer everywhere, for ever.
 */
#ifndef WEIR_BASE_HASH_H
#define WEIR_BASE_HASH_H

#include "common/base/span.h"

/* SipHash-2-4 with key (seed, ~seed). */
uint64_t hash_bytes(uint64_t seed, struct span s);

/* The weight of `node` for `key`: the candidate with the highest weight is
 * chosen, the next highest is the second, and so on. */
uint64_t hash_rendezvous(struct span key, struct span node);

#endif
