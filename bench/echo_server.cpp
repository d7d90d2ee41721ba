// A stdio MCP server that does as little as a server can: answers at once, and `update` says before it answers, as
// often as `times`, that its resource changed. It speaks the handshake era, with --modern 2026-07-28 alone. For
// benchmarks only: it finds the id by searching, which no real server may do.
#include <unistd.h>

#include <cstdlib>
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

bool asks(std::string_view line, std::string_view method) {
  return line.find(method) != std::string_view::npos;
}

// The members of the answer beside its id.
std::string_view answer_to(std::string_view line) {
  if (asks(line, "\"tools/call\"")) return R"("result":{"content":[{"type":"text","text":"echo"}]})";
  if (asks(line, "\"initialize\""))
    return R"("result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"resources":{"subscribe":true}},"serverInfo":{"name":"echo","version":"1"}})";
  if (asks(line, "\"tools/list\""))
    return R"("result":{"tools":[{"name":"echo","description":"Says echo.","inputSchema":{"type":"object"}},{"name":"update","description":"Says that the news changed.","inputSchema":{"type":"object"}}]})";
  if (asks(line, "\"resources/list\"")) return R"("result":{"resources":[{"uri":"bench://news","name":"news"}]})";
  if (asks(line, "\"resources/templates/list\"")) return R"("result":{"resourceTemplates":[]})";
  if (asks(line, "\"server/discover\"")) return R"("error":{"code":-32601,"message":"Method not found"})";
  return R"("result":{})";
}

std::string_view modern_answer_to(std::string_view line) {
  if (asks(line, "\"tools/call\""))
    return R"("result":{"resultType":"complete","content":[{"type":"text","text":"echo"}]})";
  if (asks(line, "\"server/discover\""))
    return R"("result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"})";
  if (asks(line, "\"tools/list\""))
    return R"("result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{"name":"echo","description":"Says echo.","inputSchema":{"type":"object"}}]})";
  return R"("error":{"code":-32601,"message":"Method not found"})";
}

void append_updates(std::string& out, std::string_view line) {
  const std::size_t at = line.find("\"times\":");
  if (at == std::string_view::npos || !asks(line, "\"update\"")) return;
  for (std::size_t left = std::strtoul(line.data() + at + 8, nullptr, 10); left > 0; --left)
    out += R"({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"bench://news"}})"
           "\n";
}

}  // namespace

int main(int argc, char** argv) {
  const bool modern = argc > 1 && std::string_view(argv[1]) == "--modern";
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
      append_updates(out, line);
      out.append(R"({"jsonrpc":"2.0","id":)").append(id).append(",");
      out.append(modern ? modern_answer_to(line) : answer_to(line)).append("}\n");
    }
    in.erase(0, begin);
    for (std::size_t done = 0; done < out.size();) {
      const ssize_t written = ::write(STDOUT_FILENO, out.data() + done, out.size() - done);
      if (written <= 0) return 1;
      done += static_cast<std::size_t>(written);
    }
  }
}
