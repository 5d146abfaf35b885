// SPDX-License-Identifier: GPL-2.0 OR MIT
///
/// A context made by kgo_ctx_with_cancel(), kgo_ctx_with_timeout() or
/// kgo_ctx_with_deadline() that on some path is neither cancelled nor given to
/// somebody who could do it: returned, stored, or passed to a function.  To put
/// it is not enough: until the last reference is gone it stays bound to its
/// parent, and whoever waits for its end goes on to.
///
/// As "go vet -lostcancel", one function at a time.  A path on which the
/// context was found to be NULL is none.
///
///	spatch --very-quiet --no-includes --sp-file lostcancel.cocci FILE...
///
// Confidence: Moderate

@initialize:python@
@@
# What looks at a context and leaves it with the caller.
LOOKS = { "kgo_ctx_put", "kgo_ctx_get", "kgo_ctx_done", "kgo_ctx_err",
	  "kgo_ctx_cause", "kgo_ctx_deadline", "kgo_ctx_value",
	  "kgo_ctx_after_func", "kgo_ctx_with_cancel", "kgo_ctx_with_timeout",
	  "kgo_ctx_with_deadline", "kgo_ctx_with_value",
	  "kgo_ctx_without_cancel" }
stored = set()
told = set()

def tell(c, p):
    at = (p[0].file, p[0].line)
    if (p[0].file, p[0].current_element, str(c)) in stored or at in told:
        return
    told.add(at)
    print("%s:%s: %s() may end without having cancelled \"%s\"" %
          (p[0].file, p[0].line, p[0].current_element, c))

@none@
expression c;
position r;
@@

(
 if (\(!c\|c == NULL\)) {
	...
	return@r ...;
 }
|
 if (\(!c\|c == NULL\))
	return@r ...;
)

@returned@
idexpression struct kgo_ctx *c;
position r;
@@

 return@r <+...c...+>;

@inits@
idexpression struct kgo_ctx *c;
type T;
identifier i, m;
position p;
@@

(
 T i = { ..., .m = c@p, ... };
|
 T i = { ..., c@p, ... };
)

@script:python@
c << inits.c;
p << inits.p;
@@
stored.add((p[0].file, p[0].current_element, str(c)))

@declared exists@
identifier c;
identifier make = { kgo_ctx_with_cancel, kgo_ctx_with_timeout, kgo_ctx_with_deadline };
identifier f : script:python() { f not in LOOKS };
expression e, x, y;
position p, r != { none.r, returned.r };
@@

 struct kgo_ctx *c = make@p(...);
 ... when != f(..., c, ...)
     when != kgo_ctx_after_func(x, y, c)
     when != &c
     when != e = c
 return@r ...;

@script:python@
c << declared.c;
p << declared.p;
@@
tell(c, p)

@assigned exists@
local idexpression c;
identifier make = { kgo_ctx_with_cancel, kgo_ctx_with_timeout, kgo_ctx_with_deadline };
identifier f : script:python() { f not in LOOKS };
expression e, x, y;
position p, r != { none.r, returned.r };
@@

 c = make@p(...);
 ... when != f(..., c, ...)
     when != kgo_ctx_after_func(x, y, c)
     when != &c
     when != e = c
 return@r ...;

@script:python@
c << assigned.c;
p << assigned.p;
@@
tell(c, p)

// To the end of a function, without a return.
@fallen exists@
local idexpression c;
identifier make = { kgo_ctx_with_cancel, kgo_ctx_with_timeout, kgo_ctx_with_deadline };
identifier fn;
identifier f : script:python() { f not in LOOKS };
expression e, x, y;
position p;
@@

 void fn(...)
 {
 ... when any
 c = make@p(...);
 ... when != f(..., c, ...)
     when != kgo_ctx_after_func(x, y, c)
     when != &c
     when != e = c
     when != return ...;
 }

@script:python@
c << fallen.c;
p << fallen.p;
@@
tell(c, p)
