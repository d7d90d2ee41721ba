// What goes from shard to shard for a call to a server that another shard owns. All of it owns its bytes, so that it
// can be moved into a task of the other loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "engine/upstream/server.hpp"

namespace clawql::engine::upstream {

// A request with its own text, its slices pointing into that. Moving it leaves the text where it is.
class MovedRequest {
 public:
  explicit MovedRequest(const OutgoingRequest& request)
      : text_(std::make_unique<const std::string>(request.text)), request_(request) {
    const std::string_view before = request.text;
    request_.text = *text_;
    request_.params = {};
    request_.id = here(before, request.id);
    if (request.progress_token) request_.progress_token = here(before, *request.progress_token);
    for (auto& [slice, replacement] : request_.edits) slice = here(before, slice);
  }
  const OutgoingRequest& request() const { return request_; }

 private:
  std::string_view here(std::string_view before, std::string_view slice) const {
    if (slice.empty()) return {};
    return std::string_view(*text_).substr(static_cast<std::size_t>(slice.data() - before.data()), slice.size());
  }
  std::unique_ptr<const std::string> text_;
  OutgoingRequest request_;
};

// Servers are named by their entry; the process of an entry that is for clients of 2026-07-28 alone has a key of its
// own between shards. No entry's name holds a line break.
inline std::string modern_key(std::string_view name) {
  return std::string(name) + "\n2026-07-28";
}

// What the other shards know of a server.
struct ServerView {
  State state = State::stopped;
  bool worth_waiting = false;
  std::uint64_t generation = 0;
  std::string reason;
  std::shared_ptr<const Offer> offer = std::make_shared<const Offer>();  // immutable, so shared between threads
};

// A call on its way between two shards; unique in the calling one.
struct RemoteId {
  std::uint32_t shard;  // that calls
  CallId call;
  auto operator<=>(const RemoteId&) const = default;
};

}  // namespace clawql::engine::upstream
