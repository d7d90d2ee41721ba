// What an answer of a server of the handshake era lacks for a client of 2026-07-28: every result says that it is
// complete, what may be cached says for how long, and a resource that is not there is a wrong parameter.
#pragma once

#include "engine/mcp/spliced.hpp"
#include "json/document.hpp"

namespace clawql::engine::mcp {

// `message`: a response; `answer` is made of its text. `cacheable`: its result must carry ttlMs and cacheScope.
void make_modern(Spliced& answer, json::Value message, bool cacheable);

}  // namespace clawql::engine::mcp
