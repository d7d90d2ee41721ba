// What every request of 2026-07-28 carries in params._meta (basic/index, Per-Request Metadata): the revision, who asks,
// and what that client can do. Requests that the gateway makes itself get it, and those of clients of the handshake era
// when the server speaks 2026-07-28 alone; clients of 2026-07-28 bring their own.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/upstream/meta_keys.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

class Claim {
 public:
  // No client feature is claimed: nobody could answer what is asked back. `log_level`: empty for none.
  explicit Claim(std::string_view log_level = {});

  // The whole `_meta` object.
  std::string meta() const;
  // A whole request (its shape was judged before) with the claim in params._meta; members of these names that are there
  // already stay. A text that cannot be parsed within `limits` comes back as it is.
  std::string added_to(std::string_view request, const json::ParseLimits& limits) const;
  // The other way: a server that was greeted by `initialize` may refuse a request with a claim (the Python SDK 2.3
  // does). Members of these names, and of no other, are taken out of params._meta.
  static std::string removed_from(std::string_view request, const json::ParseLimits& limits);

 private:
  std::string members_missing_in(json::Value meta) const;
  std::vector<std::pair<std::string_view, std::string>> members_;  // key, raw value
};

}  // namespace clawql::engine::upstream
