// tasks/list (MCP 2025-11-25, basic/utilities/tasks): one page of the tasks that the caller's principal has, over all
// servers and whether or not these list tasks themselves. What is known here is whose they are; how each stands is
// asked of its server, all at once. One that is gone, or does not say in time, is left out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/line/core.hpp"
#include "engine/line/steps.hpp"
#include "engine/mcp/asker.hpp"
#include "engine/mcp/task_book.hpp"

namespace clawql::engine::line {

class TaskListing final : public mcp::Pending {
 public:
  static constexpr std::size_t kPageTasks = 50;
  static constexpr std::size_t kTaskBytes = 64U << 10;      // of the state of one; larger ones are left out
  static constexpr base::Milliseconds kPatience{10'000};    // for all of them
  static constexpr std::uint64_t kCursorList = 0x7a51c000;  // in mcp::Position: that it is a cursor of this list

  TaskListing(Core& core, const McpRequest& request, mcp::Asker& asker);
  ~TaskListing() override;

  // Those made after task `number`. `listing` is in its client already; it may be gone when this returns.
  static void begin(TaskListing& listing, std::uint64_t number);
  void stop(base::Reason why, std::string_view reason_text) override;
  // The server is taken away: its tasks are left out. The listing may be gone afterwards.
  void abandon(const upstream::Server& server);

 private:
  class Get;
  void answered();
  void finish();

  Core& core_;
  mcp::Client& client_;
  InFlight in_flight_;
  std::vector<std::unique_ptr<Get>> gets_;  // in the order of the list
  std::string next_cursor_;
  std::size_t open_ = 1;  // that have not answered, and begin() itself
  io::Deadline patience_;
};

}  // namespace clawql::engine::line
