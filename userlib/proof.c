// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Proof that a goroutine is leaked: nothing that could wake it has a way to
 * what it waits for.
 *
 * Memory is read as a conservative collector reads it: any aligned word may be
 * a pointer.  What is alive: all memory that can be written, but for the stacks
 * of goroutines, the channels that somebody waits on, and what the library has
 * for itself.  From there on, to a fixpoint:
 *
 *   a pointer into a channel		the channel is alive, with what is in it, and
 *					who waits on it
 *   a pointer into a goroutine's stack	that stack is alive, and who waits for a
 *					lock that lies on it
 *   a goroutine is alive		so is its stack
 *
 * Who is not alive then waits for ever.  So does who waits on a nil channel or
 * in an empty select, without any proof.
 *
 * The idea is that of partial deadlock detection by the collector (Saioc et al.,
 * "Dynamic Partial Deadlock Detection and Recovery via Garbage Collection",
 * 2025).  There is no collector here: memory that was freed, or that nobody
 * frees, keeps alive what it points to.  That hides leaks, and never invents
 * one.  The same goes for a lock in the heap, whose surroundings are not known,
 * and for waits that are not for one object alone (a timer, a select).
 *
 * What the library has for itself must not keep anything alive by what it once
 * was: stacks that are free, stacks of signal handlers, free places in its
 * tables are left out, and a thread clears its stack before libc keeps it for
 * another one (m.c).
 *
 * Nothing else may run meanwhile: every other thread must be parked, or
 * registers and memory in motion would have to be caught.  Whether that was so
 * shows afterwards, by what the scheduler counts.
 *
 * Rejected: stopping all threads by signals (a system call would return EINTR,
 * which nothing else of this library does to a program); a snapshot by fork()
 * (pages are shared one after the other while others write).
 */
#include "backend_futex.h"
#include "san.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CHUNK		(64UL << 10)
#define TRIES		500U
#define NAP_NS		2000000L
#define MAX_OWN		64U	/* ranges beside those that are counted */

enum {
	P_EXISTS	= 0x1,
	P_CANDIDATE	= 0x2,	/* not alive unless it is found to be */
	P_LIVE		= 0x4,
	P_STACK		= 0x8,	/* its stack is alive */
	P_STACK_DONE	= 0x10,
	P_OBJECT_DONE	= 0x20,
};

struct range {
	u64	lo, hi;
	u32	g;	/* who waits for it; whose stack it is; 0: no matter */
};

/* All that the search needs, in a mapping of its own, which it does not read. */
struct proof {
	size_t	size;
	u32	nr_gs;
	u32	nr_objects, nr_stacks, nr_out, max_out;
	u64	lo, hi;			/* pointers between them matter */
	u64	frame;			/* of the caller, the library above it */
	struct kgo_g *self;
	bool	changed;
	bool	too_many;		/* ranges: more came since they were counted */
	u8	*state;			/* by index of a goroutine */
	struct range *objects;		/* by lo */
	struct range *stacks;		/* by lo */
	struct range *out;		/* not to be read as roots, by lo */
	u64	*buf;
};

/* What shows that others have run. */
struct pulse {
	u64	ticks, ended;
	u32	spare, threads;
};

static int by_lo(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void feel(struct pulse *p)
{
	struct stat st;
	u32 i;

	p->ticks = 0;
	p->threads = 0;
	for (i = 0; i < kgo_rt.nr_ps; i++)
		p->ticks += port_load(&kgo_p_at(i)->d.schedtick);
	p->ended = kgo_num_ended();
	p->spare = port_load(&kgo_rt.r->nr_spare);
	if (!stat("/proc/self/task", &st))
		p->threads = (u32)st.st_nlink - 2 - kgo_futex.monitored;
}

/*
 * All other threads are parked.  One that comes back from its park and finds
 * nothing does no harm; one that finds something shows in the ticks.
 */
static bool is_quiet(const struct pulse *p)
{
	return p->threads == p->spare + 1;
}

static void hit_objects(struct proof *p, u64 lo)
{
	u32 a = 0, b = p->nr_objects, mid;

	/* The first that begins at lo. */
	while (a < b) {
		mid = (a + b) / 2;
		if (p->objects[mid].lo < lo)
			a = mid + 1;
		else
			b = mid;
	}
	for (; a < p->nr_objects && p->objects[a].lo == lo; a++) {
		u8 *state = &p->state[p->objects[a].g];

		if (*state & P_LIVE)
			continue;
		*state |= P_LIVE | P_STACK;
		p->changed = true;
	}
}

/* The range that begins at or below v, if v is in it. */
static const struct range *find(const struct range *r, u32 n, u64 v)
{
	u32 a = 0, b = n, mid;

	while (a < b) {
		mid = (a + b) / 2;
		if (r[mid].lo <= v)
			a = mid + 1;
		else
			b = mid;
	}
	return a && v < r[a - 1].hi ? &r[a - 1] : NULL;
}

static void check_word(struct proof *p, u64 v)
{
	const struct range *r;

	if (v < p->lo || v >= p->hi)
		return;
	r = find(p->stacks, p->nr_stacks, v);
	if (r) {
		if (!(p->state[r->g] & P_STACK)) {
			p->state[r->g] |= P_STACK;
			p->changed = true;
		}
		hit_objects(p, r->lo);
		return;
	}
	r = find(p->objects, p->nr_objects, v);
	if (r)
		hit_objects(p, r->lo);
}

/* Pages that cannot be read hold no pointers. */
static void read_all(struct proof *p, u64 lo, u64 hi)
{
	struct iovec local = { .iov_base = p->buf }, remote;
	long got;
	u64 at;
	u32 i;

	for (at = (lo + 7) & ~7ULL; at + 8 <= hi; at += (u64)got) {
		local.iov_len = hi - at < CHUNK ? (hi - at) & ~7UL :
				CHUNK - (at & (KGO_PAGE - 1));
		remote.iov_base = (void *)at;
		remote.iov_len = local.iov_len;
		got = arch_syscall(SYS_process_vm_readv, getpid(), (long)&local,
				   1, (long)&remote, 1, 0);
		if (got < 8) {
			got = (long)(KGO_PAGE - (at & (KGO_PAGE - 1)));
			continue;
		}
		got &= ~7L;
		for (i = 0; i < got / 8; i++)
			check_word(p, p->buf[i]);
	}
}

static void leave_out(struct proof *p, u64 lo, u64 hi)
{
	struct range *r;

	if (p->nr_out == p->max_out) {
		p->too_many = true;
		return;
	}
	r = &p->out[p->nr_out++];
	r->lo = lo;
	r->hi = hi;
}

/* A mapping but for what is left out. */
static void read_roots(struct proof *p, u64 lo, u64 hi)
{
	u32 i;

	for (i = 0; i < p->nr_out && lo < hi; i++) {
		const struct range *r = &p->out[i];

		if (r->hi <= lo)
			continue;
		if (r->lo >= hi)
			break;
		if (r->lo > lo)
			read_all(p, lo, r->lo);
		lo = r->hi;
	}
	if (lo < hi)
		read_all(p, lo, hi);
}

typedef void (*map_fn)(struct proof *p, u64 lo, u64 hi);

/* Every mapping that can be written.  Returns 0 or -errno. */
static int walk_maps(struct proof *p, map_fn fn)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long lo, hi;
	char line[512], perm[5];
	bool whole = true;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (whole && sscanf(line, "%lx-%lx %4s", &lo, &hi, perm) == 3 &&
		    perm[0] == 'r' && perm[1] == 'w')
			fn(p, lo, hi);
		whole = strchr(line, '\n');
	}
	fclose(f);
	return 0;
}

/* Of a thread's stack the library has what is below its own first frame. */
static void leave_out_thread(struct proof *p, u64 lo, u64 hi)
{
	u64 top;
	u32 i;

	for (i = 0; i < kgo_rt.nr_ms; i++) {
		struct port_m *pm = kgo_m_at(i)->port;

		if (!port_load(&kgo_m_at(i)->d.tid) || !pm)
			continue;
		top = (u64)pm->stack_top;
		if (top >= lo && top < hi)
			leave_out(p, lo, top);
	}
	if (!p->self->d.stack_lo && p->frame >= lo && p->frame < hi)
		leave_out(p, lo, p->frame);
}

/* One that no goroutine has any more, not even a dead one. */
static void leave_out_stack(u64 lo, u64 hi, void *arg)
{
	leave_out(arg, lo, hi);
}

/* Places in a heap that are free still say who was there. */
static void leave_out_free_timers(struct proof *p, const struct kgo_timers *ts)
{
	leave_out(p, (u64)(ts->heap + ts->n), (u64)(ts->heap + ts->cap));
}

/*
 * A signal leaves the registers of whom it interrupted there, and nothing runs
 * on it now: who is in a handler of ours is not parked, and one of a program's
 * cannot make a goroutine ready.
 */
static void leave_out_altstack(struct proof *p, const struct port_m *pm)
{
	if (pm && pm->altstack)
		leave_out(p, (u64)pm->altstack,
			  (u64)pm->altstack + pm->altstack_size);
}

static bool waits_for_ever(u32 reason)
{
	return reason == KGO_WAIT_CHAN_SEND_NIL ||
	       reason == KGO_WAIT_CHAN_RECEIVE_NIL ||
	       reason == KGO_WAIT_SELECT_EMPTY;
}

/*
 * Is it alive for certain?  If not, what is it that it waits for, as far as
 * that can be told: a channel, or a lock on a stack.
 */
static void judge(struct proof *p, struct kgo_g *g, u32 i)
{
	u32 reason = port_load(&g->d.reason);
	const void *on = port_load(&g->wait_on);
	const struct range *stack;

	p->state[i] = P_EXISTS | P_LIVE | P_STACK;
	if (port_load(&g->d.state) != KGO_G_WAITING || g->bound ||
	    !g->d.stack_lo || port_load(&g->d.flags) & KGO_GF_SYSTEM)
		return;
	if (waits_for_ever(reason)) {
		p->state[i] = P_EXISTS | P_CANDIDATE;
		return;
	}
	if (!on)
		return;
	if (reason == KGO_WAIT_CHAN_SEND || reason == KGO_WAIT_CHAN_RECEIVE) {
		/*
		 * Nobody has a pointer to its last word but glibc's malloc(),
		 * whose chunks begin in the last word of the one before.
		 */
		p->objects[p->nr_objects++] = (struct range) {
			.lo = (u64)on, .g = i,
			.hi = (u64)on + kgo_chan_size(on) - sizeof(u64),
		};
		leave_out(p, (u64)on, (u64)on + kgo_chan_size(on));
	} else {
		stack = find(p->stacks, p->nr_stacks, (u64)on);
		if (!stack)
			return;
		p->objects[p->nr_objects++] = (struct range) {
			.lo = stack->lo, .hi = stack->hi, .g = i,
		};
	}
	p->state[i] = P_EXISTS | P_CANDIDATE;
}

static void collect(struct proof *p)
{
	const void *table;
	size_t size;
	u32 i, state;

	for (i = 1; i < p->nr_gs; i++) {
		struct kgo_g *g = port_g(i);

		if (!g->d.stack_lo)
			continue;
		state = port_load(&g->d.state) & ~KGO_G_SCAN;
		leave_out(p, g->d.stack_lo, g->d.stack_hi);
		if (state != KGO_G_IDLE && state != KGO_G_DEAD)
			p->stacks[p->nr_stacks++] = (struct range) {
				.lo = g->d.stack_lo, .hi = g->d.stack_hi, .g = i,
			};
	}
	qsort(p->stacks, p->nr_stacks, sizeof(*p->stacks), by_lo);
	for (i = 1; i < p->nr_gs; i++) {
		state = port_load(&port_g(i)->d.state) & ~KGO_G_SCAN;
		if (state != KGO_G_IDLE && state != KGO_G_DEAD)
			judge(p, port_g(i), i);
	}
	qsort(p->objects, p->nr_objects, sizeof(*p->objects), by_lo);
	p->lo = ~0ULL;
	for (i = 0; i < p->nr_objects; i++) {
		p->lo = p->objects[i].lo < p->lo ? p->objects[i].lo : p->lo;
		p->hi = p->objects[i].hi > p->hi ? p->objects[i].hi : p->hi;
	}
	for (i = 0; i < p->nr_stacks; i++) {
		p->lo = p->stacks[i].lo < p->lo ? p->stacks[i].lo : p->lo;
		p->hi = p->stacks[i].hi > p->hi ? p->stacks[i].hi : p->hi;
	}

	kgo_stack_each_free(leave_out_stack, p);
	for (i = 0; i < kgo_rt.nr_ps; i++)
		leave_out_free_timers(p, &kgo_p_at(i)->timers);
	for (i = 0; i < kgo_rt.nr_ms; i++)
		leave_out_altstack(p, kgo_m_at(i)->port);

	table = kgo_addrq_table(&size);
	leave_out(p, (u64)table, (u64)table + size);
	leave_out(p, (u64)p, (u64)p + p->size);
	leave_out(p, (u64)kgo_rt.p_base,
		  (u64)kgo_rt.p_base + (u64)kgo_rt.nr_ps * KGO_P_STRIDE);
	leave_out(p, (u64)kgo_rt.m_base,
		  (u64)kgo_rt.m_base + (u64)kgo_rt.nr_ms * KGO_M_STRIDE);
	leave_out(p, (u64)kgo_g_base,
		  (u64)kgo_g_base + (u64)kgo_rt.nr_gs_max * KGO_G_STRIDE);
}

/* What a goroutine that is alive, or its stack, keeps alive. */
static void follow(struct proof *p, u32 i)
{
	struct kgo_g *g = port_g(i);
	u64 sp = g == p->self ? p->frame : g->d.sp;
	u32 k;

	if (p->state[i] & P_STACK && !(p->state[i] & P_STACK_DONE)) {
		p->state[i] |= P_STACK_DONE;
		if (g->d.stack_lo) {
			hit_objects(p, g->d.stack_lo);
			if (sp >= g->d.stack_lo && sp <= g->d.stack_hi)
				read_all(p, sp & ~7UL, g->d.stack_hi);
		}
	}
	if (p->state[i] & P_LIVE && !(p->state[i] & P_OBJECT_DONE)) {
		p->state[i] |= P_OBJECT_DONE;
		check_word(p, (u64)g->arg);
		for (k = 0; k < p->nr_objects; k++)
			if (p->objects[k].g == i &&
			    !find(p->stacks, p->nr_stacks, p->objects[k].lo))
				read_all(p, p->objects[k].lo,
					 p->objects[k].hi + sizeof(u64));
	}
}

static int search(struct proof *p)
{
	u32 i;
	int ret;

	collect(p);
	ret = walk_maps(p, leave_out_thread);
	if (ret)
		return ret;
	if (p->too_many)
		return -EAGAIN;
	qsort(p->out, p->nr_out, sizeof(*p->out), by_lo);
	ret = walk_maps(p, read_roots);
	if (ret)
		return ret;
	do {
		p->changed = false;
		for (i = 1; i < p->nr_gs; i++)
			follow(p, i);
	} while (p->changed);
	return 0;
}

static struct proof *proof_new(void)
{
	u32 n = port_load(&kgo_rt.r->nr_gs);
	/* Stack and channel of each; of an M its own stack and that of signals. */
	u32 nr_out = 2 * n + 2 * kgo_rt.nr_ms + kgo_rt.nr_ps +
		     kgo_stack_each_free(NULL, NULL) + MAX_OWN;
	size_t size = sizeof(struct proof) + CHUNK + n +
		      (2UL * n + nr_out) * sizeof(struct range) + KGO_PAGE;
	struct proof *p;

	size = (size + KGO_PAGE - 1) & ~(KGO_PAGE - 1);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	p->size = size;
	p->nr_gs = n;
	p->max_out = nr_out;
	p->buf = (u64 *)(p + 1);
	p->objects = (struct range *)((char *)p->buf + CHUNK);
	p->stacks = p->objects + n;
	p->out = p->stacks + n;
	p->state = (u8 *)(p->out + nr_out);
	return p;
}

/* Can memory be read that way at all? */
static bool can_read(struct proof *p)
{
	struct iovec local = { .iov_base = p->buf, .iov_len = 8 };
	struct iovec remote = { .iov_base = &p->size, .iov_len = 8 };

	return arch_syscall(SYS_process_vm_readv, getpid(), (long)&local, 1,
			    (long)&remote, 1, 0) == 8;
}

static bool is_leaked(const struct proof *p, u32 i)
{
	return p->state[i] & P_CANDIDATE && !(p->state[i] & P_LIVE) &&
	       !kgo_is_main(port_g(i));
}

static void out_leaked(struct kgo_out *out, void *arg)
{
	const struct proof *p = arg;
	u64 now = port_now();
	u32 i;

	for (i = 1; i < p->nr_gs; i++)
		if (is_leaked(p, i))
			kgo_out_one(out, port_g(i), now,
				    KGO_OUT_MS | KGO_OUT_STACK);
}

static int tell(struct proof *p, char **report)
{
	struct kgo_out out;
	off_t size;
	u32 i, n = 0;
	int ret = 0;

	for (i = 1; i < p->nr_gs; i++)
		n += is_leaked(p, i);
	if (!n || !report)
		return (int)n;
	memset(&out, 0, sizeof(out));
	out.fd = memfd_create("kgo-leak", MFD_CLOEXEC);
	if (out.fd < 0)
		return -errno;
	kgo_out_named(&out, out_leaked, p);
	kgo_out_flush(&out);
	size = lseek(out.fd, 0, SEEK_END);
	*report = calloc(1, (size_t)size + 1);
	if (!*report)
		ret = -ENOMEM;
	else if (pread(out.fd, *report, (size_t)size, 0) != size)
		ret = -EIO;
	close(out.fd);
	return ret ? ret : (int)n;
}

/*
 * One search, when all is quiet.  -EAGAIN if it was not.  A function of its own:
 * the stack from its caller's frame on is what the goroutine has.
 */
static noinline int prove(char **report)
{
	struct pulse before, after;
	struct proof *p;
	int ret;

	feel(&before);
	if (!before.threads)
		return -EOPNOTSUPP;
	if (!is_quiet(&before))
		return -EAGAIN;
	p = proof_new();
	if (!p)
		return -ENOMEM;
	p->self = port_self()->curg;
	/* Above the saved frame pointer and the return address. */
	p->frame = (u64)__builtin_frame_address(0) + 16;
	ret = can_read(p) ? search(p) : -EOPNOTSUPP;
	feel(&after);
	if (!ret && (before.ticks != after.ticks ||
		     before.ended != after.ended ||
		     before.threads != after.threads))
		ret = -EAGAIN;
	if (!ret)
		ret = tell(p, report);
	munmap(p, p->size);
	return ret;
}

int kgo_leak_proof(char **report)
{
	const struct timespec ts = { .tv_nsec = NAP_NS };
	u32 i;
	int ret;

	if (report)
		*report = NULL;
	if (!kgo_goid())
		return -EINVAL;
	if (SAN_READS_STACKS || SAN_THREADS)
		return -EOPNOTSUPP;
	for (i = 0; i < TRIES; i++) {
		/* What callers keep in registers goes to this frame. */
		__builtin_unwind_init();
		ret = prove(report);
		if (ret != -EAGAIN)
			return ret;
		/* A sleep of the goroutine would have others woken for it. */
		arch_syscall(SYS_nanosleep, (long)&ts, 0, 0, 0, 0, 0);
	}
	return -EBUSY;
}
