// The tree against the table of keys: unknown keys (with the nearest known one), keys of later versions, shapes,
// numbers in range, words out of a choice. What passes here has the shapes that the readers expect.
#pragma once

#include <string_view>

#include "config/config.hpp"
#include "config/problems.hpp"
#include "config/yaml.hpp"

namespace clawql::config {

void check_against_table(const yaml::Node& root, Problems& problems, std::vector<Notice>& notices);

// Single inserts, deletions and replacements that make one text of the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace clawql::config
