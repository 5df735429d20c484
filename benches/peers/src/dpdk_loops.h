/* What the measured loops of DPDK share. */
#ifndef DPDK_LOOPS_H
#define DPDK_LOOPS_H

#include <stdint.h>

#include <rte_pause.h>

#define BURST 32
#define LIVE 1024
#define ESCAPE(p) __asm__ volatile("" : : "r"(p) : "memory")
#define INLINE static inline __attribute__((always_inline))

/* Pauses before the second look, and the maximum between two looks. */
struct wait {
	uint32_t first, most;
};

INLINE void idle(uint32_t *pauses, struct wait w)
{
	for (uint32_t i = 0; i < *pauses; i++)
		rte_pause();
	*pauses = *pauses * 2 < w.most ? *pauses * 2 : w.most;
}

#endif
