/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The shared regions of a runtime: memory that a process maps and the kernel
 * reads and writes through its own mapping, from any context.
 *
 * The pages belong to the module and live as long as the runtime: they outlive
 * the process's mappings, so a table can be read while its program is wedged
 * or already dead.
 *
 * Two kinds of backing:
 *   linear	all pages at once, contiguous in the kernel: a record is an
 *		addition away (R and P, and M of the kernel's own runtime)
 *   sparse	a page when somebody first touches it (M and G)
 */
#ifndef KGO_REGION_H
#define KGO_REGION_H

#include <linux/types.h>
#include <linux/xarray.h>

struct kgo_runtime;
struct vm_area_struct;

enum kgo_region_id {
	KGO_REGION_R,
	KGO_REGION_P,
	KGO_REGION_M,
	KGO_REGION_C,
	KGO_REGION_G,
	KGO_NR_REGIONS,
};

/*
 * C: constant while it is initialised
 * X: xarray rules; a page that was stored stays until kgo_region_exit()
 */
struct kgo_region {
	unsigned long	nr_pages;	/* C */
	void		*linear;	/* C: NULL if sparse */
	struct xarray	pages;		/* X: if sparse */
};

int kgo_region_init(struct kgo_region *rg, u64 bytes, bool linear);
void kgo_region_exit(struct kgo_region *rg);
void *kgo_region_at(struct kgo_region *rg, u64 offset);
void *kgo_region_populate(struct kgo_region *rg, u64 offset);
bool kgo_region_next(struct kgo_region *rg, u64 *offset);

int kgo_region_mmap(struct kgo_runtime *rt, struct vm_area_struct *vma);

#endif
