// `tools:` of a server's entry: an allow-list of names and globs, as the server writes its names. `*` stands for any
// characters (also none), `?` for one byte, everything else for itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clawql::engine::upstream {

// In time linear in |pattern| × |name| at worst, whatever the pattern.
bool glob_matches(std::string_view pattern, std::string_view name);

// True when there is no list, or when one of its patterns matches. An empty list allows nothing.
bool allows(const std::optional<std::vector<std::string>>& patterns, std::string_view name);

}  // namespace clawql::engine::upstream
