// Printing for people and for scripts. Text that came from servers or clients reaches a terminal escaped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json/document.hpp"

namespace clawql::cli {

void print(std::string_view text);     // to stdout, as it is
void complain(std::string_view text);  // "clawql: TEXT" and a line end, to stderr

// Escaped for a terminal, at most `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 400);
// Several lines as one.
std::string one_line(std::string_view text);
// Columns of equal width, two blanks before and between.
std::string table(const std::vector<std::vector<std::string>>& rows);

// Lenient reading of an answer: "" (or "?" / 0) where a member is missing or of another kind.
std::string text_at(const json::Value& object, std::string_view key);
std::string number_at(const json::Value& object, std::string_view key);

// What a command found out.
struct Finding {
  std::string id;        // stable: "server.failed"
  std::string severity;  // "info" | "low" | "medium" | "high" | "critical"
  std::string text;
  std::string remedy;
};
std::string findings_json(const std::vector<Finding>& findings);
std::string findings_text(const std::vector<Finding>& findings);
bool any_to_mend(const std::vector<Finding>& findings);  // one that is more than "info"

}  // namespace clawql::cli
