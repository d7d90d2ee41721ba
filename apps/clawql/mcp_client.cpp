#include "mcp_client.hpp"

#include "json/document.hpp"
#include "json/writer.hpp"
#include "output.hpp"

namespace clawql::cli {
namespace {

constexpr std::size_t kMaxLine = 32U << 20;
constexpr int kMaxPages = 1000;

std::string error_text(const json::Value& error) {
  std::string text = printable(text_at(error, "message")) + " (" + number_at(error, "code") + ")";
  if (const json::Value data = error.find("data")) text += ": " + printable(data.raw());
  return text;
}

}  // namespace

Result<McpClient> McpClient::open(const std::vector<std::string>& sockets) {
  CLAWQL_TRY(Connection connection, Connection::open(sockets));
  McpClient client(std::move(connection));
  const std::string params =
      R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"clawql","version":")" CLAWQL_VERSION
      R"("}})";
  CLAWQL_TRY([[maybe_unused]] const std::string hello, client.request("initialize", params, std::chrono::seconds(10)));
  CLAWQL_CHECKED(client.connection_.write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"));
  return client;
}

Result<std::string> McpClient::next_line(std::chrono::steady_clock::time_point deadline) {
  std::size_t scanned = 0;
  while (true) {
    const auto end = pending_.find('\n', scanned);
    if (end != std::string::npos) {
      std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      return line;
    }
    scanned = pending_.size();
    if (scanned > kMaxLine)
      return fail(connection_.path() + ": a line longer than " + std::to_string(kMaxLine) + " bytes");
    CLAWQL_TRY(const std::size_t more, connection_.read(pending_, deadline));
    if (more == 0) return fail(connection_.path() + ": the gateway closed the connection");
  }
}

Status McpClient::refuse(std::string_view id, std::string_view method) {
  std::string line = "{\"jsonrpc\":\"2.0\",\"id\":" + std::string(id);
  line += method == "ping" ? ",\"result\":{}}\n" : ",\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}\n";
  return connection_.write(line);
}

Result<std::string> McpClient::request(std::string_view method, std::string_view params, std::chrono::seconds limit) {
  const std::uint64_t id = ++last_id_;
  CLAWQL_CHECKED(connection_.write("{\"jsonrpc\":\"2.0\",\"id\":" + std::to_string(id) + ",\"method\":" +
                                   json::quoted(method) + ",\"params\":" + std::string(params) + "}\n"));
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (true) {
    CLAWQL_TRY(const std::string line, next_line(deadline));
    const auto document = json::Document::parse(line, {.bytes = kMaxLine, .depth = 128});
    if (!document)
      return fail(connection_.path() + ": the gateway wrote no JSON: " + std::string(document.error().why));
    const json::Value message = document->root();
    if (const auto asked = message.find("method").string()) {
      if (message.find("id")) CLAWQL_CHECKED(refuse(message.find("id").raw(), *asked));
      continue;
    }
    if (const json::Value error = message.find("error")) {
      // An error without id answers what could not be read, which can only be this request.
      if (!message.find("id").uint64() || message.find("id").uint64() == id) return fail(error_text(error));
      continue;
    }
    if (message.find("id").uint64() == id) return std::string(message.find("result").raw());
  }
}

Result<std::vector<std::string>> McpClient::tools() {
  std::vector<std::string> all;
  std::string params = "{}";
  for (int page = 0; page < kMaxPages; ++page) {
    CLAWQL_TRY(const std::string result, request("tools/list", params, std::chrono::seconds(60)));
    const auto document = json::Document::parse(result, {.bytes = kMaxLine, .depth = 128});
    if (!document) return fail("tools/list: no JSON");
    for (const json::Value tool : document->root().find("tools").elements()) all.emplace_back(tool.raw());
    const json::Value cursor = document->root().find("nextCursor");
    if (!cursor.is(json::Kind::string)) return all;
    params = "{\"cursor\":" + std::string(cursor.raw()) + "}";
  }
  return fail("tools/list: more than " + std::to_string(kMaxPages) + " pages");
}

}  // namespace clawql::cli
