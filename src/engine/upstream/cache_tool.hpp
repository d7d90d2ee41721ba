// The built-in tool `cache`, for one principal: a store that its agents share between calls and sessions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "engine/upstream/cache_store.hpp"
#include "engine/upstream/tool_arguments.hpp"

namespace clawql::engine::upstream {

class CacheTool {
 public:
  static constexpr std::size_t kValueBytes = 1U << 20;
  static constexpr std::size_t kListLimit = 100;
  static constexpr std::size_t kSearchLimit = 50;
  static std::span<const ArgumentSpec> arguments();
  static std::string_view tool_json();

  CacheTool(CacheStore::Limits limits, SharedBytes& shared) : store_(limits, shared) {}
  // The text of the answer, or what is wrong with the arguments.
  Result<std::string> run(const ToolArguments& arguments);
  std::size_t bytes() const { return store_.bytes(); }

 private:
  Result<std::string> set(const ToolArguments& arguments);
  Result<std::string> get(const ToolArguments& arguments);
  Result<std::string> erase(const ToolArguments& arguments);
  Result<std::string> list(const ToolArguments& arguments);
  Result<std::string> search(const ToolArguments& arguments);
  CacheStore store_;
};

}  // namespace clawql::engine::upstream
