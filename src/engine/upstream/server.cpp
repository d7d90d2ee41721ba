#include "engine/upstream/server.hpp"

#include "base/check.hpp"

namespace clawql::engine::upstream {

std::string_view to_string(State state) {
  switch (state) {
    case State::stopped: return "stopped";
    case State::starting: return "starting";
    case State::ready: return "ready";
    case State::failed: return "failed";
  }
  CLAWQL_CHECK(false);
}

}  // namespace clawql::engine::upstream
