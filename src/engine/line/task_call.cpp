#include "engine/line/task_call.hpp"

#include "engine/line/tasks.hpp"
#include "engine/mcp/message.hpp"
#include "engine/upstream/own_server.hpp"
#include "json/writer.hpp"

namespace clawql::engine::line {
namespace {

constexpr std::int64_t kInvalidParams = -32602;

}  // namespace

TaskCall::TaskCall(Core& core, const AllowedCall& allowed)
    : core_(core), server_(allowed.server()), method_(allowed.request().message().method()) {
  if (allowed.task()) {
    task_ = *allowed.task();
    return;
  }
  mcp::Client& client = allowed.request().client();
  const mcp::ServerSlot* const slot = client.view().slot(server_);
  task_.principal = client.principal().principal.name;
  task_.tool = allowed.target();
  task_.shared = slot == nullptr || slot->isolation == mcp::Isolation::shared;
  task_.session = client.session()->id().text();
  task_.shard = core.number;
  task_.progress_token = allowed.progress_token().value_or(std::string_view{});
}

std::expected<std::unique_ptr<TaskCall>, base::Reason> TaskCall::begin(Core& core, const AllowedCall& allowed) {
  if (!allowed.task() && !allowed.wants_task()) return nullptr;
  auto call = std::unique_ptr<TaskCall>(new TaskCall(core, allowed));
  if (allowed.task()) return call;
  const mcp::TaskBook::Limits limits{.principal = core.limits.tasks_principal, .all = core.limits.tasks};
  auto place = core.common.tasks.reserve(call->task_.principal, limits, core.loop.now());
  if (!place) {
    mourn_tasks(core, allowed.request().client());
    return std::unexpected(base::Reason::task_limit);
  }
  call->place_.emplace(*std::move(place));
  return call;
}

bool TaskCall::take(json::Value response) {
  const json::Value result = response.find("result");
  if (method_ == mcp::Method::tools_call) {
    const json::Value task = result.find("task");
    return !task || take_new(task);  // an error, or a server that did the work at once
  }
  mcp::TaskBook& book = core_.common.tasks;
  if (method_ == mcp::Method::tasks_result) return true;
  if (!result) {
    // For tasks/cancel the same code may say that it is finished.
    if (method_ == mcp::Method::tasks_get && response.find("error").find("code").int64() == kInvalidParams)
      book.forget(task_.id);
    return true;
  }
  book.keep_until(task_.id, expiry_of(core_, result.find("ttl")));
  slice_ = result.find("taskId") ? result.find("taskId").raw() : std::string_view{};
  shown_ = json::quoted(task_.id);
  return true;
}

bool TaskCall::take_new(json::Value task) {
  const json::Value id = task.find("taskId");
  auto name = id.string();
  if (!name || name->empty() || id.raw().size() > mcp::kMaxIdBytes) return false;
  task_.upstream = *std::move(name);
  task_.upstream_raw = id.raw();
  task_.process = server_.generation();
  const base::Microseconds expires = expiry_of(core_, task.find("ttl"));
  auto made = core_.common.tasks.add(task_, expires);
  if (!made) return false;
  if (auto* const own = dynamic_cast<upstream::OwnServer*>(&server_)) own->keep_until(expires);
  slice_ = id.raw();
  shown_ = json::quoted(*made);
  return true;
}

void TaskCall::apply(mcp::Spliced& answer) const {
  if (!slice_.empty()) answer.replace(slice_, shown_);
}

void TaskCall::lost() {
  core_.common.tasks.process_ended(task_.process, core_.loop.now());
}

}  // namespace clawql::engine::line
