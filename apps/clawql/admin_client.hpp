// The gateway's own socket for its operator: HTTP over a Unix socket that no client is given.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace clawql::cli {

struct AdminAnswer {
  int status = 0;
  std::string body;
};

// `method` GET or POST, `path` such as "/admin/status". The first of the sockets that answers.
Result<AdminAnswer> ask_admin(const std::vector<std::string>& sockets, std::string_view method, std::string_view path);

}  // namespace clawql::cli
