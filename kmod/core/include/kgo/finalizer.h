/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Objects with references, and what is done when the last one is gone.
 *
 * Finalizers of all objects run one at a time, in the order in which the
 * objects lost their last reference, in one goroutine of the runtime's own: as
 * in Go, and unlike a destructor that is called in kgo_obj_put(), one may take
 * the locks that whoever put the object holds.  One that blocks holds up all
 * others: kgo_finalizer_stats(), kgo_dump() and debugfs say which, and for how
 * long.
 */
#ifndef KGO_FINALIZER_H
#define KGO_FINALIZER_H

/**
 * struct kgo_obj - An object with references, to be embedded
 * @refs: private
 * @queued: private
 * @finalizer: private
 * @name: private
 * @next: private
 */
struct kgo_obj {
	unsigned int refs;
	unsigned int queued;
	void (*finalizer)(struct kgo_obj *obj);
	const char *name;
	struct kgo_obj *next;
};

/**
 * kgo_obj_init_at() - Set an object up with one reference; use kgo_obj_init()
 * @obj: embedded in what it is for
 * @finalizer: called when the last reference is gone; mostly frees the object.
 *	It may take a reference, and the object lives on, until it is called
 *	again.  It must return
 * @name: static name of the finalizer, for the tables; or NULL
 *
 * CONTEXT: anywhere once the runtime runs; may sleep.
 * Return: 0; -EINVAL without @finalizer; -ENOMEM, -EAGAIN or -ESRCH as
 * kgo_go_at() if finalizers cannot run.  kgo_obj_put() cannot fail then.
 */
int kgo_obj_init_at(struct kgo_obj *obj, void (*finalizer)(struct kgo_obj *obj),
		    const char *name);

/** kgo_obj_init() - kgo_obj_init_at() that knows the name */
#define kgo_obj_init(obj, finalizer)					\
	kgo_obj_init_at((obj), (finalizer), #finalizer)

/**
 * kgo_obj_get() - Take one more reference
 * @obj: an object that the caller has a reference to; or that which the
 *	finalizer that runs is called for
 *
 * Panics if the object has no reference and is not being finalized.
 * CONTEXT: anywhere.  Return: @obj.
 */
struct kgo_obj *kgo_obj_get(struct kgo_obj *obj);

/**
 * kgo_obj_put() - Give a reference back
 * @obj: the object, or NULL; the caller does not touch it afterwards
 *
 * The last one queues the object for its finalizer.  Panics if there was none.
 * CONTEXT: anywhere; in a goroutine it may park.
 */
void kgo_obj_put(struct kgo_obj *obj);

/**
 * kgo_finalizer_drain() - Wait until no object is left to be finalized
 *
 * For tests and for the end of a program.  Objects that finalizers themselves
 * have put are waited for as well.
 * CONTEXT: a goroutine; parks.
 * Return: 0, or -EDEADLK in a finalizer.
 */
int kgo_finalizer_drain(void);

/**
 * struct kgo_finalizer_stats - What kgo_finalizer_stats() says
 * @queued: objects that wait for their finalizer
 * @done: finalizers that have returned
 * @running_ns: for how long one has been running, 0 if none is
 * @running: name of that one, or NULL
 */
struct kgo_finalizer_stats {
	unsigned long long queued;
	unsigned long long done;
	unsigned long long running_ns;
	const char *running;
};

/**
 * kgo_finalizer_stats() - How finalizers get on
 * @stats: out; a snapshot without a lock
 *
 * CONTEXT: anywhere, signal handlers included.
 * Return: false, and zeroes, if no object has ever been set up.
 */
bool kgo_finalizer_stats(struct kgo_finalizer_stats *stats);

#endif
