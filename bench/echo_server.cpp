// A stdio MCP server that does as little as a server can: answers initialize, tools/list and tools/call `echo` at once.
// For benchmarks only: it finds the id by searching, which no real server may do.
#include <unistd.h>

#include <cstring>
#include <string>
#include <string_view>

namespace {

std::string_view id_of(std::string_view line) {
  const std::size_t at = line.find("\"id\":");
  if (at == std::string_view::npos) return {};
  const std::size_t from = at + 5;
  std::size_t to = from;
  if (line[from] == '"')
    to = line.find('"', from + 1) + 1;
  else
    while (to < line.size() && line[to] != ',' && line[to] != '}') ++to;
  return line.substr(from, to - from);
}

std::string_view result_for(std::string_view line) {
  if (line.find("\"tools/call\"") != std::string_view::npos) return R"({"content":[{"type":"text","text":"echo"}]})";
  if (line.find("\"initialize\"") != std::string_view::npos)
    return R"({"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}})";
  if (line.find("\"tools/list\"") != std::string_view::npos)
    return R"({"tools":[{"name":"echo","description":"Says echo.","inputSchema":{"type":"object"}}]})";
  return "{}";
}

}  // namespace

int main() {
  std::string in, out;
  char room[65536];
  for (;;) {
    const ssize_t size = ::read(STDIN_FILENO, room, sizeof room);
    if (size <= 0) return 0;
    in.append(room, static_cast<std::size_t>(size));
    std::size_t begin = 0;
    out.clear();
    for (std::size_t end = in.find('\n'); end != std::string::npos; begin = end + 1, end = in.find('\n', begin)) {
      const std::string_view line = std::string_view(in).substr(begin, end - begin);
      const std::string_view id = id_of(line);
      if (id.empty()) continue;
      out.append(R"({"jsonrpc":"2.0","id":)").append(id).append(R"(,"result":)").append(result_for(line)).append("}\n");
    }
    in.erase(0, begin);
    for (std::size_t done = 0; done < out.size();) {
      const ssize_t written = ::write(STDOUT_FILENO, out.data() + done, out.size() - done);
      if (written <= 0) return 1;
      done += static_cast<std::size_t>(written);
    }
  }
}
