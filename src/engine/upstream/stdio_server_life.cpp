// The life of a stdio server: start, handshake, list of tools, end. Its calls and messages are in stdio_server.cpp.
#include <algorithm>
#include <array>

#include "engine/upstream/stdio_server.hpp"
#include "json/writer.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::string_view kOfferedVersion = "2025-11-25";
constexpr std::array<std::string_view, 4> kKnownVersions{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
constexpr std::string_view kVersionWithBatches = "2025-03-26";
constexpr std::size_t kShownBytes = 128;  // of names and versions that a server tells about itself
constexpr std::string_view kNotStarted = "could not be started";  // ipc::ServerExited::how
constexpr base::Milliseconds kFirstRestartDelay{250};
constexpr base::Milliseconds kLongestRestartDelay{30'000};
constexpr base::Microseconds kHealthyAfter{60'000'000};

std::string shown(json::Value value) {
  return value.string().value_or("").substr(0, kShownBytes);
}

// "error -32603: …", from an answer that was judged well-formed.
std::string error_text(json::Value error) {
  return "error " + std::string(error.find("code").raw()) + ": " + shown(error.find("message"));
}

bool equal_lists(const ItemList& left, const ItemList& right) {
  return std::ranges::equal(left, right, {}, &Item::json, &Item::json);
}

bool equal_offers(const Offer& left, const Offer& right) {
  for (const ListKind kind : kAllLists)
    if (!equal_lists(left.list(kind), right.list(kind))) return false;
  return left.features == right.features && left.freshness == right.freshness;
}

}  // namespace

bool StdioServer::worth_waiting_for() const {
  return state_ == State::starting && offer_->is_empty() && parts_.loop.now() - start_began_ < kListPatience;
}

void StdioServer::wake() {
  if (state_ == State::stopped && !retired_) begin_start();
}

void StdioServer::begin_start() {
  state_ = State::starting;
  reason_.clear();
  ever_ready_ = false;
  start_began_ = parts_.loop.now();
  parts_.launcher.start(settings_.name, kShared);
}

void StdioServer::started(Pipes pipes) {
  if (retired_ || pipes.incarnation <= newest_incarnation_) return;
  if (process_) {  // its exit was not seen: the new start tells that it is gone
    fail_calls(true, "it was started anew");
    drop_process();
  }
  newest_incarnation_ = pipes.incarnation;
  state_ = State::starting;
  ever_ready_ = restart_expected_ = false;
  exit_.reset();
  grace_.clear();
  restart_.clear();
  ++starts_;
  metrics_.starts.add();
  ServerProcess::Handler& handler = *this;
  process_ = std::make_unique<ServerProcess>(parts_.loop, std::move(pipes), limits_, call_limit(), handler);
  own_deadline_.set(call_limit());
  send_initialize();
}

// ---- handshake

void StdioServer::send_own(Own what, std::string_view method, std::string_view params) {
  const std::uint64_t id = next_id_++;
  own_requests_.push_back({id, what});
  std::string line = R"({"jsonrpc":"2.0","id":)" + std::to_string(id);
  line.append(R"(,"method":")").append(method).append(R"(","params":)").append(params).append("}\n");
  process_->write(line);
}

void StdioServer::send_initialize() {
  // One process serves all clients, so it is offered none of their features.
  std::string params = R"({"protocolVersion":")";
  params.append(kOfferedVersion);
  params += R"(","capabilities":{},"clientInfo":{"name":"clawql","version":")" CLAWQL_VERSION R"("}})";
  send_own(Own::initialize, "initialize", params);
}

void StdioServer::on_own_answer(Own what, const json::Document& document, const ServerMessage& message) {
  if (!message.fault.empty()) count_protocol_error(message.fault);
  switch (what) {
    case Own::initialize: return on_initialized(document, message);
    case Own::list: return on_list_page(document, message);
    case Own::set_level: return;  // a server that does not like the level keeps its own
  }
}

void StdioServer::on_initialized(const json::Document& document, const ServerMessage& message) {
  if (!message.fault.empty()) return refuse_handshake("it answered initialize with " + std::string(message.fault));
  const json::Value root = document.root();
  if (const json::Value error = root.find("error"))
    return refuse_handshake("it refused initialize with " + error_text(error));
  const json::Value result = root.find("result");
  protocol_version_ = shown(result.find("protocolVersion"));
  if (std::ranges::find(kKnownVersions, protocol_version_) == kKnownVersions.end())
    return refuse_handshake("it speaks protocol version \"" + protocol_version_ + "\", which this gateway does not");
  if (protocol_version_ == kVersionWithBatches) process_->allow_batches();
  server_name_ = shown(result.find("serverInfo").find("name"));
  server_version_ = shown(result.find("serverInfo").find("version"));
  const json::Value capabilities = result.find("capabilities");
  features_ = {.tools = capabilities.find("tools").is(json::Kind::object),
               .logging = capabilities.find("logging").is(json::Kind::object),
               .speaks_handshake_era = true};
  process_->write("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
  if (features_.tools) return fetch_list();
  collector_.emplace(ListKind::tools, settings_.tools, 0);
  finish_list();
}

void StdioServer::refuse_handshake(const std::string& why) {
  drop_process();
  parts_.launcher.stop(settings_.name, kShared);
  fail(why);
}

void StdioServer::on_own_deadline() {
  if (state_ == State::starting) return restart_process("it did not finish its handshake within the time of a call");
  parts_.log.warning("server.list-unanswered", {{"server", settings_.name}});
  std::erase_if(own_requests_, [](const OwnRequest& own) { return own.what == Own::list; });
  collector_.reset();
}

// ---- list of tools

void StdioServer::fetch_list() {
  collector_.emplace(ListKind::tools, settings_.tools, limits_.items_server);
  last_fetch_ = parts_.loop.now();
  own_deadline_.set(call_limit());
  send_own(Own::list, "tools/list", "{}");
}

void StdioServer::request_refetch() {
  if (refetch_.is_set() || !process_) return;
  if (collector_ || state_ != State::ready || parts_.loop.now() - last_fetch_ < kRefetchInterval)
    return refetch_.set(kRefetchInterval);
  fetch_list();
}

void StdioServer::on_list_page(const json::Document& document, const ServerMessage& message) {
  if (!collector_) return;
  const json::Value error = document.root().find("error");
  const auto next = !message.fault.empty() ? clawql::fail(std::string(message.fault))
                    : error                ? clawql::fail(error_text(error))
                                           : collector_->add_page(document.root().find("result"));
  if (!next) {
    if (state_ == State::starting) return refuse_handshake("tools/list: " + next.error().message);
    parts_.log.warning("server.list-refused", {{"server", settings_.name}, {"why", next.error().message}});
    own_deadline_.clear();
    collector_.reset();
    return;
  }
  if (!*next) return finish_list();
  send_own(Own::list, "tools/list", R"({"cursor":)" + **next + "}");
}

void StdioServer::finish_list() {
  if (collector_->invalid() > 0)
    parts_.log.warning("server.tools-dropped", {{"server", settings_.name},
                                                {"count", std::uint64_t{collector_->invalid()}},
                                                {"first", collector_->example()}});
  if (!collector_->fault().empty())
    parts_.log.warning("server.list-cut", {{"server", settings_.name}, {"why", collector_->fault()}});
  Offer offer = *offer_;
  offer.features = features_;
  offer.lists[static_cast<std::size_t>(ListKind::tools)] = std::make_shared<const ItemList>(collector_->take());
  collector_.reset();
  own_deadline_.clear();
  const bool settles = state_ == State::starting;
  if (settles) become_ready(offer.list(ListKind::tools).size());
  set_offer(std::move(offer));
  if (settles) parts_.observer.on_settled(*this);
}

void StdioServer::become_ready(std::size_t tools) {
  state_ = State::ready;
  ever_ready_ = true;
  reason_.clear();
  ready_since_ = parts_.loop.now();
  parts_.log.info("server.ready", {{"server", settings_.name},
                                   {"version", protocol_version_},
                                   {"tools", std::uint64_t{tools}},
                                   {"incarnation", newest_incarnation_}});
  send_log_level();
  send_held_calls();
}

void StdioServer::set_offer(Offer offer) {
  if (equal_offers(offer, *offer_)) return;
  offer_ = std::make_shared<const Offer>(std::move(offer));
  parts_.observer.on_offer_changed(*this);
}

void StdioServer::set_log_level(std::string_view level) {
  log_level_ = level;
  if (state_ == State::ready) send_log_level();
}

void StdioServer::send_log_level() {
  if (!features_.logging || log_level_.empty() || log_level_ == log_level_sent_ || !process_) return;
  log_level_sent_ = log_level_;
  send_own(Own::set_level, "logging/setLevel", R"({"level":)" + json::quoted(log_level_) + "}");
}

// ---- the end

void StdioServer::on_output_closed() {
  if (exit_) {
    if (process_->silent()) finish_exit();
    return;
  }
  if (state_ == State::ready) state_ = State::starting;  // new calls wait for what comes next
  grace_.set(kExitGrace);
  fail_calls(true, "it ended during the call");
}

void StdioServer::on_errors_closed() {
  if (exit_ && process_->silent()) finish_exit();
}

void StdioServer::on_input_closed() {
  if (!exit_ && !grace_.is_set()) grace_.set(kExitGrace);
}

void StdioServer::exited(const ipc::ServerExited& exit) {
  if (retired_ || exit.incarnation < newest_incarnation_) return;
  // The process of an engine before this one: what we asked for comes after it.
  const bool seen = process_ || exit.incarnation == newest_incarnation_;
  if (!seen && !exit.how.starts_with(kNotStarted)) return;
  newest_incarnation_ = exit.incarnation;
  exit_ = {exit.how, exit.retry_ms > 0 || restart_expected_};
  if (process_ && !process_->silent())
    grace_.set(kLastWords);  // its last answers and complaints may still be in the pipes
  else
    finish_exit();
}

void StdioServer::on_grace_over() {
  if (exit_) return finish_exit();
  if (restart_expected_) return;  // it is being ended already
  restart_process("it closed its stdin or stdout and runs on");
}

void StdioServer::finish_exit() {
  const Exit exit = *std::exchange(exit_, std::nullopt);
  drop_process();
  if (state_ == State::failed || state_ == State::stopped) return;
  if (!exit.comes_back) return fail(exit.how, !exit.how.starts_with(kNotStarted));
  if (!ever_ready_ && !restart_expected_) return fail(exit.how);
  state_ = State::starting;
  reason_ = exit.how;
  parts_.log.warning("server.restarting", {{"server", settings_.name}, {"why", exit.how}});
  fail_calls(true, exit.how);
}

void StdioServer::on_misconduct(const std::string& why) {
  restart_process(why);
}

// Asked for at once the first time, then later and later: the supervisor's back-off counts exits, not what we dislike.
void StdioServer::restart_process(const std::string& why) {
  if (ever_ready_ && parts_.loop.now() - ready_since_ > kHealthyAfter) restarts_in_a_row_ = 0;
  const auto delay = restarts_in_a_row_ == 0
                         ? base::Milliseconds(0)
                         : std::min(kLongestRestartDelay, kFirstRestartDelay * (1 << std::min(restarts_in_a_row_, 7U)));
  ++restarts_in_a_row_;
  restart_expected_ = true;
  grace_.clear();
  own_deadline_.clear();
  own_requests_.clear();
  if (process_) process_->close_input();
  if (delay.count() == 0)
    parts_.launcher.restart(settings_.name, kShared);
  else
    restart_.set(delay);
  if (!ever_ready_) return fail(why);
  state_ = State::starting;
  reason_ = why;
  parts_.log.warning("server.restarting", {{"server", settings_.name}, {"why", why}});
  fail_calls(true, why);
}

void StdioServer::drop_process() {
  process_.reset();
  own_requests_.clear();
  collector_.reset();
  own_deadline_.clear();
  refetch_.clear();
  grace_.clear();
  log_level_sent_.clear();
}

void StdioServer::fail(const std::string& why, bool ended_by_us) {
  state_ = State::failed;
  reason_ = why;
  const auto last = stderr_tail_.last(1);
  // An end after which the supervisor starts nothing is one that was asked for.
  parts_.log.log(
      ended_by_us ? base::Level::info : base::Level::warning, ended_by_us ? "server.stopped" : "server.failed",
      {{"server", settings_.name}, {"why", why}, {"last_stderr", last.empty() ? std::string() : last.front()}});
  fail_calls(false, why);
  set_offer({});
  parts_.observer.on_settled(*this);
}

// ---- reload

void StdioServer::change(const ipc::ServerSettings& settings, const base::Limits& limits) {
  const bool entry_changed = settings.fingerprint != settings_.fingerprint;
  settings_ = settings;
  limits_ = limits;
  if (!entry_changed || state_ == State::stopped) return;
  restart_expected_ = true;
  restarts_in_a_row_ = 0;
  state_ = State::starting;
  reason_ = "its entry in the configuration changed";
  start_began_ = parts_.loop.now();
  restart_.clear();
  if (process_) process_->close_input();
  parts_.launcher.restart(settings_.name, kShared);
  fail_calls(true, reason_);
  set_offer({});  // the new entry may allow less
}

void StdioServer::retire() {
  retired_ = true;
  state_ = State::stopped;
  exit_.reset();
  restart_.clear();
  drop_process();
  offer_ = std::make_shared<const Offer>();
  fail_calls(false, "it was removed from the configuration");
}

}  // namespace clawql::engine::upstream
