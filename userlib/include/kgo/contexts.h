/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The table of contexts, for a program about itself.
 */
#ifndef KGO_CONTEXTS_H
#define KGO_CONTEXTS_H

/**
 * kgo_dump_contexts() - Write the table of all contexts that are alive
 * @fd: where to
 *
 * One that should have been cancelled and put long ago shows here, with its age
 * and who made it.  The columns are those of the file kernel/contexts in
 * debugfs.  Nothing is stopped: rows are of different moments.
 * CONTEXT: anywhere but in signal handlers.
 */
void kgo_dump_contexts(int fd);

#endif
