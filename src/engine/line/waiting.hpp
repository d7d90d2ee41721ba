// A request that cannot be judged yet because servers are still starting: a list that would lack their tools, or a call
// of a tool that one of them may bring. It keeps its own bytes and takes the line again when every server worth waiting
// for has settled.
#pragma once

#include <optional>
#include <string>

#include "engine/line/core.hpp"
#include "engine/line/steps.hpp"
#include "engine/mcp/asker.hpp"

namespace clawql::engine::line {

class Waiting final : public mcp::Pending {
 public:
  Waiting(Core& core, const McpRequest& request, mcp::Asker& asker)
      : Pending(request.message().id(), &asker),
        in_flight_(core, request.client()),
        who_(request.who()),
        client_(request.client()),
        text_(request.message().text()) {
    if (request.headers() != nullptr) headers_ = *request.headers();
  }

  void stop(base::Reason, std::string_view) override {}  // nothing went upstream
  const IdentifiedRequest& who() const { return who_; }
  mcp::Client& client() const { return client_; }
  const std::string& text() const { return text_; }
  const mcp::RoutingHeaders* headers() const { return headers_ ? &*headers_ : nullptr; }

 private:
  InFlight in_flight_;
  IdentifiedRequest who_;
  mcp::Client& client_;
  std::string text_;
  std::optional<mcp::RoutingHeaders> headers_;
};

}  // namespace clawql::engine::line
