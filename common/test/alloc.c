/* common/test/alloc.c - the counting and failing allocator under the tests. */
#include "common/test/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Weak: without --wrap nobody defines them, and nobody calls __wrap_*. */
void *__real_malloc(size_t len) __attribute__((weak));
void *__real_calloc(size_t count, size_t len) __attribute__((weak));
void *__real_realloc(void *p, size_t len) __attribute__((weak));
void __real_free(void *p) __attribute__((weak));

void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *p, size_t len);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t max);

#define SLOT_BITS  18
#define SLOT_COUNT (1U << SLOT_BITS)

struct slot {
	uintptr_t block; /* 0: empty */
	size_t len;
	uint64_t call;
	uint64_t round; /* which alloc_begin it belongs to */
	const void *site;
};

/* One per process: the linker gives us no context to carry. */
static struct {
	pthread_mutex_t lock; /* third-party threads may run our callbacks */
	uint64_t round;
	uint64_t failing;
	const void **starved; /* who met it */
	struct alloc_totals totals;
	struct slot slots[SLOT_COUNT]; /* linear probing */
} heap = {.lock = PTHREAD_MUTEX_INITIALIZER, .failing = ALLOC_NEVER};

#define CALLER() __builtin_return_address(0)

static uint32_t slot_home(uintptr_t block)
{
	return (uint32_t)((block >> 4) * 0x9e3779b97f4a7c15ULL >>
			  (64 - SLOT_BITS));
}

/* The slot of `block`, or the empty one where it would stand. */
static struct slot *slot_find(uintptr_t block)
{
	uint32_t i = slot_home(block);

	while (heap.slots[i].block && heap.slots[i].block != block)
		i = (i + 1) % SLOT_COUNT;
	return &heap.slots[i];
}

/* Empty a slot and close the gap that it would leave in a probe run. */
static void slot_clear(struct slot *s)
{
	uint32_t hole = (uint32_t)(s - heap.slots);
	uint32_t i = hole;

	for (;;) {
		i = (i + 1) % SLOT_COUNT;
		if (!heap.slots[i].block)
			break;
		uint32_t home = slot_home(heap.slots[i].block);

		if ((i - home) % SLOT_COUNT < (i - hole) % SLOT_COUNT)
			continue;
		heap.slots[hole] = heap.slots[i];
		hole = i;
	}
	heap.slots[hole] = (struct slot){0};
}

/* Forget a block that leaves; one that we never saw is fine. */
static void note_gone(uintptr_t block)
{
	struct slot *s = slot_find(block);

	if (!s->block)
		return;
	if (s->round == heap.round) {
		heap.totals.live_count--;
		heap.totals.live_bytes -= s->len;
	}
	slot_clear(s);
}

static void note_block(uintptr_t block, size_t len, uint64_t call,
		       const void *site)
{
	struct alloc_totals *t = &heap.totals;

	note_gone(block); /* a library freed it without telling us */
	if (t->live_count >= SLOT_COUNT / 2) {
		fprintf(stderr, "more live blocks than the test can watch\n");
		abort();
	}
	*slot_find(block) = (struct slot){block, len, call, heap.round, site};
	t->live_count++;
	t->live_bytes += len;
	if (t->live_bytes > t->peak_bytes)
		t->peak_bytes = t->live_bytes;
}

/* Count a call: returns its number, or ALLOC_NEVER when it shall fail. */
static uint64_t note_call(const void *site)
{
	uint64_t call = heap.totals.call_count++;

	if (call != heap.failing)
		return call;
	*heap.starved = site;
	errno = ENOMEM;
	return ALLOC_NEVER;
}

static void *alloc_zeroed_if(int is_zeroed, size_t count, size_t len,
			     const void *site)
{
	uint64_t call;
	void *p = NULL;

	pthread_mutex_lock(&heap.lock);
	call = note_call(site);
	if (call != ALLOC_NEVER)
		p = is_zeroed ? __real_calloc(count, len) : __real_malloc(len);
	if (p)
		note_block((uintptr_t)p, count * len, call, site);
	pthread_mutex_unlock(&heap.lock);
	return p;
}

void *__wrap_malloc(size_t len)
{
	return alloc_zeroed_if(0, 1, len, CALLER());
}

void *__wrap_calloc(size_t count, size_t len)
{
	return alloc_zeroed_if(1, count, len, CALLER());
}

void *__wrap_realloc(void *old, size_t len)
{
	const uintptr_t before = (uintptr_t)old;
	const void *site = CALLER();
	uint64_t call;
	void *p = NULL;

	pthread_mutex_lock(&heap.lock);
	call = note_call(site);
	if (call != ALLOC_NEVER) {
		p = __real_realloc(old, len);
		if (before && (p || !len))
			note_gone(before);
	}
	if (p)
		note_block((uintptr_t)p, len, call, site);
	pthread_mutex_unlock(&heap.lock);
	return p;
}

void __wrap_free(void *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&heap.lock);
	note_gone((uintptr_t)p);
	__real_free(p);
	pthread_mutex_unlock(&heap.lock);
}

static char *copy_text(const char *s, size_t len, const void *site)
{
	char *p = alloc_zeroed_if(0, 1, len + 1, site);

	if (p) {
		memcpy(p, s, len);
		p[len] = '\0';
	}
	return p;
}

char *__wrap_strdup(const char *s)
{
	return copy_text(s, strlen(s), CALLER());
}

char *__wrap_strndup(const char *s, size_t max)
{
	return copy_text(s, strnlen(s, max), CALLER());
}

int alloc_is_wrapped(void)
{
	return __real_malloc != NULL;
}

void alloc_begin(uint64_t failing, const void **starved)
{
	pthread_mutex_lock(&heap.lock);
	heap.failing = failing;
	heap.starved = starved;
	heap.totals = (struct alloc_totals){0};
	heap.round++;
	pthread_mutex_unlock(&heap.lock);
}

struct alloc_totals alloc_totals(void)
{
	struct alloc_totals t;

	pthread_mutex_lock(&heap.lock);
	t = heap.totals;
	t.oldest_call = ALLOC_NEVER;
	for (uint32_t i = 0; t.live_count && i < SLOT_COUNT; i++) {
		const struct slot *s = &heap.slots[i];

		if (s->block && s->round == heap.round &&
		    s->call < t.oldest_call) {
			t.oldest_call = s->call;
			t.oldest = s->site;
		}
	}
	pthread_mutex_unlock(&heap.lock);
	return t;
}
