// What a call has to do with tasks of 2025-11-25: it asks for one (tools/call), or is about one (tasks/get,
// tasks/result, tasks/cancel). Part of a Call; most calls have none.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "engine/line/core.hpp"
#include "engine/line/steps.hpp"
#include "engine/mcp/spliced.hpp"
#include "engine/mcp/task_book.hpp"
#include "json/document.hpp"

namespace clawql::engine::line {

class TaskCall {
 public:
  // Null where the call has nothing to do with tasks. Refused where no further task may be made.
  static std::expected<std::unique_ptr<TaskCall>, base::Reason> begin(Core& core, const AllowedCall& allowed);

  // Takes what the server answered into the book. False: it named a task in a way that cannot be passed on.
  bool take(json::Value response);
  // After take(): what the client sees instead of the server's id. Borrows from this.
  void apply(mcp::Spliced& answer) const;
  // The process that has the task is gone.
  void lost();
  bool waits_for_result(std::string_view task) const {
    return method_ == mcp::Method::tasks_result && task_.id == task;
  }

 private:
  TaskCall(Core& core, const AllowedCall& allowed);
  bool take_new(json::Value task);

  Core& core_;
  upstream::Server& server_;
  const mcp::Method method_;
  mcp::Task task_;  // that it is about, or is to be made
  std::optional<mcp::TaskBook::Place> place_;
  std::string_view slice_;  // the server's id in the answer
  std::string shown_;
};

}  // namespace clawql::engine::line
