// An MCP client over the gateway's Unix socket, in newline-delimited JSON: what `clawql tools` and `doctor` need.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "connection.hpp"

namespace clawql::cli {

class McpClient {
 public:
  // Connected and initialized.
  static Result<McpClient> open(const std::vector<std::string>& sockets);

  // The raw "result" of the answer. A JSON-RPC error is an Error that says its code and message.
  Result<std::string> request(std::string_view method, std::string_view params, std::chrono::seconds limit);
  // Every tool, over all pages: raw tool objects.
  Result<std::vector<std::string>> tools();

 private:
  explicit McpClient(Connection connection) : connection_(std::move(connection)) {}
  Result<std::string> next_line(std::chrono::steady_clock::time_point deadline);
  // Answers a request that the gateway sent to us.
  Status refuse(std::string_view id, std::string_view method);

  Connection connection_;
  std::string pending_;
  std::uint64_t last_id_ = 0;
};

}  // namespace clawql::cli
