/*
 * The measured loops of DPDK.
 *
 * rte_mempool's and rte_ring's operations are static inline functions. Here they are inlined into
 * the loops, so that DPDK needs no call per operation, and compiled with -O3 -march=native. Every
 * loop does the same as its Rust counterpart; ESCAPE is what std::hint::black_box(&mut x) compiles
 * to.
 *
 * Each loop exists in two forms: with the calls that users write (rte_mempool_get, which looks up
 * the cache of the current lcore each time), and with a cache that the caller owns
 * (rte_mempool_generic_get), which needs no lookup and works on any thread.
 */
#include "dpdk_loops.h"

#include <stdlib.h>
#include <x86intrin.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#define SLOW 0x80000000u

/* A pool and the caller's cache of it; NULL: the lcore's cache, if the pool has any. */
struct side {
	struct rte_mempool *pool;
	struct rte_mempool_cache *cache;
};

int fp_eal_init(int argc, char **argv)
{
	return rte_eal_init(argc, argv);
}

/*
 * NO_IOVA_CONTIG, because no device uses these objects. Without the flag, on base pages, each object
 * would have its own page, so that all objects would lie in the same sets of the L1 cache. On
 * hugepages the flag makes no difference.
 */
struct rte_mempool *fp_pool_new(const char *name, unsigned count, unsigned size, unsigned cache)
{
	return rte_mempool_create(name, count, size, cache, 0, NULL, NULL, NULL, NULL,
				  SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
}

void fp_pool_free(struct rte_mempool *pool)
{
	rte_mempool_free(pool);
}

struct rte_mempool_cache *fp_cache_new(unsigned size)
{
	return rte_mempool_cache_create(size, SOCKET_ID_ANY);
}

void fp_cache_free(struct side s)
{
	rte_mempool_cache_flush(s.cache, s.pool);
	rte_mempool_cache_free(s.cache);
}

struct rte_ring *fp_ring_new(const char *name, unsigned count)
{
	return rte_ring_create(name, count, SOCKET_ID_ANY,
			       RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

void fp_ring_free(struct rte_ring *ring)
{
	rte_ring_free(ring);
}

INLINE int try_get(struct side s, void **objs, unsigned n, int own)
{
	if (own)
		return rte_mempool_generic_get(s.pool, objs, n, s.cache);
	if (n == 1)
		return rte_mempool_get(s.pool, objs);
	return rte_mempool_get_bulk(s.pool, objs, n);
}

INLINE void get(struct side s, void **objs, unsigned n, int own)
{
	if (unlikely(try_get(s, objs, n, own) != 0))
		abort();
}

INLINE void put(struct side s, void **objs, unsigned n, int own)
{
	if (own)
		rte_mempool_generic_put(s.pool, objs, n, s.cache);
	else if (n == 1)
		rte_mempool_put(s.pool, objs[0]);
	else
		rte_mempool_put_bulk(s.pool, objs, n);
}

/* Chooses between both forms of a loop once, outside of it. */
#define BOTH_FORMS(name, ...) \
	do { \
		if (s.cache != NULL) \
			name(s, __VA_ARGS__, 1); \
		else \
			name(s, __VA_ARGS__, 0); \
	} while (0)

INLINE void lifo(struct side s, uint64_t iterations, int own)
{
	for (uint64_t i = 0; i < iterations; i++) {
		void *obj;

		get(s, &obj, 1, own);
		ESCAPE(&obj);
		put(s, &obj, 1, own);
	}
}

void fp_lifo(struct side s, uint64_t iterations)
{
	BOTH_FORMS(lifo, iterations);
}

INLINE void batch32(struct side s, uint64_t iterations, int own)
{
	for (uint64_t i = 0; i < iterations; i++) {
		void *objs[BURST];

		for (int k = 0; k < BURST; k++)
			get(s, &objs[k], 1, own);
		ESCAPE(objs);
		for (int k = 0; k < BURST; k++)
			put(s, &objs[k], 1, own);
	}
}

void fp_batch32(struct side s, uint64_t iterations)
{
	BOTH_FORMS(batch32, iterations);
}

INLINE void burst32(struct side s, uint64_t iterations, int touch, int own)
{
	for (uint64_t i = 0; i < iterations; i++) {
		void *objs[BURST];

		get(s, objs, BURST, own);
		if (touch)
			for (int k = 0; k < BURST; k++)
				/* volatile: otherwise the compiler emits a scatter, which is slow. */
				*(volatile uint64_t *)objs[k] = k;
		ESCAPE(objs);
		put(s, objs, BURST, own);
	}
}

void fp_burst32(struct side s, uint64_t iterations)
{
	BOTH_FORMS(burst32, iterations, 0);
}

void fp_burst32_touched(struct side s, uint64_t iterations)
{
	BOTH_FORMS(burst32, iterations, 1);
}

INLINE void random1024(struct side s, uint64_t iterations, const uint16_t *order, int own)
{
	void *live[LIVE];

	for (uint64_t i = 0; i < iterations; i++) {
		for (int k = 0; k < LIVE; k++)
			get(s, &live[k], 1, own);
		ESCAPE(live);
		for (int k = 0; k < LIVE; k++)
			put(s, &live[order[k]], 1, own);
	}
}

void fp_random1024(struct side s, uint64_t iterations, const uint16_t *order)
{
	BOTH_FORMS(random1024, iterations, order);
}

INLINE void random_mixed(struct side s, uint64_t iterations, const uint16_t *order, int own)
{
	void *live[LIVE];

	for (uint64_t i = 0; i < iterations; i++) {
		for (int k = 0; k < LIVE; k += BURST)
			get(s, &live[k], BURST, own);
		ESCAPE(live);
		for (int k = 0; k < LIVE; k += BURST) {
			void *burst[BURST];

			for (int j = 0; j < BURST; j++)
				burst[j] = *(void *volatile *)&live[order[k + j]];
			put(s, burst, BURST, own);
		}
	}
}

void fp_random_mixed(struct side s, uint64_t iterations, const uint16_t *order)
{
	BOTH_FORMS(random_mixed, iterations, order);
}

INLINE void random_whole(struct side s, uint64_t iterations, const uint16_t *order, int own)
{
	void *live[LIVE / BURST][BURST];

	for (uint64_t i = 0; i < iterations; i++) {
		for (int k = 0; k < LIVE / BURST; k++)
			get(s, live[k], BURST, own);
		ESCAPE(live);
		for (int k = 0; k < LIVE / BURST; k++)
			put(s, live[order[k]], BURST, own);
	}
}

void fp_random_whole(struct side s, uint64_t iterations, const uint16_t *order)
{
	BOTH_FORMS(random_whole, iterations, order);
}

INLINE void line_write(struct side s, uint64_t iterations, unsigned size, int own)
{
	for (uint64_t i = 0; i < iterations; i++) {
		char *obj;

		get(s, (void **)&obj, 1, own);
		for (unsigned at = 0; at < size; at += 64)
			*(uint64_t *)(obj + at) = i;
		ESCAPE(&obj);
		put(s, (void **)&obj, 1, own);
	}
}

void fp_line_write(struct side s, uint64_t iterations, unsigned size)
{
	BOTH_FORMS(line_write, iterations, size);
}

INLINE uint64_t ticks(void)
{
	_mm_lfence();
	uint64_t t = __rdtsc();
	_mm_lfence();
	return t;
}

/*
 * One round: 1024 single gets, then 1024 puts in random order, each timed. An exchange with the common
 * pool (the cache was empty, or at its flush threshold) is marked SLOW. The cache must be owned.
 */
void fp_latency(struct side s, const uint16_t *order, uint32_t *gets, uint32_t *puts)
{
	void *live[LIVE];

	for (int k = 0; k < LIVE; k++) {
		uint32_t slow = s.cache->len == 0 ? SLOW : 0;
		uint64_t t = ticks();

		get(s, &live[k], 1, 1);
		gets[k] = (uint32_t)(ticks() - t) | slow;
	}
	ESCAPE(live);
	for (int k = 0; k < LIVE; k++) {
		uint32_t slow = s.cache->len >= s.cache->flushthresh ? SLOW : 0;
		uint64_t t = ticks();

		put(s, &live[order[k]], 1, 1);
		puts[k] = (uint32_t)(ticks() - t) | slow;
	}
}

/* Sends `blocks` blocks, `n` at a time. Waits while the pool is empty or the ring is full. */
INLINE void produce(struct side s, struct rte_ring *ring, uint64_t blocks, unsigned n, struct wait w)
{
	for (uint64_t i = 0; i < blocks; i += n) {
		uint32_t pauses = w.first;
		void *objs[BURST];

		while (try_get(s, objs, n, 1) != 0)
			rte_pause();
		ESCAPE(objs);
		while (rte_ring_sp_enqueue_bulk(ring, objs, n, NULL) == 0)
			idle(&pauses, w);
	}
}

INLINE void consume(struct side s, struct rte_ring *ring, uint64_t blocks, unsigned n, struct wait w)
{
	uint32_t pauses = w.first;

	for (uint64_t i = 0; i < blocks;) {
		void *objs[BURST];
		unsigned got = rte_ring_sc_dequeue_burst(ring, objs, n, NULL);

		if (got == 0) {
			idle(&pauses, w);
			continue;
		}
		pauses = w.first;
		ESCAPE(objs);
		/* The usual count as a constant, so that the copy is unrolled. */
		if (likely(got == n))
			put(s, objs, n, 1);
		else
			put(s, objs, got, 1);
		i += got;
	}
}

void fp_produce1(struct side s, struct rte_ring *ring, uint64_t blocks, struct wait w)
{
	produce(s, ring, blocks, 1, w);
}

void fp_produce32(struct side s, struct rte_ring *ring, uint64_t blocks, struct wait w)
{
	produce(s, ring, blocks, BURST, w);
}

void fp_consume1(struct side s, struct rte_ring *ring, uint64_t blocks, struct wait w)
{
	consume(s, ring, blocks, 1, w);
}

void fp_consume32(struct side s, struct rte_ring *ring, uint64_t blocks, struct wait w)
{
	consume(s, ring, blocks, BURST, w);
}

/* A ring of elements of `size` bytes, for one producer and one consumer. */
struct rte_ring *fp_ring_of(const char *name, unsigned count, unsigned size)
{
	return rte_ring_create_elem(name, size, count, SOCKET_ID_ANY,
				    RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

/* Sends messages of `size` bytes, `n` at a time, from memory that was written long before. */
INLINE void ring_send(struct rte_ring *ring, uint64_t messages, unsigned size, unsigned n,
		      struct wait w)
{
	uint64_t values[BURST * 8] = {0};

	for (uint64_t i = 0; i < messages; i += n) {
		uint64_t *message = n == 1 ? values + i % BURST * (size / 8) : values;
		uint32_t pauses = w.first;

		ESCAPE(values);
		while (rte_ring_sp_enqueue_bulk_elem(ring, message, size, n, NULL) == 0)
			idle(&pauses, w);
	}
}

INLINE void ring_receive(struct rte_ring *ring, uint64_t messages, unsigned size, unsigned n,
			 struct wait w)
{
	uint64_t message[BURST * 8];

	for (uint64_t i = 0; i < messages; i += n) {
		uint32_t pauses = w.first;

		while (rte_ring_sc_dequeue_bulk_elem(ring, message, size, n, NULL) == 0)
			idle(&pauses, w);
		ESCAPE(message);
	}
}

/* Sizes and counts as constants, so that the copies are unrolled. */
void fp_ring_send(struct rte_ring *ring, uint64_t messages, unsigned size, unsigned n,
		  struct wait w)
{
	if (size == 8)
		n == 1 ? ring_send(ring, messages, 8, 1, w) : ring_send(ring, messages, 8, BURST, w);
	else
		n == 1 ? ring_send(ring, messages, 64, 1, w) : ring_send(ring, messages, 64, BURST, w);
}

void fp_ring_receive(struct rte_ring *ring, uint64_t messages, unsigned size, unsigned n,
		     struct wait w)
{
	if (size == 8)
		n == 1 ? ring_receive(ring, messages, 8, 1, w) : ring_receive(ring, messages, 8, BURST, w);
	else
		n == 1 ? ring_receive(ring, messages, 64, 1, w) : ring_receive(ring, messages, 64, BURST, w);
}
