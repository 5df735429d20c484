/*
 * The measured loops of DPDK's packet buffers.
 *
 * As in ../dpdk_shim.c, every loop does the same as its Rust counterpart, and inline functions are inlined.
 * rte_pktmbuf_clone, rte_pktmbuf_free_bulk and rte_net_get_ptype are functions of DPDK's libraries.
 */
#include "../dpdk_loops.h"

#include <stdlib.h>
#include <string.h>

#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_net.h>
#include <rte_ring.h>

/* Bytes of each segment in chain4. */
#define LEN 64
/* Bytes of an Ethernet header. */
#define ETHERNET 14
#define SEGMENTS 4

/*
 * What rte_pktmbuf_pool_create does, with NO_IOVA_CONTIG: see fp_pool_new.
 */
struct rte_mempool *fp_mbufs_new(const char *name, unsigned count, unsigned room, unsigned cache)
{
	struct rte_pktmbuf_pool_private private = {
		.mbuf_data_room_size = RTE_PKTMBUF_HEADROOM + room,
	};
	unsigned size = sizeof(struct rte_mbuf) + private.mbuf_data_room_size;
	struct rte_mempool *pool =
		rte_mempool_create_empty(name, count, size, cache, sizeof(private), SOCKET_ID_ANY,
					 RTE_MEMPOOL_F_NO_IOVA_CONTIG);

	if (pool == NULL)
		return NULL;
	rte_pktmbuf_pool_init(pool, &private);
	if (rte_mempool_populate_default(pool) < 0) {
		rte_mempool_free(pool);
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

/* Makes the calling thread an lcore, so that it has a cache in each pool. */
int fp_lcore_begin(void)
{
	return rte_lcore_id() == LCORE_ID_ANY ? rte_thread_register() : 0;
}

void fp_lcore_end(void)
{
	rte_thread_unregister();
}

INLINE struct rte_mbuf *get(struct rte_mempool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (unlikely(m == NULL))
		abort();
	return m;
}

INLINE void get_burst(struct rte_mempool *pool, struct rte_mbuf **mbufs)
{
	if (unlikely(rte_pktmbuf_alloc_bulk(pool, mbufs, BURST) != 0))
		abort();
}

void fp_mbuf_lifo(struct rte_mempool *pool, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		struct rte_mbuf *m = get(pool);

		ESCAPE(&m);
		rte_pktmbuf_free(m);
	}
}

void fp_mbuf_burst32(struct rte_mempool *pool, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		struct rte_mbuf *mbufs[BURST];

		get_burst(pool, mbufs);
		ESCAPE(mbufs);
		rte_pktmbuf_free_bulk(mbufs, BURST);
	}
}

/* Frees as drivers with RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE do. */
void fp_mbuf_burst32_unshared(struct rte_mempool *pool, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		struct rte_mbuf *mbufs[BURST];

		get_burst(pool, mbufs);
		ESCAPE(mbufs);
		rte_mempool_put_bulk(pool, (void **)mbufs, BURST);
	}
}

/*
 * As drivers fill their queues, and as rte_mbuf_raw_alloc_bulk and rte_mbuf_raw_free_bulk do, which DPDK
 * has from 25.07 on.
 */
void fp_mbuf_burst32_raw(struct rte_mempool *pool, uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++) {
		void *mbufs[BURST];

		if (unlikely(rte_mempool_get_bulk(pool, mbufs, BURST) != 0))
			abort();
		ESCAPE(mbufs);
		rte_mempool_put_bulk(pool, mbufs, BURST);
	}
}

void fp_mbuf_random1024(struct rte_mempool *pool, uint64_t iterations, const uint16_t *order)
{
	struct rte_mbuf *live[LIVE];

	for (uint64_t i = 0; i < iterations; i++) {
		for (int k = 0; k < LIVE; k++)
			live[k] = get(pool);
		ESCAPE(live);
		for (int k = 0; k < LIVE; k++)
			rte_pktmbuf_free(live[order[k]]);
	}
}

/* A packet of LEN bytes. */
INLINE struct rte_mbuf *packet(struct rte_mempool *pool, const char *payload)
{
	struct rte_mbuf *m = get(pool);
	char *place = rte_pktmbuf_append(m, LEN);

	if (unlikely(place == NULL))
		abort();
	memcpy(place, payload, LEN);
	return m;
}

void fp_mbuf_clone_drop(struct rte_mempool *pool, uint64_t iterations)
{
	struct rte_mbuf *m = get(pool);

	for (uint64_t i = 0; i < iterations; i++) {
		struct rte_mbuf *other = rte_pktmbuf_clone(m, pool);

		if (unlikely(other == NULL))
			abort();
		ESCAPE(&other);
		rte_pktmbuf_free(other);
	}
	rte_pktmbuf_free(m);
}

/* The same without a second mbuf: both holders have the same pointer. */
void fp_mbuf_count_drop(struct rte_mempool *pool, uint64_t iterations)
{
	struct rte_mbuf *m = get(pool);

	for (uint64_t i = 0; i < iterations; i++) {
		struct rte_mbuf *other = m;

		rte_pktmbuf_refcnt_update(m, 1);
		ESCAPE(&other);
		rte_pktmbuf_free(other);
	}
	rte_pktmbuf_free(m);
}

void fp_mbuf_prepend(struct rte_mempool *pool, uint64_t iterations, const char *header)
{
	struct rte_mbuf *m = get(pool);

	for (uint64_t i = 0; i < iterations; i++) {
		char *place = rte_pktmbuf_prepend(m, ETHERNET);

		if (unlikely(place == NULL))
			abort();
		memcpy(place, header, ETHERNET);
		ESCAPE(&m);
		if (unlikely(rte_pktmbuf_adj(m, ETHERNET) == NULL))
			abort();
		ESCAPE(&m);
	}
	rte_pktmbuf_free(m);
}

void fp_mbuf_chain4(struct rte_mempool *pool, uint64_t iterations, const char *payload)
{
	for (uint64_t i = 0; i < iterations; i++) {
		struct rte_mbuf *head = packet(pool, payload);

		for (int k = 1; k < SEGMENTS; k++)
			if (unlikely(rte_pktmbuf_chain(head, packet(pool, payload)) != 0))
				abort();
		ESCAPE(&head);
		rte_pktmbuf_free(head);
	}
}

/* A completion of a card, as in single.rs. */
struct completion {
	uint32_t hash;
	uint16_t len, vlan;
};

/* The frames that fill the pool. */
struct frames {
	const uint8_t *bytes;
	uint32_t len, count;
};

static void fill_one(struct rte_mempool *pool, void *opaque, void *mbuf, unsigned i)
{
	const struct frames *frames = opaque;
	struct rte_mbuf *m = mbuf;

	(void)pool;
	memcpy((char *)m->buf_addr + RTE_PKTMBUF_HEADROOM, frames->bytes + i % frames->count * frames->len,
	       frames->len);
}

/* Writes a frame to each buffer, where a card would write it. */
void fp_mbufs_fill(struct rte_mempool *pool, struct frames frames)
{
	rte_mempool_obj_iter(pool, fill_one, &frames);
}

/* What a driver writes to the mbuf of a received packet, and the layers. */
INLINE void complete(struct rte_mbuf *m, const struct completion *c)
{
	struct rte_net_hdr_lens lens;

	m->data_off = RTE_PKTMBUF_HEADROOM;
	rte_mbuf_refcnt_set(m, 1);
	m->nb_segs = 1;
	m->port = 0;
	m->ol_flags = RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->pkt_len = c->len;
	m->data_len = c->len;
	m->vlan_tci = c->vlan;
	m->hash.rss = c->hash;
	m->packet_type = rte_net_get_ptype(
		m, &lens, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK | RTE_PTYPE_L4_MASK);
	m->l2_len = lens.l2_len;
	m->l3_len = lens.l3_len;
	m->l4_len = lens.l4_len;
}

/* Receives a burst, hands it over to the consumer, which looks at the facts, and frees it. */
uint64_t fp_mbuf_rx_path(struct rte_mempool *pool, struct rte_ring *ring,
			 const struct completion *completions, uint64_t iterations)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < iterations; i++) {
		struct rte_mbuf *mbufs[BURST], *received[BURST];

		if (unlikely(rte_mempool_get_bulk(pool, (void **)mbufs, BURST) != 0))
			abort();
		ESCAPE(completions);
		for (int k = 0; k < BURST; k++)
			complete(mbufs[k], &completions[k]);
		if (unlikely(rte_ring_sp_enqueue_bulk(ring, (void **)mbufs, BURST, NULL) == 0 ||
			     rte_ring_sc_dequeue_bulk(ring, (void **)received, BURST, NULL) == 0))
			abort();
		for (int k = 0; k < BURST; k++)
			if ((received[k]->packet_type & RTE_PTYPE_L4_MASK) == RTE_PTYPE_L4_UDP)
				sum += received[k]->data_len - received[k]->l2_len - received[k]->l3_len;
		ESCAPE(&sum);
		rte_pktmbuf_free_bulk(received, BURST);
	}
	return sum;
}

/* Sends `packets` packets, BURST at a time. Waits while the pool is empty or the ring is full. */
void fp_mbuf_produce(struct rte_mempool *pool, struct rte_ring *ring, uint64_t packets, struct wait w)
{
	for (uint64_t i = 0; i < packets; i += BURST) {
		uint32_t pauses = w.first;
		struct rte_mbuf *mbufs[BURST];

		while (rte_pktmbuf_alloc_bulk(pool, mbufs, BURST) != 0)
			rte_pause();
		ESCAPE(mbufs);
		while (rte_ring_sp_enqueue_bulk(ring, (void **)mbufs, BURST, NULL) == 0)
			idle(&pauses, w);
	}
}

void fp_mbuf_consume(struct rte_ring *ring, uint64_t packets, struct wait w)
{
	uint32_t pauses = w.first;

	for (uint64_t i = 0; i < packets;) {
		struct rte_mbuf *mbufs[BURST];
		unsigned got = rte_ring_sc_dequeue_burst(ring, (void **)mbufs, BURST, NULL);

		if (got == 0) {
			idle(&pauses, w);
			continue;
		}
		pauses = w.first;
		ESCAPE(mbufs);
		rte_pktmbuf_free_bulk(mbufs, got);
		i += got;
	}
}
