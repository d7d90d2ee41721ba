// The engine's part of `clawql status`.
#pragma once

#include <string>

#include "engine/line/core.hpp"

namespace clawql::engine::line {

ShardStatus status_of(const Core& core);
// Of this shard and core.others together:
// {"sessions":N,"principals":N,"servers":[…],"hidden":[{"item","owner","hidden_by"}],"refusals":{label:count}}
std::string status_json(const Core& core);

}  // namespace clawql::engine::line
