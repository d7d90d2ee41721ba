// Changing files that belong to people: the old content is kept beside, the new one appears whole or not at all.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace clawql::cli {

// nullopt: there is no such file.
Result<std::optional<std::string>> read_file_if_there(const std::string& path);
Result<std::string> read_file(const std::string& path);

// Replaces the content. An existing file keeps its mode and owner and a symlink stays one; its old content goes to the
// returned path, "PATH.bak" or "PATH.bak2" … (empty: there was none). A new file has mode 0600.
Result<std::string> replace_file(const std::string& path, std::string_view content);

}  // namespace clawql::cli
