// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The public header in C++, with goroutines that use what C++ brings along.
 */
#include <kgo.h>

#include <cstdio>
#include <string>
#include <vector>

static void worker(void *arg)
{
	std::string s("from a goroutine");
	std::vector<char> v(s.begin(), s.end());

	v.resize(32);
	kgo_chan_send(static_cast<kgo_chan *>(arg), v.data());
}

static int caught;

/* An exception that stays in its goroutine, and parks on the way. */
static void thrower(void *arg)
{
	try {
		kgo_yield();
		throw std::string("thrown");
	} catch (const std::string &s) {
		if (s == "thrown")
			__atomic_add_fetch(&caught, 1, __ATOMIC_SEQ_CST);
	}
	kgo_wg_done(static_cast<kgo_wg *>(arg));
}

/* Deferred calls run on every way out of a block, exceptions included. */
static int deferred;

static void count(void *)
{
	deferred++;
}

static void *recovered;

static void keep(void *)
{
	recovered = kgo_recover();
}

static int leave(int how)
{
	KGO_SCOPE {
		kgo_defer(count, nullptr);
		if (how == 0)
			return 1;
		if (how == 1)
			throw std::string("out of the block");
		if (how == 2) {
			kgo_defer(keep, nullptr);
			kgo_panic("caught");
		}
	}
	return 2;
}

static bool scopes()
{
	bool ok = leave(0) == 1 && deferred == 1, thrown = false;

	try {
		leave(1);
	} catch (const std::string &s) {
		thrown = s == "out of the block";
	}
	ok = ok && thrown && deferred == 2;
	ok = ok && leave(2) == 2 && deferred == 3 && recovered &&
	     std::string(static_cast<char *>(recovered)) == "caught";
	/* Nothing is left of any of them. */
	ok = ok && leave(3) == 2 && deferred == 4 && !kgo_recover();
	std::printf("%s 4 cxx.scopes\n", ok ? "ok" : "not ok");
	return ok;
}

static int start(void *)
{
	kgo_chan *c = kgo_chan_make(32, 0);
	char got[32] = {};
	kgo_wg wg = {};
	bool ok, all = true;

	std::printf("TAP version 13\n1..4\n");
	ok = c && !kgo_go(worker, c) && kgo_chan_recv(c, got) == 1 &&
	     std::string(got) == "from a goroutine";
	std::printf("%s 1 cxx.channel\n", ok ? "ok" : "not ok");
	all &= ok;

	char in[32] = {};
	const char out[32] = "out";
	std::vector<kgo_case> cases = { KGO_SEND(nullptr, out), KGO_RECV(c, in) };

	ok = !kgo_go(worker, c) && kgo_select(cases.data(), 2) == 1 &&
	     cases[1].ok == 1 && std::string(in) == "from a goroutine";
	kgo_chan_free(c);
	std::printf("%s 2 cxx.select\n", ok ? "ok" : "not ok");
	all &= ok;

	kgo_wg_add(&wg, 50);
	for (int i = 0; i < 50; i++)
		if (kgo_go(thrower, &wg))
			return 1;
	kgo_wg_wait(&wg);
	std::printf("%s 3 cxx.exceptions\n", caught == 50 ? "ok" : "not ok");
	return !(scopes() && all && caught == 50);
}

int main()
{
	return kgo_main(start, nullptr);
}
