#include "engine/line/listen.hpp"

#include <fmt/format.h>

#include "engine/mcp/replies.hpp"

namespace clawql::engine::line {

Listen::Listen(Core& core, const McpRequest& request, mcp::Asker& asker)
    : Pending(request.message().id(), &asker), core_(core), client_(request.client()) {
  core_.listens.add(*this);
  core_.common.listens.fetch_add(1, std::memory_order_relaxed);
}

Listen::~Listen() {
  core_.subscriptions.remove_all(*this);
  core_.listens.remove(*this);
  core_.common.listens.fetch_sub(1, std::memory_order_relaxed);
}

void Listen::begin(json::Value filter) {
  std::string granted;
  const auto add = [&](std::string_view member, std::string_view value) {
    if (!granted.empty()) granted += ',';
    granted.append("\"").append(member).append("\":").append(value);
  };
  for (const mcp::ListKind kind : mcp::kAnnounced) {
    if (!filter.find(mcp::words(kind).wanted).boolean().value_or(false)) continue;
    wanted_.add(kind);
    add(mcp::words(kind).wanted, "true");
  }
  if (const json::Value uris = filter.find("resourceSubscriptions")) add("resourceSubscriptions", granted_uris(uris));
  if (asker() != nullptr) asker()->listens();
  notify(mcp::listen_acknowledged(id(), granted));
}

// Those that somebody serves, as they were written; the others are not granted.
std::string Listen::granted_uris(json::Value uris) {
  std::string granted = "[";
  for (const json::Value value : uris.elements()) {
    if (core_.subscriptions.count(*this) >= core_.limits.subscriptions) break;
    const auto uri = value.string();
    const auto* const entry = uri ? client_.view().catalog().find_resource(*uri) : nullptr;
    if (entry == nullptr || !core_.subscriptions.add(*this, *uri, *entry->server)) continue;
    if (granted.size() > 1) granted += ',';
    granted += value.raw();
  }
  return granted + "]";
}

void Listen::tell(mcp::Changes changes) {
  for (const mcp::ListKind kind : mcp::kAnnounced)
    if (wanted_.has(kind) && changes.has(kind)) notify(mcp::list_changed(kind, id()));
}

void Listen::on_resource_updated(std::string_view uri) {
  notify(mcp::resource_updated(uri, id()));
}

void Listen::notify(std::string_view message) {
  if (asker() == nullptr || !asker()->notify(mcp::Spliced(message))) core_.metrics.notifications_dropped.add();
}

void Listen::finish() {
  const std::unique_ptr<Pending> self = client_.take(*this);  // gone when this returns
  if (asker() != nullptr) asker()->respond(mcp::Spliced(mcp::listen_result(id())), 200);
}

}  // namespace clawql::engine::line
