#include "config/names.hpp"

#include <algorithm>

#include "base/decimal.hpp"
#include "config/problems.hpp"

namespace clawql::config {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

Status check_server_name(std::string_view name) {
  const bool letters =
      std::ranges::all_of(name, [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
  if (name.empty() || name.size() > 32 || !letters)
    return fail("a server's name has 1 to 32 of A-Z a-z 0-9 _ -, not " + quote(name));
  if (name.find("__") != std::string_view::npos)
    return fail("a server's name holds no \"__\": it divides the server from the tool");
  if (name.front() == '_' || name.back() == '_') return fail("a server's name neither begins nor ends with \"_\"");
  if (name == "clawql") return fail("\"clawql\" is the built-in server: choose another name");
  return {};
}

Status check_account(std::string_view account) {
  if (base::parse_decimal<std::uint32_t>(account)) return {};
  const bool grammar = !account.empty() && account.size() <= 32 && !is_digit(account.front()) &&
                       account.front() != '-' && std::ranges::all_of(account, [](char c) {
                         return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
                       });
  if (!grammar) return fail("wants a name or a number of /etc/passwd or /etc/group, not " + quote(account));
  return {};
}

Result<unsigned> parse_socket_mode(std::string_view text) {
  const bool octal = (text.size() == 3 || (text.size() == 4 && text.front() == '0')) &&
                     std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '7'; });
  if (!octal) return fail("wants four octal digits in quotes, e.g. \"0660\", not " + quote(text));
  unsigned mode = 0;
  for (const char c : text) mode = mode * 8 + static_cast<unsigned>(c - '0');
  if ((mode & ~0660U) != 0)
    return fail(
        "is at most \"0660\": others get no access (whoever connects can call tools), and a socket is not executed");
  if ((mode & 0600U) != 0600U) return fail("must let the owner read and write, e.g. \"0660\" or \"0600\"");
  return mode;
}

Status check_absolute_path(std::string_view path) {
  if (!path.starts_with('/')) return fail("wants an absolute path, not " + quote(path));
  if (std::ranges::any_of(path, is_control)) return fail("a path holds no control characters");
  if (path.size() > 4000) return fail("a path has at most 4000 bytes");
  for (std::size_t at = 0; (at = path.find("/..", at)) != std::string_view::npos; at += 3)
    if (at + 3 == path.size() || path[at + 3] == '/') return fail("write the path without \"..\"");
  return {};
}

Result<std::string> parse_socket_path(std::string_view text) {
  std::string path(text);
  if (path.starts_with("unix://")) path.erase(0, 7);
  if (path.starts_with('@')) return fail("abstract sockets have no file mode: write an absolute path");
  CLAWQL_CHECKED(check_absolute_path(path));
  if (path.starts_with("/var/run/")) path.erase(0, 4);
  if (path.ends_with('/')) return fail("wants the path of the socket itself, not of a folder");
  if (path.size() > 107)
    return fail("a socket's path has at most 107 bytes, this one has " + std::to_string(path.size()));
  return path;
}

}  // namespace clawql::config
