#include "supervisor/status.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <span>

namespace clawql::supervisor {
namespace {

// An AdminAnswer holds this text once more escaped, and a control message at most 64 KiB.
constexpr std::size_t kMostEntries = 100;
constexpr std::size_t kMostInstances = 256;
constexpr std::size_t kMostText = 400;

std::string text(std::string_view value) {
  std::string out;
  base::append_json_string(out, value, kMostText);
  return out;
}

// "[a,b,c]" of at most kMostEntries elements.
template <class Range, class Write>
std::string list(const Range& range, Write write) {
  std::string out = "[";
  std::size_t count = 0;
  for (const auto& element : range) {
    if (count++ == kMostEntries) break;
    if (count > 1) out += ',';
    out += write(element);
  }
  return out + "]";
}

std::string listener_json(const ipc::ListenerSettings& one) {
  return fmt::format(R"({{"id":{},"kind":{},"label":{}}})", one.id, text(one.kind), text(one.label));
}

std::string layer_json(const ipc::LayerMessage& one) {
  return fmt::format(R"({{"name":{},"in_force":{},"detail":{}}})", text(one.name), one.in_force, text(one.detail));
}

std::string program_json(const Program* one) {
  return fmt::format(R"({{"name":{},"pid":{},"restarts":{},"ready":{},"layers":{}}})", text(one->name()),
                     std::max(one->pid(), 0), one->restarts(), one->ready(), list(one->layers(), layer_json));
}

std::string instance_json(const Servers::ProcessDescription& one) {
  return fmt::format(R"({{"instance":{},"pid":{},"state":{},"restarts":{}}})", one.instance, one.pid, text(one.state),
                     one.restarts);
}

// `room`: instances that may still be listed, over all servers; all are counted.
std::string server_json(const Servers::Description& one, std::size_t& room) {
  std::string out = fmt::format(R"({{"name":{},"pid":{},"state":{},"restarts":{},"isolation":{})", text(one.name),
                                one.shared.pid, text(one.shared.state), one.shared.restarts, text(one.isolation));
  if (one.isolation != "shared") {
    const auto in_state = [&](std::string_view state) {
      return std::ranges::count(one.instances, state, &Servers::ProcessDescription::state);
    };
    const auto listed = std::min({one.instances.size(), room, kMostEntries});
    room -= listed;
    fmt::format_to(std::back_inserter(out),
                   R"(,"max_instances":{},"running":{},"waiting":{},"stopping":{},"instances":{})", one.max_instances,
                   in_state("running"), in_state("waiting"), in_state("stopping"),
                   list(std::span(one.instances).first(listed), instance_json));
  }
  return out + "}";
}

std::string finding_json(const Finding& one) {
  return fmt::format(R"({{"id":{},"severity":{},"text":{},"remedy":{}}})", text(one.id), text(one.severity),
                     text(one.text), text(one.remedy));
}

bool runs_as(const config::Server& server, uid_t uid) {
  // A server with a user of its own is somebody else, unless it names the gateway's.
  return server.user.empty() || server.user == fmt::format("{}", uid);
}

void add_config_notices(const config::Config& config, std::vector<Finding>& out) {
  for (const config::Notice& notice : config.notices) {
    if (notice.id.starts_with("config.")) continue;
    out.push_back({notice.id, "medium", fmt::format("{}: {}", notice.where, notice.text), ""});
  }
}

void add_layers(const StatusFacts& facts, std::vector<Finding>& out) {
  for (const Program* program : facts.programs) {
    for (const ipc::LayerMessage& layer : program->layers()) {
      if (layer.in_force) continue;
      out.push_back({"sandbox.layer-missing", "medium",
                     fmt::format("clawql-{} runs without {}: {}", program->name(), layer.name, layer.detail),
                     "use a newer kernel, or set requireSandbox: true to refuse to start without it"});
    }
  }
}

}  // namespace

std::vector<Finding> findings(const StatusFacts& facts, uid_t gateway_uid, bool config_readable) {
  std::vector<Finding> out;
  if (gateway_uid == 0) {
    out.push_back({"gateway.runs-as-root", "high", "door, engine and servers run as root",
                   "create a user and name it: useradd -r -s /usr/sbin/nologin clawql; then `user: clawql`"});
  }
  const auto shares = [&](const config::Server& one) { return !one.disabled && runs_as(one, gateway_uid); };
  const auto sharing = std::ranges::find_if(facts.config.servers, shares);
  const bool has_secrets =
      std::ranges::any_of(facts.config.servers, [](const config::Server& one) { return !one.environment.empty(); });
  const bool noticed = std::ranges::any_of(
      facts.config.notices, [](const config::Notice& one) { return one.id == "server.can-read-config"; });
  if (config_readable && has_secrets && !noticed && sharing != facts.config.servers.end() &&
      sharing->sandbox.files_read.empty() && sharing->sandbox.files_write.empty()) {
    out.push_back(
        {"server.can-read-config", "medium",
         fmt::format("the server {} runs as the gateway's user and can read {}", sharing->name, facts.config.path),
         "write references (${env:NAME}) instead of keys, or give it `user:` or `sandbox.files`"});
  }
  add_config_notices(facts.config, out);
  add_layers(facts, out);
  return out;
}

std::string status_json(const StatusFacts& facts, const std::vector<Finding>& findings) {
  std::vector<std::string> warnings = facts.warnings;
  for (const config::Notice& notice : facts.config.notices) {
    if (notice.id.starts_with("config.")) warnings.push_back(fmt::format("{}: {}", notice.where, notice.text));
  }
  std::string out =
      fmt::format(R"({{"version":{},"pid":{},"started":{},"config":{},"generation":{},"listeners":{},"processes":{})",
                  text(CLAWQL_VERSION), ::getpid(), text(base::format_utc(facts.started)), text(facts.config.path),
                  facts.generation, list(facts.listeners, listener_json), list(facts.programs, program_json));
  std::size_t room = kMostInstances;
  const auto write_server = [&](const Servers::Description& one) { return server_json(one, room); };
  fmt::format_to(std::back_inserter(out), R"(,"servers":{},"findings":{},"warnings":{}}})",
                 list(facts.servers, write_server), list(findings, finding_json),
                 list(warnings, [](const std::string& one) { return text(one); }));
  return out;
}

std::string error_json(std::string_view message) {
  std::string out = R"({"error":)";
  base::append_json_string(out, message, 16 << 10);
  return out + "}";
}

}  // namespace clawql::supervisor
