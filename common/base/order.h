/* common/base/order.h - numbers as bytes, in either order, wherever they stand.
 *
 * Big-endian unless the name ends in _le. Compilers make one load or store of
 * each.
 */
#ifndef WEIR_BASE_ORDER_H
#define WEIR_BASE_ORDER_H

#include <stdint.h>

static inline void store_u16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void store_u32(uint8_t *at, uint32_t v)
{
	store_u16(at, (uint16_t)(v >> 16));
	store_u16(at + 2, (uint16_t)v);
}

static inline void store_u64(uint8_t *at, uint64_t v)
{
	store_u32(at, (uint32_t)(v >> 32));
	store_u32(at + 4, (uint32_t)v);
}

static inline void store_u16_le(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

static inline void store_u32_le(uint8_t *at, uint32_t v)
{
	store_u16_le(at, (uint16_t)v);
	store_u16_le(at + 2, (uint16_t)(v >> 16));
}

static inline void store_u64_le(uint8_t *at, uint64_t v)
{
	store_u32_le(at, (uint32_t)v);
	store_u32_le(at + 4, (uint32_t)(v >> 32));
}

static inline uint16_t load_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t load_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t load_u64(const uint8_t *at)
{
	return (uint64_t)load_u32(at) << 32 | load_u32(at + 4);
}

static inline uint16_t load_u16_le(const uint8_t *at)
{
	return (uint16_t)(at[1] << 8 | at[0]);
}

static inline uint32_t load_u32_le(const uint8_t *at)
{
	return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[1] << 8 | at[0];
}

static inline uint64_t load_u64_le(const uint8_t *at)
{
	return (uint64_t)load_u32_le(at + 4) << 32 | load_u32_le(at);
}

#endif
