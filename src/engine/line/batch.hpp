// The answers of a batch, collected into one array (JSON-RPC 2.0 section 6; MCP 2025-03-26 alone).
#pragma once

#include <string>

#include "engine/mcp/asker.hpp"

namespace clawql::engine::line {

class Batch final : public mcp::Asker {
 public:
  Batch(mcp::Asker& whole, std::size_t responses) : whole_(whole), awaited_(responses) {}

  bool notify(const mcp::Spliced& notification) override { return whole_.notify(notification); }
  bool respond(const mcp::Spliced& response, int /*http_status*/) override {
    array_ += array_.empty() ? '[' : ',';
    response.append_to(array_);
    return one_less();
  }
  void withdraw() override { one_less(); }
  bool is_complete() const { return awaited_ == 0; }

 private:
  bool one_less() {
    if (--awaited_ > 0) return true;
    if (array_.empty()) {
      whole_.withdraw();
      return true;
    }
    array_ += ']';
    return whole_.respond(mcp::Spliced(array_), 200);
  }
  mcp::Asker& whole_;
  std::size_t awaited_;
  std::string array_;
};

}  // namespace clawql::engine::line
