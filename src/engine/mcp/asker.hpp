// Who waits for the answer of a request: a POST, a line of newline JSON, an element of a batch. A request holds its
// asker by pointer and loses it when the client vanishes; each message goes to exactly one place.
#pragma once

#include <string_view>

#include "base/refusal.hpp"
#include "engine/mcp/spliced.hpp"

namespace clawql::engine::mcp {

class Asker {
 public:
  // A notification that belongs to the request, before its response. False: it was dropped (no room).
  virtual bool notify(const Spliced& notification) = 0;
  // The response; `http_status` counts only where nothing was sent yet and the transport is HTTP. False: no room was
  // left and an error took its place. Ends the request: the asker may be gone afterwards.
  virtual bool respond(const Spliced& response, int http_status) = 0;
  // The client itself took the request back: no response comes (MCP, cancellation). Ends the request as respond() does.
  virtual void withdraw() = 0;
  // Before the first notification of a request that waits for news: it is no work under way.
  virtual void listens() {}

 protected:
  ~Asker() = default;
};

// A request that was not answered at once. Owned by its client, which knows it by its raw id.
class Pending {
 public:
  Pending(std::string_view id, Asker* asker) : id_(id), asker_(asker) {}
  virtual ~Pending() = default;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  const std::string& id() const { return id_; }
  Asker* asker() const { return asker_; }
  void set_asker(Asker* asker) { asker_ = asker; }
  // Ends the work behind it. Its owner takes it out and tells the asker.
  virtual void stop(base::Reason why, std::string_view reason_text) = 0;

 private:
  std::string id_;
  Asker* asker_;
};

}  // namespace clawql::engine::mcp
