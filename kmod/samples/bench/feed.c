// SPDX-License-Identifier: GPL-2.0
/*
 * A thread of the kernel that writes messages to a file of a program, for who
 * measures how they arrive: "FD SIZE N" written to the file "feed" sends N
 * messages of SIZE bytes to FD, and closes it.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "bench.h"

#define MOST	4096U

struct feed {
	struct file	*file;
	u32		size;
	u32		n;
	char		buf[];
};

static int feeder(void *arg)
{
	struct feed *f = arg;
	loff_t pos;
	u32 i;

	for (i = 0; i < f->n; i++) {
		pos = 0;
		if (kernel_write(f->file, f->buf, f->size, &pos) != f->size)
			break;
	}
	fput(f->file);
	kfree(f);
	module_put_and_kthread_exit(0);
}

static ssize_t feed_write(struct file *file, const char __user *ubuf, size_t len,
			  loff_t *ppos)
{
	struct task_struct *task;
	u32 fd, size, n;
	struct feed *f;
	char cmd[64];
	int ret;

	if (len >= sizeof(cmd))
		return -EINVAL;
	if (copy_from_user(cmd, ubuf, len))
		return -EFAULT;
	cmd[len] = 0;
	if (sscanf(cmd, "%u %u %u", &fd, &size, &n) != 3 || !size || size > MOST)
		return -EINVAL;
	f = kzalloc(struct_size(f, buf, size), GFP_KERNEL);
	if (!f)
		return -ENOMEM;
	f->size = size;
	f->n = n;
	ret = -EBADF;
	f->file = fget(fd);
	if (!f->file)
		goto free;
	__module_get(THIS_MODULE);
	task = kthread_run(feeder, f, "kgo_bench/feed");
	if (!IS_ERR(task))
		return len;
	ret = PTR_ERR(task);
	module_put(THIS_MODULE);
	fput(f->file);
free:
	kfree(f);
	return ret;
}

const struct file_operations kgo_bench_feed_fops = {
	.owner	= THIS_MODULE,
	.write	= feed_write,
	.llseek	= noop_llseek,
};
