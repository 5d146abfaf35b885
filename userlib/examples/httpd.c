// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * httpd - a web server for static files, one goroutine per connection
 *
 *	httpd [-a addr] [-p port] [-t seconds] [--tick] DIR
 *
 * Everything here that waits is the plain blocking call of libc: accept4(),
 * read(), send(), sendfile(), openat2(), sigwait().  No call is wrapped, no
 * file descriptor is non-blocking, nothing is registered anywhere: while the
 * thread of one goroutine sleeps in the kernel, its processor runs another.
 *
 *	main goroutine      accepts; waits for the connections at the end
 *	one per connection  reads a request, answers it, reads the next
 *	one for the end     sits in sigwait(); SIGTERM or SIGINT stops the server
 *	one for --tick      says once a second how many requests were answered
 *
 * HTTP/1.0 and 1.1 as of RFC 9112, GET and HEAD.  Pipelined requests are
 * answered in their order, since one goroutine reads and answers them.  No
 * request has a use for a body here: one that announces a body is answered and
 * its connection closed.
 *
 * Paths never lead out of DIR: the kernel resolves them beneath it
 * (RESOLVE_BENEATH), symbolic links included.
 *
 * errno.  A goroutine can be on another thread after a call that parks, and
 * gcc may remember where errno is.  So no function here looks at errno after
 * it called a function of libkgo that parks; see accept_client().
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/openat2.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <kgo.h>

#include "http.h"

#define SECOND		1000000000LL
#define noinline	__attribute__((__noinline__))

/* A connection, owned by its goroutine. */
struct conn {
	struct conn	*next, **pprev;	/* list of all, under conns_lock */
	int		fd;
	size_t		have;		/* bytes in buf */
	char		buf[HTTP_MAX_HEAD];
};

static int root_fd, listen_fd;
static struct timeval idle_timeout = { .tv_sec = 15 };
static bool with_tick;

static struct kgo_mutex conns_lock;
static struct conn *conns;		/* under conns_lock */
static bool stopping;			/* under conns_lock */
static struct kgo_wg conns_wg;

static atomic_ullong nr_requests;

/*
 * What is answered
 */
/* All of it, or false: the client is gone or took nothing for too long. */
static bool send_all(int fd, const char *buf, size_t len, int flags)
{
	ssize_t n;

	for (; len; buf += n, len -= (size_t)n) {
		n = send(fd, buf, len, flags);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return false;
	}
	return true;
}

static bool send_file(int fd, int file, off_t len)
{
	ssize_t n;

	for (; len; len -= n) {
		n = sendfile(fd, file, NULL, (size_t)len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)	/* 0: it became shorter */
			return false;
	}
	return true;
}

static bool send_head(struct conn *c, const struct http_request *rq, int status,
		      const char *type, long long length, int flags)
{
	time_t now = time(NULL);
	char head[512], date[64];
	struct tm tm;
	int n;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 %d %s\r\n"
		     "Date: %s\r\n"
		     "Server: kgo-httpd\r\n"
		     "%sContent-Type: %s\r\n"
		     "Content-Length: %lld\r\n"
		     "Connection: %s\r\n\r\n",
		     status, http_reason(status), date, status == 405 ? "Allow: GET, HEAD\r\n" : "",
		     type, length, rq->keep ? "keep-alive" : "close");
	return send_all(c->fd, head, (size_t)n, flags);
}

static bool answer_error(struct conn *c, const struct http_request *rq, int status)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d %s\n", status, http_reason(status));

	if (rq->head)
		return send_head(c, rq, status, "text/plain", n, 0);
	return send_head(c, rq, status, "text/plain", n, MSG_MORE) &&
	       send_all(c->fd, text, (size_t)n, 0);
}

/* Opens a file or folder of DIR: a file descriptor, or a status below zero. */
static int open_beneath(const char *path, struct stat *st)
{
	/* O_NONBLOCK: or a FIFO in DIR would hold us until somebody writes. */
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int fd, tries = 8;

	do {				/* EAGAIN: a rename came between */
		fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN) && --tries);

	if (fd >= 0 && !fstat(fd, st))
		return fd;
	if (fd >= 0) {
		close(fd);
		return -500;
	}
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
		return -404;
	case EACCES:
	case EPERM:
	case EXDEV:			/* leads out of DIR */
	case ELOOP:
	case ENXIO:			/* a socket */
		return -403;
	default:
		return -500;
	}
}

/* Answers with a file; false if the connection is of no more use. */
static bool answer_file(struct conn *c, const struct http_request *rq)
{
	char index[HTTP_MAX_TARGET + sizeof("./index.html")];
	const char *path = *rq->path ? rq->path : ".";
	struct stat st;
	bool ok;
	int fd;

	fd = open_beneath(path, &st);
	if (fd >= 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		snprintf(index, sizeof(index), "%s/index.html", path);
		path = index;
		fd = open_beneath(path, &st);
		if (fd == -404)
			fd = -403;	/* a folder that is not listed */
	}
	if (fd < 0)
		return answer_error(c, rq, -fd);
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return answer_error(c, rq, 403);
	}

	ok = send_head(c, rq, 200, http_type(path), st.st_size,
		       rq->head || !st.st_size ? 0 : MSG_MORE);
	if (ok && !rq->head)
		ok = send_file(c->fd, fd, st.st_size);
	close(fd);
	return ok;
}

/*
 * Connections
 */
static void drop(struct conn *c, size_t n)
{
	c->have -= n;
	memmove(c->buf, c->buf + n, c->have);
}

static bool is_eol(char c)
{
	return c == '\r' || c == '\n';
}

/*
 * Reads until a whole head is at the start of the buffer.  Returns its length,
 * 0 at the end of the connection, or a status below zero.
 */
static ssize_t read_head(struct conn *c)
{
	size_t len, blank;
	ssize_t n;

	for (;;) {
		/* Empty lines before a request: some clients end a body so. */
		for (blank = 0; blank < c->have && is_eol(c->buf[blank]); blank++)
			;
		drop(c, blank);
		len = http_head_len(c->buf, c->have);
		if (len)
			return (ssize_t)len;
		if (c->have == sizeof(c->buf))
			return memchr(c->buf, '\n', c->have) ? -431 : -414;

		n = read(c->fd, c->buf + c->have, sizeof(c->buf) - c->have);
		if (n > 0)
			c->have += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return 0;
	}
}

static void serve_requests(struct conn *c)
{
	struct http_request rq = { .keep = true };
	ssize_t len;
	int status;

	while (rq.keep) {
		len = read_head(c);
		if (!len)
			return;
		if (len < 0) {
			memset(&rq, 0, sizeof(rq));
			status = (int)-len;
		} else {
			status = http_parse(c->buf, (size_t)len, &rq);
		}
		if (!(status ? answer_error(c, &rq, status) : answer_file(c, &rq)))
			return;
		atomic_fetch_add_explicit(&nr_requests, 1, memory_order_relaxed);
		if (len > 0)
			drop(c, (size_t)len);
	}
}

/*
 * Closing while the client still sends would reset the connection, and the
 * last answer might be lost: say that it was the last one, and hear the client
 * out for a little while.
 */
static void close_gently(int fd)
{
	struct timeval second = { .tv_sec = 1 };
	char scrap[4096];
	int i = 64;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	if (!shutdown(fd, SHUT_WR))
		while (i-- && read(fd, scrap, sizeof(scrap)) > 0)
			;
	close(fd);
}

static void connection(void *arg)
{
	struct conn *c = arg;

	serve_requests(c);

	kgo_mutex_lock(&conns_lock);
	*c->pprev = c->next;
	if (c->next)
		c->next->pprev = c->pprev;
	kgo_mutex_unlock(&conns_lock);

	close_gently(c->fd);
	free(c);
	kgo_wg_done(&conns_wg);
}

/* Gives a client a goroutine, or closes its connection. */
static void start_connection(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle_timeout, sizeof(idle_timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle_timeout, sizeof(idle_timeout));

	kgo_wg_add(&conns_wg, 1);
	kgo_mutex_lock(&conns_lock);
	if (!stopping && !kgo_go(connection, c)) {
		c->next = conns;
		c->pprev = &conns;
		if (conns)
			conns->pprev = &c->next;
		conns = c;
		c = NULL;
	}
	kgo_mutex_unlock(&conns_lock);
	if (c) {
		kgo_wg_done(&conns_wg);
		close(fd);
		free(c);
	}
}

/*
 * A client's file descriptor or -errno.  Not inlined: the main goroutine calls
 * it again after it parked, and errno may be another thread's by then.
 */
static noinline int accept_client(void)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* No more connections, and no more requests on those that there are. */
static void stop(int how)
{
	struct conn *c;

	kgo_mutex_lock(&conns_lock);
	stopping = true;
	shutdown(listen_fd, SHUT_RDWR);	/* accept4() returns */
	for (c = conns; c; c = c->next)
		shutdown(c->fd, how);	/* read() returns 0 */
	kgo_mutex_unlock(&conns_lock);
}

/* The first signal lets answers go out that are being made, the next do not. */
static void wait_for_end(void *arg)
{
	const sigset_t *set = arg;
	int sig;

	sigwait(set, &sig);
	stop(SHUT_RD);
	for (;;) {
		sigwait(set, &sig);
		stop(SHUT_RDWR);
	}
}

static void tick(void *arg)
{
	unsigned long long now, before = 0;

	(void)arg;
	for (;;) {
		kgo_sleep(SECOND);
		now = atomic_load(&nr_requests);
		fprintf(stderr, "httpd: %llu requests, %llu goroutines\n", now - before,
			kgo_num_goroutine());
		before = now;
	}
}

/* The main goroutine. */
static int serve(void *arg)
{
	unsigned long long peak = 0, accepted = 0, n;
	int fd, err;

	err = kgo_go(wait_for_end, arg);
	if (!err && with_tick)
		err = kgo_go(tick, NULL);
	if (err) {
		fprintf(stderr, "httpd: no goroutines: %s\n", strerror(-err));
		return EXIT_FAILURE;
	}

	for (;;) {
		fd = accept_client();
		if (fd >= 0) {
			accepted++;
			start_connection(fd);
			n = kgo_num_goroutine();
			if (n > peak)
				peak = n;
		} else if (fd == -EINVAL) {
			break;		/* stop() */
		} else if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
			kgo_sleep(SECOND / 100);
		}			/* else that client has left */
	}
	kgo_wg_wait(&conns_wg);

	fprintf(stderr, "httpd: requests=%llu connections=%llu goroutines_peak=%llu\n",
		atomic_load(&nr_requests), accepted, peak);
	return EXIT_SUCCESS;
}

/*
 * The start, still on one thread
 */
static void die(const char *what)
{
	fprintf(stderr, "httpd: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void listen_at(const char *addr, unsigned int port)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u = { 0 };
	socklen_t len = sizeof(u);
	int one = 1;

	if (inet_pton(AF_INET, addr, &u.in.sin_addr) == 1) {
		u.sa.sa_family = AF_INET;
		u.in.sin_port = htons((uint16_t)port);
	} else if (inet_pton(AF_INET6, addr, &u.in6.sin6_addr) == 1) {
		u.sa.sa_family = AF_INET6;
		u.in6.sin6_port = htons((uint16_t)port);
	} else {
		errno = EINVAL;
		die(addr);
	}
	listen_fd = socket(u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listen_fd < 0)
		die("socket");
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listen_fd, &u.sa, u.sa.sa_family == AF_INET ? sizeof(u.in) : sizeof(u.in6)))
		die("bind");
	if (listen(listen_fd, SOMAXCONN))
		die("listen");
	/* Both kinds of address have the port at one place. */
	if (getsockname(listen_fd, &u.sa, &len))
		die("getsockname");
	fprintf(stderr, "httpd: listening on %s port %u\n", addr, ntohs(u.in.sin_port));
}

static void bad_usage(void)
{
	fprintf(stderr, "usage: httpd [-a addr] [-p port] [-t seconds] [--tick] DIR\n");
	exit(2);
}

static unsigned int number(const char *s, unsigned int max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (errno || end == s || *end || n > max)
		bad_usage();
	return (unsigned int)n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "tick", no_argument, NULL, 'T' },
		{ NULL, 0, NULL, 0 },
	};
	const char *addr = "127.0.0.1";
	unsigned int port = 8080;
	struct stat st;
	sigset_t set;
	int opt;

	while ((opt = getopt_long(argc, argv, "a:p:t:", options, NULL)) != -1) {
		switch (opt) {
		case 'a':
			addr = optarg;
			break;
		case 'p':
			port = number(optarg, 65535);
			break;
		case 't':
			idle_timeout.tv_sec = number(optarg, 86400);
			break;
		case 'T':
			with_tick = true;
			break;
		default:
			bad_usage();
		}
	}
	if (optind + 1 != argc)
		bad_usage();

	root_fd = open(argv[optind], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		die(argv[optind]);
	if (open_beneath(".", &st) == -500)
		die("openat2");
	listen_at(addr, port);

	signal(SIGPIPE, SIG_IGN);
	/* Blocked here, so in all threads to come: sigwait() gets them. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	return kgo_main(serve, &set);
}
