#include "engine/line/tasks.hpp"

#include <algorithm>

#include "engine/line/call.hpp"
#include "engine/mcp/log_level.hpp"
#include "engine/upstream/related_task.hpp"
#include "json/writer.hpp"

namespace clawql::engine::line {
namespace {

// Servers delete in their own time; ours must not be shorter.
constexpr base::Microseconds kGrace{60'000'000};

// It has never said what it offers, and may still.
bool is_unknown(const upstream::Server& server) {
  const upstream::State state = server.state();
  if (state != upstream::State::stopped && state != upstream::State::starting) return false;
  const auto offer = server.offer();
  return !offer->features.speaks_handshake_era && !offer->features.speaks_modern;
}

upstream::Server* server_with(const mcp::View& view, std::uint64_t process) {
  for (const mcp::ServerSlot& slot : view.slots())
    if (slot.server != nullptr && slot.server->generation() == process) return slot.server;
  return nullptr;
}

bool wants_log(const mcp::Session& session, json::Value params) {
  const auto level = mcp::parse_log_level(params.find("level").plain_string().value_or(std::string_view{}));
  return level && *level >= session.log_level().value_or(mcp::LogLevel::info);
}

bool deliver(mcp::Session& session, std::string_view task, const mcp::Spliced& message) {
  if (const Call* const call = call_for_result(session, task); call != nullptr && call->asker()->notify(message))
    return true;
  std::string whole;
  message.append_to(whole);
  return session.tell(whole);
}

}  // namespace

bool speaks_tasks(const mcp::Client& client) {
  return client.version() == mcp::Version::v2025_11_25;
}

upstream::Features declared_features(const mcp::Client& client) {
  upstream::Features all = client.view().catalog().features();
  const bool may_come = std::ranges::any_of(client.view().slots(), [](const mcp::ServerSlot& slot) {
    return slot.server != nullptr && is_unknown(*slot.server);
  });
  all.tasks = speaks_tasks(client) && (all.tasks || may_come);
  all.cancels_tasks = all.tasks && (all.cancels_tasks || may_come);
  return all;
}

Home find_home(mcp::TaskBook& tasks, mcp::Client& client, const mcp::Task& task, base::Microseconds now) {
  if (upstream::Server* const server = server_with(client.view(), task.process)) return {server, false};
  const mcp::Session* const session = client.session();
  const bool lost = task.shared || (session != nullptr && session->id().text() == task.session);
  if (lost) tasks.process_ended(task.process, now);
  return {nullptr, lost};
}

void mourn_tasks(Core& core, const mcp::Client& client) {
  for (const std::uint64_t process : core.common.tasks.shared_processes(client.principal().principal.name))
    if (server_with(client.view(), process) == nullptr) core.common.tasks.process_ended(process, core.loop.now());
}

bool may_use_tasks(const Core& core, const mcp::Client& client) {
  if (!speaks_tasks(client)) return false;
  return declared_features(client).tasks ||
         !core.common.tasks.page(client.principal().principal.name, 0, 1, core.loop.now()).empty();
}

base::Microseconds expiry_of(const Core& core, json::Value ttl) {
  const std::uint64_t longest = core.limits.task_seconds * 1000;
  const std::uint64_t wanted = std::min(ttl.uint64().value_or(longest), longest);
  return core.loop.now() + std::chrono::milliseconds(wanted) + kGrace;
}

mcp::TaskScope scope_of(const Core& core, const mcp::Client& client, const upstream::Server& server) {
  return {.book = core.common.tasks,
          .process = server.generation(),
          .principal = client.principal().principal.name,
          .now = core.loop.now()};
}

const Call* call_for_result(const mcp::Session& session, std::string_view task) {
  for (const auto& pending : session.pending()) {
    const auto* const call = dynamic_cast<const Call*>(pending.get());
    if (call != nullptr && call->asker() != nullptr && call->waits_for_result(task)) return call;
  }
  return nullptr;
}

bool tell_of_task(Core& core, const upstream::Server& server, json::Value notification) {
  const json::Value method = notification.find("method"), params = notification.find("params");
  const bool is_status = method.equals("notifications/tasks/status");
  const json::Value id = is_status ? params.find("taskId") : upstream::related_task(params).find("taskId");
  if (!id.is(json::Kind::string)) return is_status;
  const auto task = core.common.tasks.find_upstream(server.generation(), *id.string(), core.loop.now());
  if (!task || task->shard != core.number) return true;  // nobody's, or of a session in another shard
  if (is_status) core.common.tasks.keep_until(task->id, expiry_of(core, params.find("ttl")));

  const auto session_id = mcp::SessionId::parse(task->session);
  mcp::Session* const session = session_id ? core.sessions.find(*session_id) : nullptr;
  const std::string shown = json::quoted(task->id);
  mcp::Spliced message(notification.raw(), id.raw(), shown);
  const auto related = is_status ? mcp::RelatedTask::as(shown, params) : mcp::RelatedTask();
  related.apply(message);
  bool wanted = session != nullptr;
  if (method.equals("notifications/progress")) {
    const json::Value token = params.find("progressToken");
    wanted = wanted && token && !task->progress_token.empty();
    if (wanted) message.replace(token.raw(), task->progress_token);
  } else if (method.equals("notifications/message")) {
    wanted = wanted && wants_log(*session, params);
  }
  if (!wanted || !deliver(*session, task->id, message)) core.metrics.notifications_dropped.add();
  return true;
}

}  // namespace clawql::engine::line
