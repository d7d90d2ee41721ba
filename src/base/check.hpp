// A broken invariant ends the program at once, in all builds. Never for input: input gets a Result.
#pragma once

namespace clawql {
[[noreturn]] void check_failed(const char* expression, const char* file, int line) noexcept;
}

#define CLAWQL_CHECK(expression) \
  (static_cast<bool>(expression) ? void(0) : ::clawql::check_failed(#expression, __FILE__, __LINE__))
