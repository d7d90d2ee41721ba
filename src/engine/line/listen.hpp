// subscriptions/listen (2026-07-28): a request that is answered by notifications until the client closes it. It hears
// of all servers what it asked for; its first message says what it was granted, and each carries its id.
#pragma once

#include <string_view>

#include "engine/line/core.hpp"
#include "engine/line/steps.hpp"
#include "engine/mcp/asker.hpp"
#include "engine/mcp/lists.hpp"
#include "engine/mcp/subscriptions.hpp"

namespace clawql::engine::line {

class Listen final : public mcp::Pending, public mcp::Subscriber {
 public:
  Listen(Core& core, const McpRequest& request, mcp::Asker& asker);
  ~Listen() override;

  // Takes the filter and tells what of it is granted. It is in its client already.
  void begin(json::Value filter);
  void tell(mcp::Changes changes);
  const mcp::View& view() const { return client_.view(); }
  // The gateway ends it: with a result, as one that is over in order. Gone afterwards.
  void finish();

  void on_resource_updated(std::string_view uri) override;
  void stop(base::Reason, std::string_view) override {}  // nothing of it is upstream but its subscriptions

 private:
  void notify(std::string_view message);
  std::string granted_uris(json::Value uris);
  Core& core_;
  mcp::Client& client_;
  mcp::Changes wanted_;
};

}  // namespace clawql::engine::line
