// The two texts made from the table of keys: the JSON Schema and docs/config.md.
#include <optional>

#include "base/log.hpp"
#include "config/config.hpp"
#include "config/keys.hpp"

namespace clawql::config {
namespace {

std::string quoted(std::string_view value) {
  std::string out;
  base::append_json_string(out, value);
  return out;
}

class Schema {
 public:
  std::string text() {
    out_ =
        "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
        "  \"title\": \"ClawQL Gateway configuration\",\n  ";
    object_members("", 2);
    out_ += "\n}\n";
    return std::move(out_);
  }

 private:
  static std::string indent(std::size_t depth) { return std::string(depth, ' '); }

  // `"type": "object", …` without the braces.
  void object_members(const std::string& path, std::size_t depth) {
    out_ += "\"type\": \"object\",\n" + indent(depth) + "\"additionalProperties\": false,\n" + indent(depth) +
            "\"properties\": {";
    bool first = true;
    for (const Key* key : keys_below(path)) {
      if (key->standing == Standing::later) continue;
      out_ += (first ? "\n" : ",\n") + indent(depth + 2) + quoted(key->name()) + ": ";
      first = false;
      value(*key, depth + 2);
    }
    out_ += "\n" + indent(depth) + "}";
    if (path == "mcpServers.*") out_ += ",\n" + indent(depth) + "\"required\": [\"command\"]";
  }

  void object(const std::string& path, std::size_t depth) {
    out_ += "{\n" + indent(depth + 2);
    object_members(path, depth + 2);
    out_ += "\n" + indent(depth) + "}";
  }

  void value(const Key& key, std::size_t depth) {
    out_ += "{\n" + indent(depth + 2);
    if (!key.doc.empty()) out_ += "\"description\": " + quoted(key.doc) + ",\n" + indent(depth + 2);
    shape(key, depth + 2);
    out_ += "\n" + indent(depth) + "}";
  }

  void shape(const Key& key, std::size_t depth) {
    const std::string texts = "{ \"type\": [\"string\", \"number\", \"boolean\"] }";
    switch (key.type) {
      case Type::boolean: out_ += "\"type\": \"boolean\""; return;
      case Type::integer:
        out_ += "\"type\": \"integer\", \"minimum\": " + std::to_string(key.minimum) +
                ", \"maximum\": " + std::to_string(key.maximum);
        return;
      case Type::text:
        out_ += key.path == "listen.unix.mode" ? "\"type\": \"string\", \"pattern\": \"^0?6[0-6]0$\""
                                               : "\"type\": [\"string\", \"number\"]";
        return;
      case Type::choice: {
        out_ += "\"enum\": [";
        for (std::size_t i = 0; i < key.choices.size(); ++i) out_ += (i == 0 ? "" : ", ") + quoted(key.choices[i]);
        out_ += "]";
        return;
      }
      case Type::texts: out_ += "\"type\": \"array\", \"items\": " + texts; return;
      case Type::text_map: out_ += "\"type\": \"object\", \"additionalProperties\": " + texts; return;
      case Type::object: object_members(key.path, depth); return;
      case Type::object_or_false:
        out_ += "\"anyOf\": [{ \"const\": false }, ";
        object(key.path, depth);
        out_ += "]";
        return;
      case Type::objects_or_false:
        out_ += "\"anyOf\": [{ \"const\": false }, ";
        object(key.path, depth);
        out_ += ", { \"type\": \"array\", \"items\": ";
        object(key.path, depth);
        out_ += " }]";
        return;
      case Type::object_map:
        out_ +=
            "\"type\": [\"object\", \"null\"], \"propertyNames\": { \"pattern\": \"^[A-Za-z0-9_-]{1,32}$\" }, "
            "\"additionalProperties\": ";
        object(key.path + ".*", depth);
        return;
      case Type::anything: out_ += "\"$comment\": \"no effect\""; return;
    }
  }

  std::string out_;
};

std::string_view type_word(const Key& key) {
  switch (key.type) {
    case Type::boolean: return "`true` or `false`";
    case Type::integer: return "whole number";
    case Type::text: return "text";
    case Type::choice: return "one of";
    case Type::texts: return "list of texts";
    case Type::text_map: return "names to texts";
    case Type::object: return "keys";
    case Type::object_or_false: return "keys, or `false`";
    case Type::objects_or_false: return "keys, a list of them, or `false`";
    case Type::object_map: return "names to keys";
    case Type::anything: return "anything";
  }
  return "";
}

std::string type_text(const Key& key) {
  std::string out(type_word(key));
  if (key.type == Type::integer) out += ", " + std::to_string(key.minimum) + " to " + std::to_string(key.maximum);
  for (std::size_t i = 0; i < key.choices.size(); ++i)
    out += (i == 0 ? " `" : ", `") + std::string(key.choices[i]) + "`";
  return out;
}

// "mcpServers.*.env" is written as people say it.
std::string shown_path(std::string path) {
  if (const auto star = path.find('*'); star != std::string::npos) path.replace(star, 1, "NAME");
  return path;
}

constexpr std::string_view kHead =
    "# The configuration file\n\n"
    "<!-- Made by `clawql config schema --markdown` from the table in src/config/keys.cpp. Do not edit. -->\n\n"
    "`clawql-api --config FILE`, else `/etc/clawql/clawql.yaml` (as root) or `~/.config/clawql/clawql.yaml`, else "
    "built-in "
    "defaults. The file is YAML, or JSON. It belongs to root or to the user who starts the gateway, and nobody else "
    "may "
    "write it. `clawql config check FILE` names every problem as `file:line:column`.\n\n"
    "Refused wherever they stand: keys that are not listed here, duplicate keys, anchors, aliases, tags, and a second "
    "document. Only `true` and `false` are booleans. No environment variable changes where the gateway listens.\n\n"
    "```yaml\n"
    "listen:\n"
    "  unix: { path: /run/clawql/gateway.sock, mode: \"0660\", group: clawql }   # or: false\n"
    "  http: { bind: loopback, port: 8080 }                                    # or: false, or a list\n"
    "allowedHosts: []\n"
    "mcpServers:\n"
    "  files: { command: npx, args: [\"-y\", \"@modelcontextprotocol/server-filesystem\", \"/srv\"], env: {} }\n"
    "```\n\n";

}  // namespace

std::string json_schema() {
  return Schema().text();
}

std::string markdown_reference() {
  std::string out(kHead);
  out += "## Keys\n\n| key | value | default | meaning |\n|---|---|---|---|\n";
  std::string no_effect;
  std::string later;
  for (const Key& key : keys()) {
    const std::string path = "`" + shown_path(key.path) + "`";
    switch (key.standing) {
      case Standing::served:
        out += "| " + path + " | " + type_text(key) + " | " + key.fallback + " | " + key.doc + " |\n";
        break;
      case Standing::no_effect: no_effect += (no_effect.empty() ? "" : ", ") + path; break;
      case Standing::later: later += "- " + path + ": " + key.doc + "\n"; break;
      case Standing::ignored: break;
    }
  }
  out += "\n## Keys without effect\n\nAccepted because clients write them, and reported: " + no_effect + ".\n";
  out += "\n## Keys of later versions\n\nAn error that says \"not yet supported\":\n\n" + later;
  return out;
}

}  // namespace clawql::config
