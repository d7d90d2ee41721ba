// The built-in tool `audit`, for one principal: the newest audit events of that principal and the notes it appended
// itself, in one list. Both are a view: `clear` empties the view and never touches the audit log on disk.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "engine/audit/audit.hpp"
#include "engine/upstream/tool_arguments.hpp"

namespace clawql::engine::upstream {

class AuditTool {
 public:
  static constexpr std::size_t kDefaultLimit = 20;
  static std::span<const ArgumentSpec> arguments();
  static std::string_view tool_json();

  // `capacity`: entries that are kept and shown at most. `log` and `clock` are borrowed.
  AuditTool(const audit::Log& log, const base::Clock& clock, std::string principal, std::size_t capacity)
      : log_(log), clock_(clock), principal_(std::move(principal)), capacity_(capacity) {}
  // The text of the answer, or what is wrong with the arguments.
  Result<std::string> run(const ToolArguments& arguments);

 private:
  struct Entry {
    std::string timestamp, category, action, summary, correlation_id;
  };
  Result<std::string> append(const ToolArguments& arguments);
  std::string list(std::size_t limit) const;
  std::string clear();
  std::vector<Entry> visible() const;
  static Entry from_event(std::string_view json);

  const audit::Log& log_;
  const base::Clock& clock_;
  std::string principal_;
  std::size_t capacity_;
  std::deque<Entry> notes_;
  std::string cleared_at_;  // events up to this time are not shown
};

}  // namespace clawql::engine::upstream
