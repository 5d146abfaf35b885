/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What C99 and C++ have no common word for.
 */
#ifndef KGO_ATTR_H
#define KGO_ATTR_H

#define KGO_ATTR(attr)	__attribute__((attr))
#define KGO_NORETURN	KGO_ATTR(__noreturn__)

#endif
