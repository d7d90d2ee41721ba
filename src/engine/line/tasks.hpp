// Tasks of 2025-11-25 (basic/utilities/tasks) between a client and the servers: a task lives in one process of a
// server, is known to clients under an id of ours, and belongs to the principal who made it (mcp::TaskBook). Here is
// what the rest of the line needs to know of them.
#pragma once

#include "engine/line/core.hpp"
#include "engine/mcp/related_task.hpp"
#include "engine/mcp/session.hpp"
#include "engine/mcp/task_book.hpp"
#include "json/document.hpp"

namespace clawql::engine::line {

class Call;

// A session that may use them.
bool speaks_tasks(const mcp::Client& client);
// What a session is told that servers offer: of tasks what some server has, or may have that has not yet said.
upstream::Features declared_features(const mcp::Client& client);
// The server of this client's view whose process has the task. A task that has no server there because its process has
// ended, not because it is another session's own, is written down as lost, with the others of that process.
struct Home {
  upstream::Server* server;  // null: none
  bool lost;
};
Home find_home(mcp::TaskBook& tasks, mcp::Client& client, const mcp::Task& task, base::Microseconds now);
// Those of this principal whose process has ended are written down as lost: they must not take others' places.
void mourn_tasks(Core& core, const mcp::Client& client);
// Told of tasks, or having some: what was told holds also when the server has failed since.
bool may_use_tasks(const Core& core, const mcp::Client& client);
// How long a task is remembered of which its server spoke just now. `ttl`: of its state; absent or null: for ever.
base::Microseconds expiry_of(const Core& core, json::Value ttl);
mcp::TaskScope scope_of(const Core& core, const mcp::Client& client, const upstream::Server& server);

// Who waits in this session for the result of the task; null: nobody.
const Call* call_for_result(const mcp::Session& session, std::string_view task);
// A notification of a server that belongs to a task and to no call goes to the session that made the task: to who waits
// for the result, else on its newest stream. False: it names no task.
bool tell_of_task(Core& core, const upstream::Server& server, json::Value notification);

}  // namespace clawql::engine::line
