// The framing of stdio is one message a line (MCP 2025-11-25, basic/transports). Raw line breaks can stand in JSON only
// between its tokens, where a blank means the same.
#pragma once

#include <cstddef>
#include <string>

namespace clawql::engine::upstream {

inline void join_lines(std::string& out, std::size_t from) {
  for (const char line_break : {'\n', '\r'})
    for (auto at = out.find(line_break, from); at != std::string::npos; at = out.find(line_break, at)) out[at] = ' ';
}

}  // namespace clawql::engine::upstream
