-- SPDX-License-Identifier: GPL-2.0
-- For wrk: asks for files of all sizes in turn.

local paths = { "/", "/1k.txt", "/docs/", "/10k.css", "/index.html", "/200k.bin" }
local requests, n = {}, 0

function init()
	for i, path in ipairs(paths) do
		requests[i] = wrk.format("GET", path)
	end
end

function request()
	n = n % #requests + 1
	return requests[n]
end
