// Small things that the readers of /proc, rule sets and reports share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace clawql::exposure::ports {

inline constexpr std::size_t kMaxSmallFile = 4U << 20;

// A whole file of procfs, sysfs or a configuration, at most kMaxSmallFile bytes (more is an error).
Result<std::string> read_small_file(const std::string& path);

std::vector<std::string_view> lines_of(std::string_view text);  // without line ends; no empty last one
std::vector<std::string_view> words_of(std::string_view line);  // parted by blanks
// The octal escapes of mountinfo ("\040").
std::string unescape_mount(std::string_view text);
// Bytes that are not printable ASCII, and backslashes, as \xNN: one text for each name, safe in YAML, JSON and
// terminals.
std::string printable_bytes(std::string_view bytes);
// The same for a text that already holds such names: backslashes stay.
std::string printable_line(std::string_view text);
std::string_view base_name(std::string_view path);

}  // namespace clawql::exposure::ports
