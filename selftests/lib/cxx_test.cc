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

static int start(void *)
{
	kgo_chan *c = kgo_chan_make(32, 0);
	char got[32] = {};
	kgo_wg wg = {};
	bool ok, all = true;

	std::printf("TAP version 13\n1..3\n");
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
	return !(all && caught == 50);
}

int main()
{
	return kgo_main(start, nullptr);
}
