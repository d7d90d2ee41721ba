// The gateway's status over its admin socket, for `status` and `doctor`.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "json/document.hpp"

namespace clawql::cli {

inline constexpr json::ParseLimits kStatusLimits{.bytes = 16U << 20, .depth = 64};

// The text of GET /admin/status; it was parsed once and is a JSON object.
Result<std::string> fetch_status(const std::vector<std::string>& sockets);

}  // namespace clawql::cli
