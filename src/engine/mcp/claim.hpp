// What a request of 2026-07-28 says of itself in params._meta (basic/index, "Request metadata"): nothing of it is
// remembered for the next request.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/refusal.hpp"
#include "engine/mcp/log_level.hpp"
#include "engine/upstream/meta_keys.hpp"
#include "json/document.hpp"

namespace clawql::engine::mcp {

using upstream::kCapabilitiesKey;
using upstream::kClientInfoKey;
using upstream::kLogLevelKey;
using upstream::kVersionKey;

class Claim {
 public:
  struct Fault {
    base::Reason reason;  // claim_invalid or version_unsupported
    std::string message;  // names the key
    std::string data;     // further members of the error's data, `"key":value`
  };
  // True when the message claims a revision in its _meta: it is of 2026-07-28 or newer, whatever else it says.
  static bool is_made(json::Value params);
  // Where is_made().
  static std::expected<Claim, Fault> read(json::Value params);

  json::Value capabilities() const { return capabilities_; }        // an object
  std::optional<LogLevel> log_level() const { return log_level_; }  // absent: no log messages for this request

 private:
  json::Value capabilities_;
  std::optional<LogLevel> log_level_;
};

}  // namespace clawql::engine::mcp
