// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Names and lines of code addresses.
 *
 * By libdw (elfutils), which knows all forms of debug information and where
 * distributions keep it.  It is loaded when the first address is to be named:
 * a program that never panics does not need it, and one on a machine without
 * it prints the module and the offset, for addr2line.  A static program has
 * no loader, so it does the same.
 *
 * The few declarations that are needed stand here, so that no header of
 * elfutils is needed to build the library.  They are of its stable interface
 * (ELFUTILS_0.122 to 0.158).
 *
 * All of it runs on a thread of its own: libdw wants more stack than a
 * goroutine that panics may have left.  The thread's stack is unmapped behind
 * it: what is left on one that libc keeps would be a pointer to whatever was
 * looked at, for a proof of leaks (proof.c) that comes later.
 */
#include "user.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define STACK_SIZE	(8UL << 20)	/* touched as far as it is used */

/* Before glibc 2.34 only there if the program is linked with -ldl. */
#pragma weak dlsym

typedef struct Dwarf_Die Dwarf_Die;
typedef struct Dwarf_Line Dwarf_Line;
typedef struct Dwfl Dwfl;
typedef struct Dwfl_Module Dwfl_Module;
typedef struct Dwfl_Line Dwfl_Line;

struct dwfl_callbacks {
	void	*find_elf;
	void	*find_debuginfo;
	void	*section_address;
	char	**debuginfo_path;
};

Dwfl *dwfl_begin(const struct dwfl_callbacks *callbacks);
void dwfl_end(Dwfl *dwfl);
int dwfl_linux_proc_report(Dwfl *dwfl, pid_t pid);
int dwfl_report_end(Dwfl *dwfl, void *removed, void *arg);
Dwfl_Module *dwfl_addrmodule(Dwfl *dwfl, Elf64_Addr addr);
const char *dwfl_module_addrinfo(Dwfl_Module *mod, Elf64_Addr addr,
				 Elf64_Off *offset, Elf64_Sym *sym,
				 Elf64_Word *shndx, void *elf, Elf64_Addr *bias);
Dwfl_Line *dwfl_module_getsrc(Dwfl_Module *mod, Elf64_Addr addr);
const char *dwfl_lineinfo(Dwfl_Line *line, Elf64_Addr *addr, int *linep,
			  int *colp, Elf64_Word *mtime, Elf64_Word *len);
Dwarf_Die *dwfl_module_nextcu(Dwfl_Module *mod, Dwarf_Die *last,
			      Elf64_Addr *bias);
int dwarf_haspc(Dwarf_Die *die, Elf64_Addr pc);
Dwarf_Line *dwarf_getsrc_die(Dwarf_Die *cu, Elf64_Addr addr);
int dwarf_lineno(Dwarf_Line *line, int *linep);
const char *dwarf_linesrc(Dwarf_Line *line, Elf64_Xword *mtime, Elf64_Xword *len);

static struct {
	__typeof__(&dwfl_begin) begin;
	__typeof__(&dwfl_end) end;
	__typeof__(&dwfl_linux_proc_report) linux_proc_report;
	__typeof__(&dwfl_report_end) report_end;
	__typeof__(&dwfl_addrmodule) addrmodule;
	__typeof__(&dwfl_module_addrinfo) addrinfo;
	__typeof__(&dwfl_module_getsrc) getsrc;
	__typeof__(&dwfl_lineinfo) lineinfo;
	__typeof__(&dwfl_module_nextcu) nextcu;
	__typeof__(&dwarf_haspc) haspc;
	__typeof__(&dwarf_getsrc_die) getsrc_die;
	__typeof__(&dwarf_lineno) lineno;
	__typeof__(&dwarf_linesrc) linesrc;
	struct dwfl_callbacks callbacks;
} dw;

/* What knows names and lines; on the stack of kgo_out_named(). */
struct kgo_symbols {
	Dwfl	*dwfl;		/* or NULL: none to be had */
	struct kgo_out *o;
	void	(*fn)(struct kgo_out *o, void *arg);
	void	*arg;
};

static pthread_mutex_t run_lock = PTHREAD_MUTEX_INITIALIZER;

static void *find(void *lib, const char *name, bool *ok)
{
	void *p = dlsym(lib, name);

	*ok = *ok && p;
	return p;
}

/*
 * A static program has no loader, but has a dlopen() all the same, which
 * crashes if the libc is another, and whose mere mention draws a warning from
 * the linker.
 */
static void *open_lib(const char *name)
{
	void *(*open)(const char *name, int flags);

	if (!getauxval(AT_BASE) || !dlsym)
		return NULL;
	open = dlsym(RTLD_DEFAULT, "dlopen");
	return open ? open(name, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static bool load(void)
{
	void *lib = open_lib("libdw.so.1");
	bool ok = true;

	if (!lib)
		return false;
	dw.begin = find(lib, "dwfl_begin", &ok);
	dw.end = find(lib, "dwfl_end", &ok);
	dw.linux_proc_report = find(lib, "dwfl_linux_proc_report", &ok);
	dw.report_end = find(lib, "dwfl_report_end", &ok);
	dw.addrmodule = find(lib, "dwfl_addrmodule", &ok);
	dw.addrinfo = find(lib, "dwfl_module_addrinfo", &ok);
	dw.getsrc = find(lib, "dwfl_module_getsrc", &ok);
	dw.lineinfo = find(lib, "dwfl_lineinfo", &ok);
	dw.nextcu = find(lib, "dwfl_module_nextcu", &ok);
	dw.haspc = find(lib, "dwarf_haspc", &ok);
	dw.getsrc_die = find(lib, "dwarf_getsrc_die", &ok);
	dw.lineno = find(lib, "dwarf_lineno", &ok);
	dw.linesrc = find(lib, "dwarf_linesrc", &ok);
	dw.callbacks.find_elf = find(lib, "dwfl_linux_proc_find_elf", &ok);
	dw.callbacks.find_debuginfo =
		find(lib, "dwfl_standard_find_debuginfo", &ok);
	return ok;
}

static Dwfl *begin(void)
{
	Dwfl *dwfl;

	if (!load())
		return NULL;
	dwfl = dw.begin(&dw.callbacks);
	if (!dwfl)
		return NULL;
	if (dw.linux_proc_report(dwfl, getpid()) ||
	    dw.report_end(dwfl, NULL, NULL)) {
		dw.end(dwfl);
		return NULL;
	}
	return dwfl;
}

/* The compiler may have added a suffix. */
static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (!strncmp(name, *list, strlen(*list)))
			return true;
	return false;
}

/* The runtime's own frames at a goroutine's base begin with one of these. */
static const char *const base[] = {
	"arch_entry", "kgo_g_entry", "kgo_port_entry", "main_body", "run_body",
	NULL
};

/* Between kgo_panic() and a deferred call. */
static const char *const hidden[] = {
	"kgo_panic_begin", "kgo_panic_unwind", NULL
};

/* Returns NULL if there is none. */
static const char *line_of(Dwfl_Module *mod, u64 pc, int *nr)
{
	Dwfl_Line *line = dw.getsrc(mod, pc);
	Dwarf_Die *cu = NULL;
	Elf64_Addr bias;
	Dwarf_Line *l;

	if (line)
		return dw.lineinfo(line, NULL, nr, NULL, NULL, NULL);
	/* Without .debug_aranges, which clang does not write: look at all. */
	while ((cu = dw.nextcu(mod, cu, &bias))) {
		if (dw.haspc(cu, pc - bias) <= 0)
			continue;
		l = dw.getsrc_die(cu, pc - bias);
		return l && !dw.lineno(l, nr) ? dw.linesrc(l, NULL, NULL) : NULL;
	}
	return NULL;
}

struct place {
	u64	pc;
	u64	offset;
	const char *module;
};

static int find_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct place *p = arg;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		u64 lo = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type != PT_LOAD || p->pc < lo ||
		    p->pc >= lo + info->dlpi_phdr[i].p_memsz)
			continue;
		p->module = info->dlpi_name;
		p->offset = p->pc - info->dlpi_addr;
		return 1;
	}
	return 0;
}

/* "\tfile+0x1f" */
static void out_offset(struct kgo_out *o, u64 pc)
{
	struct place p = { .pc = pc, .offset = pc };
	char exe[256] = "?";
	ssize_t n;

	dl_iterate_phdr(find_module, &p);
	if (p.module && !*p.module) {
		n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		if (n > 0)
			exe[n] = 0;
		p.module = exe;
	}
	kgo_out_str(o, p.module ? p.module : "?");
	kgo_out_str(o, "+");
	kgo_out_hex(o, p.offset);
}

struct frame {
	const char *name;	/* or NULL */
	const char *file;	/* or NULL */
	int	line;
	Elf64_Off off;		/* into the function */
};

/* @pc: in the call, not what comes after it. */
static void look_up(struct kgo_symbols *s, u64 pc, struct frame *f)
{
	Dwfl_Module *mod = s && s->dwfl ? dw.addrmodule(s->dwfl, pc) : NULL;
	Elf64_Sym sym;

	memset(f, 0, sizeof(*f));
	if (!mod)
		return;
	f->name = dw.addrinfo(mod, pc, &f->off, &sym, NULL, NULL, NULL);
	if (f->name)
		f->file = line_of(mod, pc, &f->line);
}

/* Is it in a source file of the library?  They lie where this one does. */
static bool is_ours(const struct frame *f)
{
	const char *here = __FILE__, *end = strrchr(here, '/');
	const char *file = f->file;
	size_t lib, top;

	if (!file || !end)
		return false;
	lib = (size_t)(end + 1 - here);		/* ".../userlib/" */
	if (!strncmp(file, here, lib))
		return !strchr(file + lib, '/');
	for (top = lib - 1; top && here[top - 1] != '/'; top--)
		;
	return !strncmp(file, here, top) &&
	       !strncmp(file + top, "kmod/core/", 10);
}

static void out_frame(struct kgo_out *o, const struct frame *f, u64 pc)
{
	char name[128] = "?";
	size_t n;

	if (f->name) {
		/* Without what the compiler has added, as ".isra.0". */
		n = strcspn(f->name, ".");
		if (n >= sizeof(name))
			n = sizeof(name) - 1;
		memcpy(name, f->name, n);
		name[n] = 0;
	}
	kgo_out_str(o, name);
	kgo_out_str(o, "(...)\n\t");
	if (f->file) {
		kgo_out_str(o, f->file);
		kgo_out_str(o, ":");
		kgo_out_num(o, (u64)f->line);
		kgo_out_str(o, " +");
		kgo_out_hex(o, f->off + 1);
	} else {
		out_offset(o, pc);
	}
	kgo_out_str(o, "\n");
}

/**
 * kgo_out_frames() - Write a stack, two lines a frame
 * @o: where to; by names within kgo_out_named()
 * @t: from kgo_trace()
 *
 * The runtime's own frames are not shown: those that a call of the library has
 * on top, and those at a goroutine's base.
 * Return: whether it came to the goroutine's start function by name.
 */
bool kgo_out_frames(struct kgo_out *o, const struct kgo_trace *t)
{
	struct kgo_symbols *s = o->symbols;
	struct frame f;
	u32 i, first;

	for (first = 0; first < t->n; first++) {
		look_up(s, t->pc[first] - 1, &f);
		/* The body's last step was a call, and took its frame. */
		if (f.name && is_one_of(f.name, base))
			return false;
		if (!is_ours(&f))
			break;
	}
	for (i = first < t->n ? first : 0; i < t->n; i++) {
		look_up(s, t->pc[i] - 1, &f);
		if (f.name && is_one_of(f.name, base))
			return true;
		if (!f.name || !is_one_of(f.name, hidden))
			out_frame(o, &f, t->pc[i] - 1);
	}
	return false;
}

static void *run(void *arg)
{
	struct kgo_symbols *s = arg;

	s->dwfl = begin();
	s->fn(s->o, s->arg);
	if (s->dwfl)
		dw.end(s->dwfl);
	return NULL;
}

/* Returns whether it ran. */
static bool run_on_thread(struct kgo_symbols *s, void *stack)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int ret;

	if (pthread_attr_init(&attr))
		return false;
	ret = pthread_attr_setstack(&attr, stack, STACK_SIZE);
	if (!ret) {
		/* Signals of the program are none of its business. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		ret = pthread_create(&thread, &attr, run, s);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	pthread_attr_destroy(&attr);
	if (ret)
		return false;
	pthread_join(thread, NULL);
	return true;
}

/**
 * kgo_out_named() - Write stacks by names
 * @o: where to
 * @fn: called with @o on another thread, once, where kgo_out_frames() knows
 *	names.  To open what knows them takes milliseconds: all that is to be
 *	written is to be written by one call.
 * @arg: passed to it
 *
 * Without a thread, @fn is called here and there are no names.
 *
 * CONTEXT: no lock held, not from a signal handler; waits until @fn returns.
 */
void kgo_out_named(struct kgo_out *o, void (*fn)(struct kgo_out *o, void *arg),
		   void *arg)
{
	struct kgo_symbols s = { .o = o, .fn = fn, .arg = arg };
	void *stack;

	pthread_mutex_lock(&run_lock);
	o->symbols = &s;
	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK,
		     -1, 0);
	if (stack == MAP_FAILED || !run_on_thread(&s, stack))
		fn(o, arg);
	if (stack != MAP_FAILED)
		munmap(stack, STACK_SIZE);
	o->symbols = NULL;
	pthread_mutex_unlock(&run_lock);
}
