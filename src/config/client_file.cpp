#include "config/client_file.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "config/keys.hpp"
#include "config/problems.hpp"
#include "json/document.hpp"
#include "json/writer.hpp"

namespace clawql::config {
namespace {

using json::Kind;
using json::Value;

constexpr json::ParseLimits kLimits{.bytes = 64U << 20, .depth = 64};  // Claude Code's file holds its whole history

std::string quoted(std::string_view text) {
  std::string out;
  base::append_json_string(out, text);
  return out;
}

// Our text of a value: one line, strings without escapes that YAML reads otherwise.
void append_compact(std::string& out, const Value& value) {
  switch (value.kind()) {
    case Kind::string: out += quoted(value.string().value_or("")); return;
    case Kind::array: {
      out += '[';
      for (const Value element : value.elements()) {
        if (!out.ends_with('[')) out += ", ";
        append_compact(out, element);
      }
      out += ']';
      return;
    }
    case Kind::object: {
      out += '{';
      bool first = true;
      for (const auto& member : value.members()) {
        out += first ? " " : ", ";
        first = false;
        append_compact(out, member.key);
        out += ": ";
        append_compact(out, member.value);
      }
      out += first ? "}" : " }";
      return;
    }
    case Kind::null:
    case Kind::boolean:
    case Kind::number: out += value.raw(); return;
  }
}

Error not_json(std::string_view text, std::string_view path, const json::ParseError& error) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (const char c : text.substr(0, error.offset)) {
    ++column;
    if (c != '\n') continue;
    ++line;
    column = 1;
  }
  return Error{std::string(path) + ":" + std::to_string(line) + ":" + std::to_string(column) +
                   ": not JSON: " + std::string(error.why),
               0};
}

Value servers_of(const Value& root) {
  for (const std::string_view key : {"mcpServers", "servers"})
    if (const Value found = root.find(key); found.is(Kind::object)) return found;
  return {};
}

// The part of an entry that means something here.
ClientServer converted(std::string name, const Value& entry) {
  ClientServer server{.name = std::move(name), .entry = {}, .notes = {}, .refused = {}};
  std::string& out = server.entry;
  out = "{";
  for (const auto& member : entry.members()) {
    const std::string key_name = member.key.string().value_or("");
    const bool lawful = key_name != "*" && key_name.find('.') == std::string::npos;
    const Key* key = lawful ? find_key("mcpServers.*." + key_name) : nullptr;
    if (key == nullptr) {
      server.notes.push_back(quote(key_name) + " is no key of the gateway: left out");
    } else if (key->standing == Standing::later) {
      server.refused = quote(key_name) + " is not yet supported (" + key->doc + ")";
    } else if (key->standing != Standing::served) {
      server.notes.push_back(quote(key_name) + " has no effect in the gateway: left out");
    } else if (key_name != "type" || !member.value.equals("stdio")) {
      out += out.size() == 1 ? " " : ", ";
      out += quoted(key_name) + ": ";
      append_compact(out, member.value);
    }
  }
  out += out.size() == 1 ? "}" : " }";
  if (!entry.is(Kind::object)) server.refused = "its entry is no object";
  const std::string command = entry.find("command").string().value_or("");
  server.is_clawql = command == "clawql" || command.ends_with("/clawql");
  return server;
}

// The blanks before the line's first character at `position`; npos-free: empty when something else stands before it.
std::string indentation(std::string_view text, std::size_t position) {
  const auto line = text.rfind('\n', position == 0 ? 0 : position - 1);
  const std::size_t start = line == std::string_view::npos ? 0 : line + 1;
  const std::string_view blanks = text.substr(start, position - start);
  return blanks.find_first_not_of(" \t") == std::string_view::npos ? std::string(blanks) : std::string{};
}

std::size_t start_of(std::string_view text, const Value& value) {
  return static_cast<std::size_t>(value.raw().data() - text.data());
}
std::size_t end_of(std::string_view text, const Value& value) {
  return start_of(text, value) + value.raw().size();
}

// `"name": entry` as a new last member of the object.
std::string with_member(std::string_view text, std::string_view blanked, const Value& object,
                        const std::string& member) {
  std::optional<Value> first_key;
  std::optional<Value> last_value;
  for (const auto& present : object.members()) {
    if (!first_key) first_key = present.key;
    last_value = present.value;
  }
  std::string out(text);
  if (!last_value) {
    // The line of the object's own key says how deep we are.
    const auto line = blanked.rfind('\n', start_of(blanked, object));
    const std::size_t line_start = line == std::string_view::npos ? 0 : line + 1;
    const std::string_view rest = blanked.substr(line_start);
    const std::string own(rest.substr(0, rest.find_first_not_of(" \t")));
    out.replace(start_of(blanked, object), object.raw().size(), "{\n" + own + "  " + member + "\n" + own + "}");
    return out;
  }
  const std::size_t first = start_of(blanked, *first_key);
  const bool own_line =
      blanked.substr(start_of(blanked, object), first - start_of(blanked, object)).find('\n') != std::string_view::npos;
  const std::string before = own_line ? ",\n" + indentation(text, first) : ", ";
  return out.insert(end_of(blanked, *last_value), before + member);
}

// One member less. `index` counts from 0.
std::string without_member(std::string_view text, std::string_view blanked, const Value& object, std::size_t index) {
  std::vector<Value::Member> members;
  for (const auto& member : object.members()) members.push_back(member);
  std::string out(text);
  std::size_t from = start_of(blanked, object);
  std::size_t to = end_of(blanked, object);
  if (members.size() == 1) return out.replace(from, to - from, "{}");
  if (index == 0) {
    from = start_of(blanked, members[0].key);
    to = start_of(blanked, members[1].key);
  } else {
    from = end_of(blanked, members[index - 1].value);
    to = end_of(blanked, members[index].value);
  }
  return out.erase(from, to - from);
}

}  // namespace

const std::vector<Client>& known_clients() {
  static const std::vector<Client> clients = {
      {"claude-desktop", "Claude Desktop", ".config/Claude/claude_desktop_config.json", "mcpServers"},
      {"claude-code", "Claude Code", ".claude.json", "mcpServers"},
      {"cursor", "Cursor", ".cursor/mcp.json", "mcpServers"},
      {"vscode", "VS Code", ".config/Code/User/mcp.json", "servers"},
  };
  return clients;
}

const Client* find_client(std::string_view name) {
  const auto found = std::ranges::find(known_clients(), name, &Client::name);
  return found == known_clients().end() ? nullptr : &*found;
}

std::string without_comments(std::string_view text) {
  std::string out(text);
  const auto blank = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to && i < out.size(); ++i)
      if (out[i] != '\n' && out[i] != '\r') out[i] = ' ';
  };
  if (text.starts_with("\xef\xbb\xbf")) blank(0, 3);
  std::size_t comma = std::string::npos;  // the last one with nothing but blanks after it
  for (std::size_t at = 0; at < out.size(); ++at) {
    const char c = out[at];
    if (c == '"') {
      for (++at; at < out.size() && out[at] != '"'; ++at)
        if (out[at] == '\\') ++at;
      comma = std::string::npos;
    } else if (text.substr(at, 2) == "//") {
      const std::size_t end = std::min(out.find('\n', at), out.size());
      blank(at, end);
      at = end - 1;
    } else if (text.substr(at, 2) == "/*") {
      const auto close = text.find("*/", at + 2);
      if (close == std::string_view::npos) return out;  // stays, and is no JSON
      blank(at, close + 2);
      at = close + 1;
    } else if (c == ',') {
      comma = at;
    } else if (c == '}' || c == ']') {
      if (comma != std::string::npos) out[comma] = ' ';
      comma = std::string::npos;
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      comma = std::string::npos;
    }
  }
  return out;
}

std::string lawful_server_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool lawful = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    const char next = lawful ? c : '-';
    if (!(next == '_' && out.ends_with('_')) && !(next == '-' && out.ends_with('-'))) out += next;
  }
  out.resize(std::min<std::size_t>(out.size(), 32));
  while (out.starts_with('_') || out.starts_with('-')) out.erase(0, 1);
  while (out.ends_with('_') || out.ends_with('-')) out.pop_back();
  if (out.empty()) return "server";
  return out == "clawql" ? "clawql-server" : out;
}

Result<std::vector<ClientServer>> client_servers(std::string_view text, std::string_view path) {
  const std::string blanked = without_comments(text);
  const auto document = json::Document::parse(blanked, kLimits);
  if (!document) return std::unexpected(not_json(blanked, path, document.error()));
  const Value servers = servers_of(document->root());
  if (!servers) return fail(std::string(path) + ": has neither `mcpServers` nor `servers`");
  std::vector<ClientServer> found;
  for (const auto& member : servers.members())
    found.push_back(converted(member.key.string().value_or(""), member.value));
  return found;
}

Result<std::string> with_client_entry(std::string_view text, std::string_view path, std::string_view servers_key,
                                      std::string_view name, std::string_view entry) {
  const std::string member = quoted(name) + ": " + std::string(entry);
  const std::string blanked = without_comments(text);
  if (blanked.find_first_not_of(" \t\r\n") == std::string::npos)
    return "{\n  " + quoted(servers_key) + ": {\n    " + member + "\n  }\n}\n";
  const auto document = json::Document::parse(blanked, kLimits);
  if (!document) return std::unexpected(not_json(blanked, path, document.error()));
  const Value root = document->root();
  if (!root.is(Kind::object)) return fail(std::string(path) + ": is no JSON object");
  const Value servers = root.find(servers_key);
  if (!servers) {
    return with_member(text, blanked, root, quoted(servers_key) + ": { " + member + " }");
  }
  if (!servers.is(Kind::object)) return fail(std::string(path) + ": `" + std::string(servers_key) + "` is no object");
  const Value present = servers.find(name);
  if (!present) return with_member(text, blanked, servers, member);
  std::string now;
  append_compact(now, present);
  if (now == entry) return std::string(text);
  return std::string(text).replace(start_of(blanked, present), present.raw().size(), entry);
}

Result<std::string> without_client_entries(std::string_view text, std::string_view path,
                                           const std::vector<std::string>& names) {
  std::string out(text);
  for (const auto& name : names) {
    const std::string blanked = without_comments(out);
    const auto document = json::Document::parse(blanked, kLimits);
    if (!document) return std::unexpected(not_json(blanked, path, document.error()));
    const Value servers = servers_of(document->root());
    std::size_t index = 0;
    for (const auto& member : servers.members()) {
      if (member.key.equals(name)) {
        out = without_member(out, blanked, servers, index);
        break;
      }
      ++index;
    }
  }
  return out;
}

}  // namespace clawql::config
