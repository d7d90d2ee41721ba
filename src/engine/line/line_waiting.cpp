// Requests that wait until servers which still start have settled: a list that would lack theirs, a call of something
// that nobody has yet.
#include <algorithm>

#include "engine/line/line.hpp"
#include "engine/line/waiting.hpp"
#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {

using base::Reason;

void Line::wait(const McpRequest& request, mcp::Asker& asker) {
  if (!core_.has_room_for_request(request.client())) return refuse(request, asker, Reason::too_many_requests);
  auto waiting = std::make_unique<Waiting>(core_, request, asker);
  waiting_.push_back(waiting.get());
  request.client().add(std::move(waiting));
}

void Line::wake_waiting(bool all) {
  for (mcp::Pending* pending : std::exchange(waiting_, {})) {
    if (!all && static_cast<Waiting*>(pending)->client().view().worth_waiting())
      waiting_.push_back(pending);
    else
      take_again(*pending);
  }
}

void Line::take_again(mcp::Pending& pending) {
  auto& waiting = static_cast<Waiting&>(pending);
  mcp::Client& client = waiting.client();
  const std::unique_ptr<mcp::Pending> taken = client.take(waiting);
  if (waiting.asker() == nullptr) return core_.metrics.answers_dropped.add();
  // The same bytes by the same parser: they were lawful when they came.
  const auto document = json::Document::parse(
      waiting.text(), {.bytes = core_.limits.request_body, .depth = static_cast<std::size_t>(core_.limits.json_depth)});
  const auto message = document ? mcp::Message::read(document->root()) : std::unexpected(mcp::Message::Invalid{});
  if (message && client.is_modern()) {
    if (const auto claim = mcp::Claim::read(message->params()))
      return answer(McpRequest::with_claim(waiting.who(), *message, client, *claim, waiting.headers()),
                    *waiting.asker(), false);
  } else if (message) {
    return answer(McpRequest(waiting.who(), *message, client, nullptr), *waiting.asker(), false);
  }
  const std::string error = mcp::error_response(waiting.id(), Reason::internal);
  waiting.asker()->respond(mcp::Spliced(error), base::facts(Reason::internal).http_status);
}

void Line::forget_waiting(const mcp::Pending& pending) {
  std::erase_if(waiting_, [&](const mcp::Pending* waiting) { return waiting == &pending; });
}

}  // namespace clawql::engine::line
