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

void CallSink::on_own_response(std::string_view text, std::string_view, bool) {
  const auto response = json::Document::parse(text, {.bytes = text.size()});
  CLAWQL_CHECK(response.has_value());
  on_response(*response);
}

}  // namespace clawql::engine::upstream
