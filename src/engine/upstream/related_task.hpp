// To which task a message belongs (MCP 2025-11-25, basic/utilities/tasks, "Associating Task-Related Messages").
// `holder`: the params of a request or notification, or a result.
#pragma once

#include "engine/upstream/meta_keys.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

inline json::Value related_task(json::Value holder) {
  return holder.find("_meta").find(kRelatedTask);
}
inline bool names_task(json::Value holder) {
  return related_task(holder).find("taskId").is(json::Kind::string);
}

}  // namespace clawql::engine::upstream
