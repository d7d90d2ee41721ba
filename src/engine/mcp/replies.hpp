// The JSON-RPC messages that the gateway writes itself. Ids are spliced raw, as the client wrote them. `modern`: for a
// client of 2026-07-28.
#pragma once

#include <string>
#include <string_view>

#include "base/refusal.hpp"
#include "engine/mcp/catalog.hpp"
#include "engine/mcp/lists.hpp"
#include "engine/mcp/versions.hpp"

namespace clawql::engine::mcp {

// The code of a refusal inside a JSON-RPC response. A reason whose table entry is an HTTP status (429, 503 …) becomes
// −32603: JSON-RPC has no such codes.
int rpc_code(base::Reason reason, bool modern = false);

std::string empty_result(std::string_view raw_id);
// `features`: what the servers offer. Lists may come later, so everything that the gateway can serve is declared but
// tasks, of which only a server that has them can make any.
std::string initialize_result(std::string_view raw_id, Version version, const upstream::Features& features);
std::string discover_result(std::string_view raw_id);
struct ListPage {
  ListKind kind;
  std::string_view items, next_cursor;
  upstream::Freshness freshness;  // shown to modern clients alone
};
std::string list_result(std::string_view raw_id, const ListPage& page, bool modern);
// {"code":…,"message":…,"data":{"reason":label}}; without id where `raw_id` is empty. `message` empty: the table's.
// `data`: further members of data, `"key":value`, or "".
std::string error_response(std::string_view raw_id, base::Reason reason, std::string_view message = {},
                           bool modern = false, std::string_view data = {});
// `listen_id`: raw id of the subscriptions/listen that asked for it; empty in the handshake era.
std::string list_changed(ListKind kind, std::string_view listen_id = {});
std::string resource_updated(std::string_view uri, std::string_view listen_id = {});
// What a subscriptions/listen was granted, and its end. `granted`: members of `notifications`.
std::string listen_acknowledged(std::string_view listen_id, std::string_view granted);
std::string listen_result(std::string_view listen_id);

}  // namespace clawql::engine::mcp
