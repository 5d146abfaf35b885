/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Singleflight: of several who want the same thing at one time one gets it, and
 * all have it.
 */
#ifndef KGO_SINGLEFLIGHT_H
#define KGO_SINGLEFLIGHT_H

#include "sync.h"

struct kgo_chan;
struct kgo_dst;

/**
 * struct kgo_flight - The calls of one kind that are under way; all-zero: none
 * @mu: private
 * @calls: private
 *
 * There is nothing to free once no call is under way.
 */
struct kgo_flight {
	struct kgo_mutex mu;
	struct kgo_dst *calls;
};

/**
 * struct kgo_flight_result - What came of a call
 * @val: what the function stored; it is the same for all who shared the call,
 *	and what they do with it is between them
 * @err: what the function returned
 * @shared: more than one got this
 */
struct kgo_flight_result {
	void *val;
	int err;
	bool shared;
};

/**
 * kgo_flight_do() - Call a function, or wait for who does already
 * @f: the calls
 * @key: bytes that say what is wanted; compared, not kept
 * @len: how many
 * @fn: stores a value, returns 0 or -errno; called if no call with this key is
 *	under way
 * @arg: passed to @fn
 * @res: what came of it; may be NULL
 *
 * If @fn does not return (kgo_exit(), a panic), those who wait get -ECANCELED;
 * the caller's panic goes on.
 * CONTEXT: a goroutine; parks while another calls.
 * Return: res->err.
 */
int kgo_flight_do(struct kgo_flight *f, const void *key, size_t len,
		  int (*fn)(void *arg, void **val), void *arg,
		  struct kgo_flight_result *res);

/**
 * kgo_flight_do_chan_at() - kgo_flight_do() that does not wait; use
 * kgo_flight_do_chan()
 * @site: static record of the calling place, or NULL
 * @f: the calls
 * @key: as there; copied
 * @len: how many bytes
 * @fn: as there; called by a goroutine of its own
 * @arg: passed to @fn
 * @c: where one struct kgo_flight_result is sent; a channel of that element
 *	size with room for it, or the one who gets the result waits for its
 *	receiver.  NULL: nowhere.
 *
 * A panic of @fn ends the program: nobody is there to recover it.
 * CONTEXT: a goroutine; does not park.
 * Return: 0; nothing will be sent after -ENOMEM, or what kgo_go_at() returns.
 */
int kgo_flight_do_chan_at(const struct kgo_site *site, struct kgo_flight *f,
			  const void *key, size_t len,
			  int (*fn)(void *arg, void **val), void *arg,
			  struct kgo_chan *c);

/** kgo_flight_do_chan() - kgo_flight_do_chan_at() that remembers where it stands */
#define kgo_flight_do_chan(f, key, len, fn, arg, c)			\
	kgo_flight_do_chan_at(KGO_SITE(#fn), (f), (key), (len), (fn), (arg), (c))

/**
 * kgo_flight_forget() - Let the next caller call again
 * @f: the calls
 * @key: as there
 * @len: how many bytes
 *
 * Those who wait already get what the call under way comes to.
 * CONTEXT: a goroutine; may park.
 */
void kgo_flight_forget(struct kgo_flight *f, const void *key, size_t len);

#endif
