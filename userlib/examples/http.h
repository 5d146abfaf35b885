/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * HTTP for httpd: what a request says, and the words of an answer
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_MAX_HEAD	8192		/* request line and header fields */
#define HTTP_MAX_TARGET	4000		/* what is asked for */

/*
 * struct http_request - A request
 * @path: decoded, without the query and without a slash at its start; it may
 *	still hold ".."
 * @head: HEAD: the answer has no body
 * @keep: the connection stays open for another request
 */
struct http_request {
	char	*path;
	bool	head;
	bool	keep;
};

/* Length of the head, with the empty line; 0 if that has not come yet. */
size_t http_head_len(const char *buf, size_t have);

/*
 * Parses a head in place; the path points into it.  Returns 0, or the status
 * to answer with: the connection can go on then if rq->keep says so.
 */
int http_parse(char *head, size_t len, struct http_request *rq);

/* "Not Found" for 404. */
const char *http_reason(int status);

/* The media type of a file by its extension. */
const char *http_type(const char *path);

#endif
