#include "admin_client.hpp"

#include "connection.hpp"
#include "http/response.hpp"

namespace clawql::cli {

Result<AdminAnswer> ask_admin(const std::vector<std::string>& sockets, std::string_view method, std::string_view path) {
  CLAWQL_TRY(Connection connection, Connection::open(sockets));
  std::string request = std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n";
  if (method == "POST") request += "Content-Length: 0\r\n";
  request += "Connection: close\r\n\r\n";
  CLAWQL_CHECKED(connection.write(request));

  // A reload may wait for servers to stop.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  http::ResponseParser parser;
  AdminAnswer answer;
  std::string pending;
  while (!parser.done()) {
    CLAWQL_TRY(const std::size_t more, connection.read(pending, deadline));
    if (more == 0) {
      if (auto status = parser.finish(); !status)
        return std::unexpected(std::move(status).error().in(connection.path()));
      break;
    }
    std::string_view rest = pending;
    while (!rest.empty() && !parser.done()) {
      auto step = parser.feed(rest);
      if (!step) return std::unexpected(std::move(step).error().in(connection.path()));
      answer.body += step->body;
      if (step->consumed == 0) break;
      rest.remove_prefix(step->consumed);
    }
    pending.erase(0, pending.size() - rest.size());
  }
  answer.status = parser.response().status;
  return answer;
}

}  // namespace clawql::cli
