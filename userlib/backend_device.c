// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The back end that asks the kernel: /dev/kgo, see <linux/kgo.h>.
 */
#include "backend.h"

#include <fcntl.h>
#include <linux/kgo_kchan.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEVICE	"/dev/kgo"

static int dev_fd = -1;

/* Leaves errno alone. */
static int dev_ioctl(unsigned long cmd, void *arg)
{
	return (int)arch_syscall(SYS_ioctl, dev_fd, (long)cmd, (long)arg, 0, 0,
				 0);
}

static size_t region_size(u32 n, u32 stride)
{
	return ((size_t)n * stride + KGO_PAGE - 1) & ~(KGO_PAGE - 1);
}

static int map_region(u64 offset, size_t size, char **to)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, dev_fd,
		       (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	*to = p;
	return 0;
}

static void unmap_regions(struct kgo_regions *reg, const struct kgo_setup *s)
{
	if (reg->cq)
		munmap(reg->cq, KGO_PAGE);
	if (reg->g)
		munmap(reg->g, region_size(s->nr_gs, KGO_G_STRIDE));
	if (reg->m)
		munmap(reg->m, region_size(s->nr_ms, KGO_M_STRIDE));
	if (reg->p)
		munmap(reg->p, region_size(s->nr_ps, KGO_P_STRIDE));
	if (reg->r)
		munmap(reg->r, KGO_PAGE);
	memset(reg, 0, sizeof(*reg));
}

static void device_close(struct kgo_regions *reg)
{
	const struct kgo_setup s = {
		.nr_ps = reg->r->nr_ps,
		.nr_ms = reg->r->nr_ms,
		.nr_gs = reg->r->nr_gs_max,
	};

	unmap_regions(reg, &s);
	close(dev_fd);
	dev_fd = -1;
}

static int device_open(u32 nr_ps, struct kgo_regions *reg, const char **why)
{
	struct kgo_query query = { .size = sizeof(query) };
	struct kgo_setup setup = {
		.size = sizeof(setup),
		.nr_ps = nr_ps,
		.features = KGO_FEAT_BLOCK,
	};
	int ret;

	memset(reg, 0, sizeof(*reg));
	*why = "open " DEVICE;
	dev_fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (dev_fd < 0)
		return -errno;
	*why = DEVICE " is of another version";
	ret = dev_ioctl(KGO_IOC_QUERY, &query);
	if (ret)
		goto close;
	ret = -EPROTONOSUPPORT;
	if (query.abi_version < KGO_ABI_VERSION)
		goto close;
	if (query.features & KGO_FEAT_PREEMPT) {
		setup.features |= KGO_FEAT_PREEMPT;
		setup.preempt_signal = (u32)kgo_preempt_signal();
	}
	*why = "KGO_IOC_SETUP";
	setup.features |= query.features & KGO_FEAT_DEADLOCK;
	/* KGO_PROCS may ask for more than the module gives. */
	if (setup.nr_ps > query.max_ps)
		setup.nr_ps = query.max_ps;
	ret = dev_ioctl(KGO_IOC_SETUP, &setup);
	if (ret)
		goto close;

	*why = "mmap " DEVICE;
	ret = map_region(KGO_MMAP_R, KGO_PAGE, (char **)&reg->r);
	if (!ret)
		ret = map_region(KGO_MMAP_P,
				 region_size(setup.nr_ps, KGO_P_STRIDE),
				 &reg->p);
	if (!ret)
		ret = map_region(KGO_MMAP_M,
				 region_size(setup.nr_ms, KGO_M_STRIDE),
				 &reg->m);
	if (!ret)
		ret = map_region(KGO_MMAP_G,
				 region_size(setup.nr_gs, KGO_G_STRIDE),
				 &reg->g);
	if (!ret && query.features & KGO_FEAT_KCHAN)
		ret = map_region(KGO_MMAP_C, KGO_PAGE, (char **)&reg->cq);
	if (!ret)
		return 0;
	unmap_regions(reg, &setup);
close:
	close(dev_fd);
	dev_fd = -1;
	return ret;
}

static int device_start(void)
{
	return 0;
}

static int device_attach(u32 *index)
{
	struct kgo_attach a = { .size = sizeof(a) };
	int ret = dev_ioctl(KGO_IOC_ATTACH, &a);

	if (!ret)
		*index = a.m;
	return ret;
}

static void device_detach(struct kgo_m *m)
{
	(void)m;
	dev_ioctl(KGO_IOC_DETACH, NULL);
}

static void device_cq_flush(void)
{
	dev_ioctl(KGO_IOC_CQ_FLUSH, NULL);
}

static int device_enter(struct kgo_m *m, u32 op, u32 flags, u32 target,
			u64 deadline)
{
	struct kgo_enter e = {
		.size = sizeof(e),
		.op = op,
		.flags = flags,
		.target = target,
		.deadline = deadline,
	};
	int ret;

	(void)m;	/* the kernel writes m->d.p */
	for (;;) {
		ret = dev_ioctl(KGO_IOC_ENTER, &e);
		if (likely(ret != -EINTR))
			return ret < 0 ? ret : (int)e.result;
		/*
		 * A signal while parked, and its handler has run.  The P is
		 * given up or given away already: only wait again.
		 */
		e.flags &= ~KGO_ENTER_F_GIVE;
		e.target = 0;
	}
}

const struct kgo_backend_ops kgo_backend_device = {
	.name = "device",
	.id = KGO_BACKEND_DEVICE,
	.open = device_open,
	.start = device_start,
	.close = device_close,
	.attach = device_attach,
	.detach = device_detach,
	.cq_flush = device_cq_flush,
	.enter = device_enter,
};
