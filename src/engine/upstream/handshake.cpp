#include "engine/upstream/handshake.hpp"

#include <algorithm>
#include <array>

namespace clawql::engine::upstream {
namespace {

constexpr std::string_view kOfferedVersion = "2025-11-25";
constexpr std::string_view kTasksVersion = "2025-11-25";  // no other has them
constexpr std::array<std::string_view, 4> kKnownVersions{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};

bool is_object(json::Value value) {
  return value.is(json::Kind::object);
}

// The capabilities have one shape in both eras.
void read_capabilities(json::Value capabilities, Introduction& who) {
  const json::Value tools = capabilities.find("tools"), resources = capabilities.find("resources"),
                    prompts = capabilities.find("prompts"), tasks = capabilities.find("tasks");
  const auto is_true = [](json::Value flag) { return flag.boolean().value_or(false); };
  who.features.tools = is_object(tools);
  who.features.resources = is_object(resources);
  who.features.subscribe = is_true(resources.find("subscribe"));
  who.features.prompts = is_object(prompts);
  who.features.completions = is_object(capabilities.find("completions"));
  who.features.logging = is_object(capabilities.find("logging"));
  // MCP 2025-11-25, basic/utilities/tasks. In 2026-07-28 they are an extension, declared elsewhere.
  who.features.tasks =
      who.protocol_version == kTasksVersion && is_object(tasks.find("requests").find("tools").find("call"));
  who.features.cancels_tasks = who.features.tasks && is_object(tasks.find("cancel"));
  who.tools_change = is_true(tools.find("listChanged"));
  who.resources_change = is_true(resources.find("listChanged"));
  who.prompts_change = is_true(prompts.find("listChanged"));
}

// nullopt when it does not speak 2026-07-28. MCP 2026-07-28, server/discover.
std::optional<Introduction> read_discovery(json::Value result) {
  const json::Value versions = result.find("supportedVersions");
  if (!versions.is(json::Kind::array)) return std::nullopt;
  if (std::ranges::none_of(versions.elements(), [](json::Value each) { return each.equals(kModernVersion); }))
    return std::nullopt;
  const json::Value info = result.find("_meta").find(kServerInfo);
  Introduction who{.modern = true,
                   .features = {},
                   .name = shown(info.find("name")),
                   .version = shown(info.find("version")),
                   .protocol_version = std::string(kModernVersion)};
  read_capabilities(result.find("capabilities"), who);
  who.features.speaks_modern = true;
  return who;
}

// MCP 2025-11-25, basic/lifecycle.
Introduction read_initialize(json::Value result) {
  const json::Value info = result.find("serverInfo");
  Introduction who{.features = {},
                   .name = shown(info.find("name")),
                   .version = shown(info.find("version")),
                   .protocol_version = shown(result.find("protocolVersion"))};
  read_capabilities(result.find("capabilities"), who);
  who.features.speaks_handshake_era = true;
  return who;
}

bool is_known(std::string_view version) {
  return std::ranges::find(kKnownVersions, version) != kKnownVersions.end();
}

}  // namespace

Handshake::Handshake(io::Loop& loop, OwnRequests& own, Handler& handler, const Role& role, Opening opening)
    : own_(own), handler_(handler), role_(role), opening_(opening), patience_(loop, [this] { initialize(); }) {}

void Handshake::begin() {
  switch (opening_) {
    case Opening::ask: patience_.set(kProbePatience); return probe();
    case Opening::modern_only: return probe();
    case Opening::known_modern:
    case Opening::initialize_first:
    case Opening::no_question: return initialize();
  }
}

void Handshake::probe() {
  probing_ = true;
  own_.ask("server/discover", R"("_meta":)" + Claim().meta(),
           [this](const OwnRequests::Answer& answer) { on_discovered(answer); });
}

// The answer may come after `initialize` was sent, from a server that takes long to start: it still counts then.
void Handshake::on_discovered(const OwnRequests::Answer& answer) {
  probing_ = false;
  patience_.clear();
  discovered_ = answer.result ? read_discovery(answer.result) : std::nullopt;
  if (opening_ == Opening::modern_only || initialize_refused_) {
    if (discovered_) return handler_.on_introduced(*std::move(discovered_));
    return handler_.on_handshake_refused(answer.result ? "it does not speak 2026-07-28"
                                                       : "it refused server/discover with " + answer.why());
  }
  if (!initialize_sent_) initialize();
}

void Handshake::initialize() {
  initialize_sent_ = true;
  // A process that serves many clients is offered the features of none.
  const bool of_one_client = role_.kind == Role::Kind::session;
  std::string members = R"("protocolVersion":")";
  members.append(kOfferedVersion).append(R"(","capabilities":)");
  members.append(of_one_client ? role_.client_capabilities : "{}");
  members += R"(,"clientInfo":{"name":"clawql","version":")" CLAWQL_VERSION R"("})";
  own_.ask("initialize", members, [this](const OwnRequests::Answer& answer) { on_initialized(answer); });
}

void Handshake::on_initialized(const OwnRequests::Answer& answer) {
  if (!answer.result) return on_initialize_refused("it refused initialize with " + answer.why());
  Introduction who = read_initialize(answer.result);
  if (!is_known(who.protocol_version))
    return on_initialize_refused("it speaks protocol version \"" + who.protocol_version +
                                 "\", which this gateway does not");
  who.features.speaks_modern = discovered_.has_value() || opening_ == Opening::known_modern;
  handler_.on_introduced(std::move(who));
}

void Handshake::on_initialize_refused(const std::string& why) {
  if (discovered_) return handler_.on_refused_after_discover();
  if (opening_ != Opening::known_modern && opening_ != Opening::initialize_first)
    return handler_.on_handshake_refused(why);
  initialize_refused_ = true;
  probe();
}

}  // namespace clawql::engine::upstream
