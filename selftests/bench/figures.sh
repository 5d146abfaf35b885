# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What "make bench" and "make bench-kernel" share: which figures are wanted, and how they are printed.
# Sourced, never run.

BENCH=${BENCH:-} RUNS=${RUNS:-5}

# wanted NAME: is the figure, or one whose name starts with NAME_, asked for?
wanted() { [[ $1 == "$BENCH"* || $BENCH == "$1"_* ]]; }

# figures FILE: a line for each figure, of the samples in FILE:
#	sample NAME BACKEND PEER KGO-VALUE PEER-VALUE
figures() {
	awk '
	function median(list, n,   v, i, j, t) {
		split(list, v, " ")
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
				t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
			}
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	NF != 6 || $5 <= 0 || $6 <= 0 { print "bench: bad sample: " $0 >"/dev/stderr"; bad = 1; next }
	{
		key = $2 " backend=" $3
		if (!(key in n)) order[++keys] = key
		peer[key] = $4; kgo[key] = kgo[key] " " $5; other[key] = other[key] " " $6; n[key]++
	}
	END {
		for (i = 1; i <= keys; i++) {
			key = order[i]
			k = median(kgo[key], n[key]); p = median(other[key], n[key])
			printf "figure %s kgo=%s peer=%s:%s ratio=" (k / p < 0.1 ? "%.5f" : "%.3f") " unit=%s runs=%d\n",
				key, k, peer[key], p, k / p, key ~ /_bytes / ? "B" : "ns", n[key]
			if (key !~ /^curve_[0-9]/) continue
			c = key; sub(/_[0-9]+/, "_max_over_min", c)
			if (!(c in runs)) { curves[++nr_curves] = c; kmin[c] = k; pmin[c] = p }
			runs[c] = n[key]; who[c] = peer[key]
			if (k < kmin[c]) kmin[c] = k
			if (k > kmax[c]) kmax[c] = k
			if (p < pmin[c]) pmin[c] = p
			if (p > pmax[c]) pmax[c] = p
		}
		# How flat: the dearest number of goroutines by the cheapest.
		for (i = 1; i <= nr_curves; i++) {
			c = curves[i]; k = kmax[c] / kmin[c]; p = pmax[c] / pmin[c]
			printf "figure %s kgo=%.2f peer=%s:%.2f ratio=%.3f unit=x runs=%d\n",
				c, k, who[c], p, k / p, runs[c]
		}
		exit bad || !keys
	}' "$1"
}
