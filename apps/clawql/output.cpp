#include "output.hpp"

#include <algorithm>
#include <cstdio>

#include "base/log.hpp"
#include "json/writer.hpp"

namespace clawql::cli {

void print(std::string_view text) {
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stdout));
  static_cast<void>(std::fflush(stdout));
}

void complain(std::string_view text) {
  const std::string line = "clawql: " + std::string(text) + "\n";
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), stderr));
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string quoted;
  base::append_json_string(quoted, text, limit);
  std::string out;
  for (std::size_t i = 1; i + 1 < quoted.size(); ++i) {
    // Quotes and backslashes are harmless on a terminal.
    if (quoted[i] == '\\' && (quoted[i + 1] == '"' || quoted[i + 1] == '\\')) ++i;
    out += quoted[i];
  }
  return out;
}

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '\n')
      out += c;
    else if (!out.ends_with(' '))
      out += out.ends_with(':') || out.ends_with(';') ? " " : "; ";
  }
  return out;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += "  " + row[i] + std::string(widths[i] - row[i].size(), ' ');
    line.resize(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string text_at(const json::Value& object, std::string_view key) {
  return object.find(key).string().value_or("");
}

std::string number_at(const json::Value& object, std::string_view key) {
  const json::Value value = object.find(key);
  return value.is(json::Kind::number) ? std::string(value.raw()) : "0";
}

std::string findings_json(const std::vector<Finding>& findings) {
  std::string out = "[";
  for (const Finding& finding : findings) {
    out += out.size() == 1 ? "" : ",";
    out += "{\"id\":" + json::quoted(finding.id) + ",\"severity\":" + json::quoted(finding.severity) +
           ",\"text\":" + json::quoted(finding.text) + ",\"remedy\":" + json::quoted(finding.remedy) + "}";
  }
  return out + "]";
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::string out;
  for (const Finding& finding : findings) {
    out += "  " + printable(finding.severity, 16) + "  " + printable(finding.id, 64) + ": " +
           printable(one_line(finding.text), 2000) + "\n";
    if (!finding.remedy.empty()) out += "      " + printable(one_line(finding.remedy), 800) + "\n";
  }
  return out;
}

bool any_to_mend(const std::vector<Finding>& findings) {
  return std::ranges::any_of(findings, [](const Finding& finding) { return finding.severity != "info"; });
}

}  // namespace clawql::cli
