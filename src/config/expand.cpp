#include "config/expand.hpp"

#include <algorithm>

#include "config/problems.hpp"

namespace clawql::config {
namespace {

Result<std::string> value_of(std::string_view reference, const Environment& environment) {
  std::string_view name = reference;
  if (name.starts_with("env:")) name.remove_prefix(4);
  std::string_view fallback;
  const auto divider = name.find(":-");
  const bool has_fallback = divider != std::string_view::npos;
  if (has_fallback) {
    fallback = name.substr(divider + 2);
    name = name.substr(0, divider);
  }
  if (!is_environment_name(name))
    return fail(quote("${" + std::string(reference) + "}") +
                " is a client's own variable: the gateway knows ${env:NAME} alone (write `$${` for a plain `${`)");
  const auto found = environment.find(std::string(name));
  if (found != environment.end()) return found->second;
  if (has_fallback) return std::string(fallback);
  return fail(std::string(kNotInEnvironment) + quote(name) + ": set it before the start");
}

// The quoted or plain value of a line; `line` is what follows `=`.
Result<std::string> env_file_value(std::string_view line) {
  const auto first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos) return std::string{};
  line.remove_prefix(first);
  if (line.front() != '"' && line.front() != '\'') {
    if (const auto comment = line.find(" #"); comment != std::string_view::npos) line = line.substr(0, comment);
    const auto last = line.find_last_not_of(" \t");
    return std::string(line.substr(0, last + 1));
  }
  const char quote_mark = line.front();
  std::string value;
  std::size_t at = 1;
  for (; at < line.size() && line[at] != quote_mark; ++at) {
    if (quote_mark == '"' && line[at] == '\\' && at + 1 < line.size()) {
      const char escaped = line[++at];
      value += escaped == 'n' ? '\n' : escaped == 't' ? '\t' : escaped;
    } else {
      value += line[at];
    }
  }
  if (at >= line.size()) return fail("a quote is not closed");
  const std::string_view rest = line.substr(at + 1);
  const auto more = rest.find_first_not_of(" \t");
  if (more != std::string_view::npos && rest[more] != '#') return fail("something follows the closing quote");
  return value;
}

}  // namespace

bool is_environment_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

Result<std::string> expand(std::string_view text, const Environment& environment) {
  std::string out;
  while (true) {
    const auto start = text.find("${");
    if (start == std::string_view::npos) return out.append(text);
    if (start > 0 && text[start - 1] == '$') {
      out.append(text.substr(0, start - 1)).append("${");
      text.remove_prefix(start + 2);
      continue;
    }
    const auto end = text.find('}', start);
    if (end == std::string_view::npos) return fail("`${` is not closed by `}` (write `$${` for a plain `${`)");
    out.append(text.substr(0, start));
    CLAWQL_TRY(const std::string value, value_of(text.substr(start + 2, end - start - 2), environment));
    out.append(value);
    text.remove_prefix(end + 1);
  }
}

bool has_reference(std::string_view text) {
  for (std::size_t at = 0; (at = text.find("${", at)) != std::string_view::npos; at += 2)
    if (at == 0 || text[at - 1] != '$') return true;
  return false;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_env_file(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> values;
  if (text.find('\0') != std::string_view::npos) return fail("holds a zero byte");
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos || line[first] == '#') continue;
    line.remove_prefix(first);
    if (line.starts_with("export ")) line.remove_prefix(7);
    const auto equals = line.find('=');
    std::string_view name = line.substr(0, equals);
    while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
    if (equals == std::string_view::npos || !is_environment_name(name))
      return fail("line " + std::to_string(number) + " is not NAME=VALUE");
    auto value = env_file_value(line.substr(equals + 1));
    if (!value) return std::unexpected(std::move(value).error().in("line " + std::to_string(number)));
    values.emplace_back(std::string(name), std::move(*value));
  }
  return values;
}

}  // namespace clawql::config
