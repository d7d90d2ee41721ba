// The JSON-RPC messages that the gateway writes itself. Ids are spliced raw, as the client wrote them.
#pragma once

#include <string>
#include <string_view>

#include "base/refusal.hpp"
#include "engine/mcp/catalog.hpp"
#include "engine/mcp/versions.hpp"

namespace clawql::engine::mcp {

// The code of a refusal inside a JSON-RPC response. A reason whose table entry is an HTTP status (429, 503 …) becomes
// −32603: JSON-RPC has no such codes.
int rpc_code(base::Reason reason);

std::string empty_result(std::string_view raw_id);
std::string initialize_result(std::string_view raw_id, Version version);
std::string tools_page(std::string_view raw_id, std::string_view items, std::string_view next_cursor);
// {"code":…,"message":…,"data":{"reason":label}}; without id where `raw_id` is empty. `message` empty: the table's.
std::string error_response(std::string_view raw_id, base::Reason reason, std::string_view message = {});
std::string_view tools_list_changed();

}  // namespace clawql::engine::mcp
