#include "engine/mcp/related_task.hpp"

#include "engine/upstream/related_task.hpp"
#include "json/removal.hpp"
#include "json/writer.hpp"

namespace clawql::engine::mcp {

RelatedTask RelatedTask::as(std::string_view raw_id, json::Value holder) {
  RelatedTask related;
  const json::Value named = upstream::related_task(holder);
  if (!named) return related;
  related.is_there_ = true;
  const json::Value id = named.find("taskId");
  if (raw_id.empty() || !id.is(json::Kind::string)) {
    related.slice_ = json::removal_of(holder.find("_meta"), upstream::kRelatedTask);
  } else {
    related.slice_ = id.raw();
    related.replacement_ = raw_id;
  }
  return related;
}

RelatedTask RelatedTask::towards_client(const TaskScope& scope, json::Value holder) {
  const auto id = upstream::related_task(holder).find("taskId").string();
  if (!id) return as({}, holder);
  const auto task = scope.book.find_upstream(scope.process, *id, scope.now);
  return as(task && task->principal == scope.principal ? json::quoted(task->id) : std::string{}, holder);
}

RelatedTask RelatedTask::towards_server(const TaskScope& scope, json::Value holder) {
  const auto id = upstream::related_task(holder).find("taskId").string();
  if (!id) return as({}, holder);
  const auto task = scope.book.find(*id, scope.principal, scope.now);
  return as(task && task->process == scope.process ? task->upstream_raw : std::string{}, holder);
}

}  // namespace clawql::engine::mcp
