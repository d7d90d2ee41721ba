// Which shard of the engine has what: both programs must agree on it.
#pragma once

#include <cstdint>
#include <string_view>

namespace clawql::ipc {

// The shard that owns a server, by the server's name in the configuration. FNV-1a: the same in every process and build,
// unlike std::hash.
constexpr std::uint32_t shard_of(std::string_view server, std::uint32_t shards) {
  std::uint32_t hash = 2'166'136'261U;
  for (const char c : server) hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619U;
  return shards < 2 ? 0 : hash % shards;
}

}  // namespace clawql::ipc
