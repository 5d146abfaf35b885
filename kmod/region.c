// SPDX-License-Identifier: GPL-2.0
/*
 * The shared regions.  See region.h for what they are.
 *
 * Invariants:
 *   - A page that was seen once stays where it is for as long as the runtime
 *     lives; lookups take no lock and no reference.
 *   - Every page is charged to the memory cgroup of whoever made it exist.
 *   - A mapping holds the file, the file holds the runtime, the runtime holds
 *     the pages: no page is freed under a mapping.
 *
 * Trust: offsets come from the caller and are checked here against the size
 * that SETUP granted, never against what the runtime page says.
 *
 * Not part of a core dump: dumping would fill in every empty page of a table
 * that may be 2 GiB long.
 *
 * Rejected: remap_vmalloc_range() of one big allocation.  A table of a million
 * goroutines would cost 128 MiB before the first one is started.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>
#include <linux/kgo.h>
#include <linux/kgo_kchan.h>

#include "compat.h"
#include "region.h"
#include "runtime.h"

/* Charged to the caller, who is told when there is none: no need to warn. */
#define KGO_GFP_PAGES	(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)

/**
 * kgo_region_init() - Make a region
 * @rg: not in use
 * @bytes: size, rounded up to pages
 * @linear: all pages now and contiguous, else each when first touched
 *
 * CONTEXT: may sleep.  Return: 0 or -ENOMEM.
 */
int kgo_region_init(struct kgo_region *rg, u64 bytes, bool linear)
{
	rg->nr_pages = DIV_ROUND_UP_ULL(bytes, PAGE_SIZE);
	rg->linear = NULL;
	xa_init(&rg->pages);
	if (!linear)
		return 0;
	rg->linear = __vmalloc(rg->nr_pages << PAGE_SHIFT, KGO_GFP_PAGES);
	return rg->linear ? 0 : -ENOMEM;
}

/**
 * kgo_region_exit() - Free all pages
 * @rg: may be all-zero, or one whose kgo_region_init() failed
 *
 * CONTEXT: may sleep; no mapping and no reader is left.
 */
void kgo_region_exit(struct kgo_region *rg)
{
	struct page *page;
	unsigned long i;

	if (!rg->nr_pages)
		return;
	xa_for_each(&rg->pages, i, page) {
		put_page(page);
		cond_resched();
	}
	xa_destroy(&rg->pages);
	vfree(rg->linear);
	rg->linear = NULL;
	rg->nr_pages = 0;
}

/* The page of an index, or NULL if there is none (yet). */
static struct page *kgo_region_page(struct kgo_region *rg, unsigned long i)
{
	if (i >= rg->nr_pages)
		return NULL;
	if (rg->linear)
		return vmalloc_to_page(rg->linear + (i << PAGE_SHIFT));
	return xa_load(&rg->pages, i);
}

/* The same, made on demand: NULL only without memory or past the end. */
static struct page *kgo_region_make_page(struct kgo_region *rg, unsigned long i)
{
	struct page *page = kgo_region_page(rg, i);
	struct page *old;

	if (page || i >= rg->nr_pages)
		return page;

	page = alloc_page(KGO_GFP_PAGES);
	if (!page)
		return NULL;
	old = xa_cmpxchg(&rg->pages, i, NULL, page, GFP_KERNEL_ACCOUNT);
	if (!old)
		return page;
	__free_page(page);
	return xa_is_err(old) ? NULL : old;
}

static void *kgo_page_at(struct kgo_region *rg, struct page *page, u64 offset)
{
	if (rg->linear)
		return rg->linear + offset;
	return page_address(page) + offset_in_page(offset);
}

/**
 * kgo_region_at() - Kernel address of a byte
 * @rg: the region
 * @offset: from its start
 *
 * The record that begins there is whole if its stride divides the page size.
 * CONTEXT: any.  Return: NULL beyond the end, or if nobody touched that page.
 */
void *kgo_region_at(struct kgo_region *rg, u64 offset)
{
	struct page *page = kgo_region_page(rg, offset >> PAGE_SHIFT);

	return page ? kgo_page_at(rg, page, offset) : NULL;
}

/**
 * kgo_region_populate() - kgo_region_at() that makes the page
 * @rg: the region
 * @offset: from its start
 *
 * CONTEXT: may sleep.  Return: NULL beyond the end or without memory.
 */
void *kgo_region_populate(struct kgo_region *rg, u64 offset)
{
	struct page *page = kgo_region_make_page(rg, offset >> PAGE_SHIFT);

	return page ? kgo_page_at(rg, page, offset) : NULL;
}

/**
 * kgo_region_next() - Skip pages of a sparse region that nobody touched
 * @rg: the region
 * @offset: where to begin; moved up to the next byte that has a page
 *
 * CONTEXT: any.  Return: false if there is none any more.
 */
bool kgo_region_next(struct kgo_region *rg, u64 *offset)
{
	unsigned long first = *offset >> PAGE_SHIFT, i = first;

	if (first >= rg->nr_pages)
		return false;
	if (!rg->linear && !xa_find(&rg->pages, &i, rg->nr_pages - 1, XA_PRESENT))
		return false;
	if (i != first)
		*offset = (u64)i << PAGE_SHIFT;
	return true;
}

static struct kgo_region *kgo_vma_region(struct vm_area_struct *vma, u64 *start)
{
	static const u64 starts[KGO_NR_REGIONS] = {
		[KGO_REGION_R] = KGO_MMAP_R,
		[KGO_REGION_P] = KGO_MMAP_P,
		[KGO_REGION_M] = KGO_MMAP_M,
		[KGO_REGION_C] = KGO_MMAP_C,
		[KGO_REGION_G] = KGO_MMAP_G,
	};
	struct kgo_runtime *rt = vma->vm_private_data;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	int i;

	for (i = KGO_NR_REGIONS - 1; i > 0 && offset < starts[i]; i--)
		;
	*start = starts[i] >> PAGE_SHIFT;
	return &rt->region[i];
}

static vm_fault_t kgo_region_fault(struct vm_fault *vmf)
{
	struct kgo_region *rg;
	struct page *page;
	u64 start;

	rg = kgo_vma_region(vmf->vma, &start);
	if (vmf->pgoff - start >= rg->nr_pages)
		return VM_FAULT_SIGBUS;
	page = kgo_region_make_page(rg, vmf->pgoff - start);
	if (!page)
		return VM_FAULT_OOM;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct kgo_region_vm_ops = {
	.fault = kgo_region_fault,
};

/**
 * kgo_region_mmap() - Map one region, whole
 * @rt: the runtime; the caller is a thread of its process
 * @vma: the new mapping
 *
 * Return: 0, or -EINVAL if it is private, executable, or not exactly one
 * region.
 */
int kgo_region_mmap(struct kgo_runtime *rt, struct vm_area_struct *vma)
{
	struct kgo_region *rg;
	u64 start;

	if (!(vma->vm_flags & VM_MAYSHARE) || (vma->vm_flags & VM_EXEC))
		return -EINVAL;

	vma->vm_private_data = rt;
	rg = kgo_vma_region(vma, &start);
	if (vma->vm_pgoff != start || vma_pages(vma) != rg->nr_pages)
		return -EINVAL;

	kgo_vma_flags(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP,
		      VM_MAYEXEC);
	vma->vm_ops = &kgo_region_vm_ops;
	return 0;
}
