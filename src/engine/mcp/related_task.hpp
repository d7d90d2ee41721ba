// `_meta["io.modelcontextprotocol/related-task"]` says to which task a message belongs (MCP 2025-11-25,
// basic/utilities/tasks). Client and server know a task under different ids, so it is another one on the other side; a
// task that is not the reader's is not named to him at all.
#pragma once

#include <string>
#include <string_view>

#include "engine/mcp/spliced.hpp"
#include "engine/mcp/task_book.hpp"
#include "json/document.hpp"

namespace clawql::engine::mcp {

// Whose tasks may be named between a client and a server.
struct TaskScope {
  const TaskBook& book;
  std::uint64_t process;  // upstream::Server::generation()
  std::string_view principal;
  base::Microseconds now;
};

class RelatedTask {
 public:
  // `holder`: params or result. Does nothing where it names no task.
  static RelatedTask towards_client(const TaskScope& scope, json::Value holder);
  static RelatedTask towards_server(const TaskScope& scope, json::Value holder);
  // The same where it is known which task is meant, whatever was written. `raw_id`: with quotes.
  static RelatedTask as(std::string_view raw_id, json::Value holder);

  // It names something that is no task of these two; the member is left out.
  bool is_unknown() const { return is_there_ && replacement_.empty(); }
  bool is_there() const { return is_there_; }
  std::string_view slice() const { return slice_; }
  const std::string& replacement() const { return replacement_; }
  // `message` holds the holder, and borrows from this.
  void apply(Spliced& message) const {
    if (is_there_) message.replace(slice_, replacement_);
  }

 private:
  bool is_there_ = false;
  std::string_view slice_;
  std::string replacement_;
};

}  // namespace clawql::engine::mcp
