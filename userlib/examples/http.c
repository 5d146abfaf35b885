// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * HTTP for httpd: what a request says, and the words of an answer
 *
 * Strings in memory only: nothing here reads, writes or waits.
 */
#define _GNU_SOURCE
#include "http.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

size_t http_head_len(const char *buf, size_t have)
{
	const char *end = buf + have, *p = buf;

	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		if (p < end && *p == '\r')
			p++;
		if (p < end && *p == '\n')
			return (size_t)(p + 1 - buf);
	}
	return 0;
}

/* Cuts the next line off, without its end; there is one as the head is whole. */
static char *next_line(char **head)
{
	char *line = strsep(head, "\n");
	size_t len = strlen(line);

	if (len && line[len - 1] == '\r')
		line[len - 1] = '\0';
	return line;
}

static bool is_token(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || (s[n] && strchr("!#$%&'*+-.^_`|~", s[n])))
		n++;
	return n && !s[n];
}

/* Is word in a comma-separated list? */
static bool list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (;;) {
		list += strspn(list, ", \t");
		if (!*list)
			return false;
		if (strcspn(list, ", \t") == len && !strncasecmp(list, word, len))
			return true;
		list += strcspn(list, ",");
	}
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Makes the path of a request target, in place.  Returns 0 or a status. */
static int parse_target(char *target, char **path)
{
	char *in, *out;

	if (strlen(target) > HTTP_MAX_TARGET)
		return 414;
	if (!strncasecmp(target, "http://", 7)) {
		target += 7;
		target += strcspn(target, "/");
	} else if (*target != '/') {
		return 400;
	}
	target += strspn(target, "/");
	target[strcspn(target, "?")] = '\0';

	for (in = out = target; *in; in++) {
		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		if (!isxdigit((unsigned char)in[1]) || !isxdigit((unsigned char)in[2]))
			return 400;
		*out = (char)(hex(in[1]) << 4 | hex(in[2]));
		if (!*out++)
			return 400;
		in += 2;
	}
	*out = '\0';
	*path = target + strspn(target, "/");	/* decoded ones, too */
	return 0;
}

int http_parse(char *head, size_t len, struct http_request *rq)
{
	bool http11, close = false, keep = false, body = false;
	char *line, *method, *target, *value;
	int hosts = 0, status;

	memset(rq, 0, sizeof(*rq));
	if (memchr(head, '\0', len))
		return 400;
	head[len - 1] = '\0';		/* the last end of line */

	line = next_line(&head);
	method = strsep(&line, " ");
	target = strsep(&line, " ");
	if (!line || !is_token(method) || strncmp(line, "HTTP/", 5) ||
	    !isdigit((unsigned char)line[5]) || line[6] != '.' ||
	    !isdigit((unsigned char)line[7]) || line[8])
		return 400;
	if (line[5] != '1')
		return 505;
	http11 = line[7] != '0';
	rq->head = !strcmp(method, "HEAD");

	while (*(line = next_line(&head))) {
		value = strchr(line, ':');
		if (!value)
			return 400;
		*value++ = '\0';
		if (!is_token(line))	/* nor a folded line */
			return 400;
		value += strspn(value, " \t");
		if (!strcasecmp(line, "Host")) {
			hosts++;
		} else if (!strcasecmp(line, "Connection")) {
			close |= list_has(value, "close");
			keep |= list_has(value, "keep-alive");
		} else if (!strcasecmp(line, "Content-Length")) {
			if (!*value || value[strspn(value, "0123456789 \t")])
				return 400;
			body |= value[strspn(value, "0 \t")] != '\0';
		} else if (!strcasecmp(line, "Transfer-Encoding")) {
			body = true;
		}
	}
	if (hosts > 1 || hosts < http11)
		return 400;

	status = parse_target(target, &rq->path);
	rq->keep = !close && !body && (http11 || keep);
	if (!status && !rq->head && strcmp(method, "GET"))
		status = 405;
	return status;
}

const char *http_reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 414: return "URI Too Long";
	case 431: return "Request Header Fields Too Large";
	case 505: return "HTTP Version Not Supported";
	default:  return "Internal Server Error";
	}
}

const char *http_type(const char *path)
{
	static const char *const types[][2] = {
		{ "css",  "text/css; charset=utf-8" },
		{ "gif",  "image/gif" },
		{ "htm",  "text/html; charset=utf-8" },
		{ "html", "text/html; charset=utf-8" },
		{ "ico",  "image/vnd.microsoft.icon" },
		{ "jpeg", "image/jpeg" },
		{ "jpg",  "image/jpeg" },
		{ "js",   "text/javascript; charset=utf-8" },
		{ "json", "application/json" },
		{ "md",   "text/markdown; charset=utf-8" },
		{ "pdf",  "application/pdf" },
		{ "png",  "image/png" },
		{ "svg",  "image/svg+xml" },
		{ "txt",  "text/plain; charset=utf-8" },
		{ "wasm", "application/wasm" },
		{ "webp", "image/webp" },
		{ "xml",  "application/xml" },
	};
	const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
	size_t i;

	if (dot && (!slash || dot > slash))
		for (i = 0; i < ARRAY_SIZE(types); i++)
			if (!strcasecmp(dot + 1, types[i][0]))
				return types[i][1];
	return "application/octet-stream";
}
