// The life of a stdio server: start, handshake, lists, end. Its calls are in stdio_server.cpp, what it says is in
// stdio_server_messages.cpp.
#include <algorithm>

#include "engine/upstream/stdio_server.hpp"

namespace clawql::engine::upstream {
namespace {

constexpr std::string_view kVersionWithBatches = "2025-03-26";
constexpr std::string_view kNotStarted = "could not be started";  // ipc::ServerExited::how
constexpr base::Milliseconds kFirstRestartDelay{250};
constexpr base::Milliseconds kLongestRestartDelay{30'000};
constexpr base::Microseconds kHealthyAfter{60'000'000};

bool equal_lists(const ItemList& left, const ItemList& right) {
  return std::ranges::equal(left, right, {}, &Item::json, &Item::json);
}

bool equal_offers(const Offer& left, const Offer& right) {
  for (const ListKind kind : kAllLists)
    if (!equal_lists(left.list(kind), right.list(kind))) return false;
  return left.features == right.features && left.freshness == right.freshness && left.announced == right.announced;
}

void put(Offer& offer, ListKind kind, std::shared_ptr<const ItemList> items, Freshness freshness) {
  offer.lists[static_cast<std::size_t>(kind)] = std::move(items);
  offer.freshness[static_cast<std::size_t>(kind)] = freshness;
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
  parts_.launcher.start(settings_.name, role_.instance);
}

void StdioServer::started(Pipes pipes) {
  if (retired_ || pipes.incarnation <= newest_incarnation_) return;
  if (process_) {  // its exit was not seen: the new start tells that it is gone
    fail_calls(true, "it was started anew");
    drop_process();
  }
  newest_incarnation_ = pipes.incarnation;
  generation_ = parts_.instances.next_generation();
  has_made_tasks_ = false;
  state_ = State::starting;
  ever_ready_ = restart_expected_ = false;
  exit_.reset();
  grace_.clear();
  restart_.clear();
  ++starts_;
  metrics_.starts.add();
  const base::Milliseconds limit = call_limit(settings_, limits_);
  ServerProcess::Handler& handler = *this;
  process_ = std::make_unique<ServerProcess>(parts_.loop, std::move(pipes), limits_, limit, handler);
  own_.attach(*process_);
  handshake_deadline_.set(limit);
  Handshake::Handler& handshake_handler = *this;
  handshake_.emplace(parts_.loop, own_, handshake_handler, role_, opening_);
  handshake_->begin();
}

// ---- handshake and lists

Handshake::Opening StdioServer::first_opening() const {
  if (role_.kind == Role::Kind::modern) return Handshake::Opening::modern_only;
  return role_.kind == Role::Kind::session ? Handshake::Opening::initialize_first : Handshake::Opening::ask;
}

void StdioServer::on_introduced(Introduction who) {
  if (who.modern)
    opening_ = Handshake::Opening::modern_only;
  else if (handshake_->is_probing())
    opening_ = Handshake::Opening::no_question;  // the answer was not worth the time
  introduction_ = std::move(who);
  if (introduction_.protocol_version == kVersionWithBatches) process_->allow_batches();
  if (introduction_.modern)
    own_.set_claim(Claim());
  else
    own_.tell("notifications/initialized", {});
  next_offer_ = {};
  next_offer_.features = introduction_.features;
  Lists::Handler& handler = *this;
  lists_.emplace(Lists::Parts{parts_.loop, own_, handler, parts_.log, settings_, limits_}, introduction_.features);
  lists_->begin();
}

// It may speak the handshake era all the same: another process must be asked.
void StdioServer::on_refused_after_discover() {
  opening_ = Handshake::Opening::known_modern;
  restart_expected_ = true;
  drop_conversation();
  process_->close_input();
  parts_.launcher.restart(settings_.name, role_.instance);
}

void StdioServer::on_handshake_refused(const std::string& why) {
  opening_ = first_opening();
  drop_process();
  parts_.launcher.stop(settings_.name, role_.instance);
  fail(why);
}

void StdioServer::on_late_handshake() {
  restart_process("it did not finish its handshake within the time of a call");
}

void StdioServer::on_no_tools(const std::string& why) {
  on_handshake_refused("tools/list: " + why);
}

void StdioServer::on_list(ListKind kind, std::shared_ptr<const ItemList> items, Freshness freshness) {
  if (!introduction_.modern) freshness = {};
  if (state_ != State::ready) return put(next_offer_, kind, std::move(items), freshness);
  Offer offer = *offer_;
  put(offer, kind, std::move(items), freshness);
  ++offer.announced[static_cast<std::size_t>(kind)];
  set_offer(std::move(offer));
}

void StdioServer::on_lists_complete() {
  become_ready();
  next_offer_.announced = offer_->announced;
  set_offer(std::exchange(next_offer_, {}));
  parts_.observer.on_settled(*this);
}

void StdioServer::become_ready() {
  handshake_deadline_.clear();
  state_ = State::ready;
  ever_ready_ = true;
  second_chance_used_ = false;
  reason_.clear();
  ready_since_ = parts_.loop.now();
  parts_.log.info("server.ready", {{"server", settings_.name},
                                   {"version", introduction_.protocol_version},
                                   {"tools", std::uint64_t{next_offer_.list(ListKind::tools).size()}},
                                   {"incarnation", newest_incarnation_}});
  if (!can_hear()) return;
  send_log_level();
  subscribe_all();
  send_held_calls();
}

void StdioServer::set_offer(Offer offer) {
  if (equal_offers(offer, *offer_)) return;
  offer_ = std::make_shared<const Offer>(std::move(offer));
  parts_.observer.on_offer_changed(*this);
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
  const bool second_chance = may_be_killed_by_probe();
  drop_process();
  if (state_ == State::failed || state_ == State::stopped) return;
  if (!exit.comes_back) return fail(exit.how, !exit.how.starts_with(kNotStarted));
  if (!ever_ready_ && !restart_expected_ && !second_chance) return fail(exit.how);
  state_ = State::starting;
  reason_ = exit.how;
  parts_.log.warning("server.restarting", {{"server", settings_.name}, {"why", exit.how}});
  fail_calls(true, exit.how);
}

// A server may end when it is asked what it does not know. One that dies before
// it answers the first question ever is started once more and not asked; if it dies then too, that was not the reason.
bool StdioServer::may_be_killed_by_probe() {
  using enum Handshake::Opening;
  if (ever_ready_ || !handshake_) return false;
  const bool suspect = opening_ == ask && handshake_->is_probing() && !std::exchange(second_chance_used_, true);
  if (suspect)
    opening_ = no_question;
  else if (opening_ == no_question)
    opening_ = ask;
  return suspect;
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
  drop_conversation();
  if (process_) process_->close_input();
  if (delay.count() == 0)
    parts_.launcher.restart(settings_.name, role_.instance);
  else
    restart_.set(delay);
  if (!ever_ready_) return fail(why);
  state_ = State::starting;
  reason_ = why;
  parts_.log.warning("server.restarting", {{"server", settings_.name}, {"why", why}});
  fail_calls(true, why);
}

// Whatever we wanted to know from it.
void StdioServer::drop_conversation() {
  own_.detach();
  handshake_.reset();
  lists_.reset();
  listen_.reset();
  handshake_deadline_.clear();
  log_level_sent_.clear();
}

void StdioServer::drop_process() {
  drop_conversation();
  process_.reset();
  grace_.clear();
}

void StdioServer::fail(const std::string& why, bool ended_by_us) {
  state_ = State::failed;
  failed_at_ = parts_.loop.now();
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
  restarts_in_a_row_ = 0;
  opening_ = first_opening();
  reason_ = "its entry in the configuration changed";
  restart_.clear();
  if (role_.instance == kShared)
    restart_changed();
  else
    take_fresh_number();
}

void StdioServer::restart_changed() {
  restart_expected_ = true;
  state_ = State::starting;
  start_began_ = parts_.loop.now();
  drop_conversation();
  if (process_) process_->close_input();
  parts_.launcher.restart(settings_.name, role_.instance);
  fail_calls(true, reason_);
  set_offer({});  // the new entry may allow less
}

// The supervisor brings a shared process back whatever it died of; of any other it may have let go.
bool StdioServer::may_be_tried_again() const {
  return state_ == State::failed && role_.instance != kShared && parts_.loop.now() - failed_at_ > kTryAgain;
}

void StdioServer::take_fresh_number() {
  const bool settles = state_ == State::starting;
  parts_.launcher.stop(settings_.name, role_.instance);
  role_.instance = parts_.instances.next();
  state_ = State::stopped;
  newest_incarnation_ = 0;
  restart_expected_ = false;
  exit_.reset();
  drop_process();
  fail_calls(false, reason_);
  set_offer({});
  if (settles) parts_.observer.on_settled(*this);
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
