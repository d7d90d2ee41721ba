#include "engine/line/status.hpp"

#include <fmt/format.h>

#include "json/writer.hpp"

namespace clawql::engine::line {
namespace {

void append_member(std::string& out, std::string_view key, std::string_view text) {
  fmt::format_to(std::back_inserter(out), R"("{}":)", key);
  json::append_string(out, text);
}

void append_strings(std::string& out, std::string_view key, const std::vector<std::string>& texts) {
  fmt::format_to(std::back_inserter(out), R"("{}":[)", key);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    json::append_string(out, texts[i]);
  }
  out += ']';
}

void append_server(std::string& out, const upstream::Description& server) {
  out += '{';
  append_member(out, "name", server.name);
  out += ',';
  append_member(out, "kind", server.kind);
  out += ',';
  append_member(out, "state", upstream::to_string(server.state));
  out += ',';
  append_member(out, "reason", server.reason);
  out += ',';
  append_strings(out, "last_stderr", server.last_stderr);
  out += ',';
  append_member(out, "server_name", server.server_name);
  out += ',';
  append_member(out, "server_version", server.server_version);
  out += ',';
  append_member(out, "protocol_version", server.protocol_version);
  fmt::format_to(std::back_inserter(out),
                 R"(,"tools":{},"calls_in_flight":{},"calls":{},"starts":{},"protocol_errors":{},)", server.tools,
                 server.calls_in_flight, server.calls, server.starts, server.protocol_errors);
  append_strings(out, "not_offered", server.not_offered);
  out += '}';
}

void append_refusals(std::string& out, const Metrics& metrics) {
  bool first = true;
  for (std::size_t i = 0; i < base::kReasonCount; ++i) {
    const auto reason = static_cast<base::Reason>(i);
    const std::uint64_t count = metrics.refusals(reason);
    if (count == 0) continue;
    fmt::format_to(std::back_inserter(out), R"({}"{}":{})", first ? "" : ",", base::facts(reason).label, count);
    first = false;
  }
}

}  // namespace

std::string status_json(const Core& core) {
  std::string out = fmt::format(R"({{"sessions":{},"principals":{},"in_flight":{},"servers":[)", core.sessions.size(),
                                core.principals.with_sessions(), core.in_flight);
  for (std::size_t i = 0; i < core.servers.size(); ++i) {
    if (i > 0) out += ',';
    append_server(out, core.servers[i].server->describe());
  }
  out += R"(],"hidden":[)";
  bool first = true;
  for (const auto& hidden : core.catalog->hidden()) {
    out += first ? "{" : ",{";
    first = false;
    append_member(out, "item", hidden.item);
    out += ',';
    append_member(out, "owner", hidden.owner);
    out += ',';
    append_member(out, "hidden_by", hidden.hidden_by);
    out += '}';
  }
  out += R"(],"refusals":{)";
  append_refusals(out, core.metrics);
  out += "}}";
  return out;
}

}  // namespace clawql::engine::line
