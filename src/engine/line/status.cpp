#include "engine/line/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/line/own_servers.hpp"
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
  fmt::format_to(
      std::back_inserter(out),
      R"(,"tools":{},"resources":{},"prompts":{},"calls_in_flight":{},"calls":{},"starts":{},"protocol_errors":{},)",
      server.tools, server.resources, server.prompts, server.calls_in_flight, server.calls, server.starts,
      server.protocol_errors);
  append_strings(out, "not_offered", server.not_offered);
}

// Nothing for an entry that all share.
void append_instances(std::string& out, const InstancesStatus& instances) {
  out += R"(,"instances":{)";
  for (const upstream::State state : upstream::kAllStates)
    fmt::format_to(std::back_inserter(out), R"("{}":{},)", upstream::to_string(state),
                   instances.in_state[static_cast<std::size_t>(state)]);
  fmt::format_to(std::back_inserter(out), R"("calls_in_flight":{}}})", instances.in_flight);
}

void add(std::vector<InstancesStatus>& all, const InstancesStatus& more) {
  const auto found = std::ranges::find(all, more.entry, &InstancesStatus::entry);
  InstancesStatus& sum = found != all.end() ? *found : all.emplace_back(InstancesStatus{.entry = more.entry});
  for (std::size_t i = 0; i < sum.in_state.size(); ++i) sum.in_state[i] += more.in_state[i];
  sum.in_flight += more.in_flight;
}

std::vector<InstancesStatus> instances_of(const Core& core) {
  std::vector<InstancesStatus> all;
  for (const mcp::ServerSlot& slot : core.entries)
    if (slot.isolation != mcp::Isolation::shared) all.push_back({.entry = slot.name});
  if (core.own_servers == nullptr) return all;
  core.own_servers->for_each_server([&](const upstream::OwnServer& server) {
    InstancesStatus one{.entry = server.name()};
    ++one.in_state[static_cast<std::size_t>(server.state())];
    one.in_flight = server.describe().calls_in_flight;
    add(all, one);
  });
  return all;
}

using Refusals = std::array<std::uint64_t, base::kReasonCount>;

void append_refusals(std::string& out, const Refusals& refusals) {
  bool first = true;
  for (std::size_t i = 0; i < refusals.size(); ++i) {
    if (refusals[i] == 0) continue;
    const auto reason = static_cast<base::Reason>(i);
    fmt::format_to(std::back_inserter(out), R"({}"{}":{})", first ? "" : ",", base::facts(reason).label, refusals[i]);
    first = false;
  }
}

// What its owner says of it; the shard's own view where the owner does not know it any more.
upstream::Description describe(const mcp::ServerSlot& slot, const std::vector<ShardStatus>& others) {
  if (slot.owned) return slot.server->describe();
  for (const ShardStatus& shard : others)
    for (const upstream::Description& server : shard.servers)
      if (server.name == slot.server->name()) return server;
  return slot.server->describe();
}

ShardStatus sum(ShardStatus all, const std::vector<ShardStatus>& others) {
  for (const ShardStatus& shard : others) {
    all.sessions += shard.sessions;
    all.in_flight += shard.in_flight;
    all.principals.insert(all.principals.end(), shard.principals.begin(), shard.principals.end());
    for (const InstancesStatus& instances : shard.instances) add(all.instances, instances);
    // The counters are common; a shard knows those of reasons that it has met.
    for (std::size_t i = 0; i < all.refusals.size(); ++i)
      all.refusals[i] = std::max(all.refusals[i], shard.refusals[i]);
  }
  std::ranges::sort(all.principals);
  const auto doubles = std::ranges::unique(all.principals);
  all.principals.erase(doubles.begin(), doubles.end());
  return all;
}

}  // namespace

ShardStatus status_of(const Core& core) {
  ShardStatus status{.sessions = core.sessions.size(),
                     .in_flight = core.in_flight,
                     .principals = core.principals.with_sessions(),
                     .servers = {},
                     .instances = instances_of(core),
                     .refusals = {}};
  for (const mcp::ServerSlot& slot : core.entries)
    if (slot.owned) status.servers.push_back(slot.server->describe());
  for (std::size_t i = 0; i < base::kReasonCount; ++i)
    status.refusals[i] = core.metrics.refusals(static_cast<base::Reason>(i));
  return status;
}

std::string status_json(const Core& core) {
  const ShardStatus all = sum(status_of(core), core.others);
  std::string out = fmt::format(R"({{"sessions":{},"principals":{},"in_flight":{},"servers":[)", all.sessions,
                                all.principals.size(), all.in_flight);
  bool first_server = true;
  for (const mcp::ServerSlot& slot : core.entries) {
    if (!std::exchange(first_server, false)) out += ',';
    append_server(out, describe(slot, core.others));
    const auto own = std::ranges::find(all.instances, slot.name, &InstancesStatus::entry);
    if (own != all.instances.end()) append_instances(out, *own);
    out += '}';
  }
  out += R"(],"hidden":[)";
  bool first = true;
  for (const mcp::ListKind kind : upstream::kAllLists) {
    for (const auto& hidden : core.handshake_view.catalog().list(kind).hidden()) {
      out += std::exchange(first, false) ? "{" : ",{";
      append_member(out, "list", mcp::words(kind).member);
      out += ',';
      append_member(out, "item", hidden.item);
      out += ',';
      append_member(out, "owner", hidden.owner);
      out += ',';
      append_member(out, "hidden_by", hidden.hidden_by);
      out += '}';
    }
  }
  out += R"(],"refusals":{)";
  append_refusals(out, all.refusals);
  out += "}}";
  return out;
}

}  // namespace clawql::engine::line
