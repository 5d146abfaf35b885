/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Semaphore: a bound on what is in use at one time, with weights.
 */
#ifndef KGO_SEMAPHORE_H
#define KGO_SEMAPHORE_H

struct kgo_ctx;

/**
 * struct kgo_semaphore - A weighted semaphore; KGO_SEMAPHORE_INIT() says its size
 * @size: how much there is; constant
 * @used: private: how much of it is acquired
 *
 * First come, first served: who asks for much is not overtaken by those who
 * ask for little.  There is nothing to free.
 */
struct kgo_semaphore {
	long long size;
	long long used;
};

/** define KGO_SEMAPHORE_INIT - Initializer of a semaphore with size_ units */
#define KGO_SEMAPHORE_INIT(size_)	{ (size_), 0 }

/** kgo_semaphore_init() - KGO_SEMAPHORE_INIT() of one that nobody uses yet */
void kgo_semaphore_init(struct kgo_semaphore *s, long long size);

/**
 * kgo_semaphore_acquire() - Acquire units, parking until they are free
 * @s: the semaphore
 * @ctx: gives up when this is done; NULL for never
 * @n: how many; more than there are: waits until @ctx is done
 *
 * CONTEXT: a goroutine; parks.
 * Return: 0; kgo_ctx_err() if @ctx was done before, nothing is acquired then;
 * -EINVAL for a negative @n; -ENOMEM without memory to watch @ctx.
 */
int kgo_semaphore_acquire(struct kgo_semaphore *s, struct kgo_ctx *ctx,
			  long long n);

/**
 * kgo_semaphore_try_acquire() - Acquire units if they are free
 * @s: the semaphore
 * @n: how many
 *
 * CONTEXT: any.
 * Return: true if acquired; never before those who wait.
 */
bool kgo_semaphore_try_acquire(struct kgo_semaphore *s, long long n);

/**
 * kgo_semaphore_release() - Give units back
 * @s: the semaphore
 * @n: how many; to release more than is acquired panics
 *
 * CONTEXT: any.
 */
void kgo_semaphore_release(struct kgo_semaphore *s, long long n);

#endif
