#include "config/check.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/decimal.hpp"
#include "config/keys.hpp"

namespace clawql::config {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

namespace {

using yaml::Node;

// What people write for a key of ours; its own nearest one would mislead.
struct Alias {
  std::string_view written;
  std::string_view meant;
};
constexpr Alias kAliases[] = {
    {"servers", "mcpServers"},   {"host", "bind"},           {"address", "bind"},        {"environment", "env"},
    {"enabled", "disabled"},     {"allow", "tools"},         {"allowedTools", "tools"},  {"includeTools", "tools"},
    {"workingDirectory", "cwd"}, {"excludeTools", "tools"},  {"disabledTools", "tools"}, {"enabledTools", "tools"},
    {"workdir", "cwd"},          {"cors", "allowedOrigins"}, {"hosts", "allowedHosts"},  {"origins", "allowedOrigins"}};

std::string_view wanted(const Key& key) {
  switch (key.type) {
    case Type::boolean: return "`true` or `false`";
    case Type::integer: return "a whole number";
    case Type::text: return "a text";
    case Type::choice: return "one word";
    case Type::texts: return "a list of texts";
    case Type::text_map: return "names with texts";
    case Type::object: return "keys below it";
    case Type::object_or_false: return "keys below it, or `false`";
    case Type::objects_or_false: return "keys below it, a list of such, or `false`";
    case Type::object_map: return "names with keys below them";
    case Type::anything: return "anything";
  }
  return "";
}

// "mcpServers.*.env" as people say it.
std::string shown_path(const Key& key) {
  std::string path = key.path;
  if (const auto star = path.find('*'); star != std::string::npos) path.replace(star, 1, "NAME");
  return path;
}

class Checker {
 public:
  Checker(Problems& problems, std::vector<Notice>& notices) : problems_(problems), notices_(notices) {}

  void object(const Node& node, const std::string& path) {
    for (const auto& member : node.members) {
      const std::string member_path = path.empty() ? member.key.text : path + "." + member.key.text;
      // "*" in a path stands for a name of the user's and is no key itself; a dot in a key is none of ours.
      const bool lawful = member.key.text != "*" && member.key.text.find('.') == std::string::npos;
      const Key* key = lawful ? find_key(member_path) : nullptr;
      if (key == nullptr)
        unknown(member.key, path);
      else
        this->member(member.key, member.value, *key);
    }
  }

 private:
  static std::string shown(const Node& node, const Key& key) {
    switch (node.kind) {
      case Node::Kind::scalar:
        if (key.secret) return "this";
        return node.is_null() ? "nothing" : quote(node.text);
      case Node::Kind::sequence: return "a list";
      case Node::Kind::mapping: return "keys";
      case Node::Kind::refused: break;
    }
    return "this";
  }

  void misfit(const Node& node, const Key& key) {
    if (node.kind == Node::Kind::refused) return;
    problems_.add(node.mark,
                  "`" + shown_path(key) + "` wants " + std::string(wanted(key)) + ", not " + shown(node, key));
  }

  void member(const Node& name, const Node& value, const Key& key) {
    switch (key.standing) {
      case Standing::served: return this->value(value, key);
      case Standing::ignored: return;
      case Standing::no_effect:
        notices_.push_back({problems_.where(name.mark), "config.no-effect",
                            "`" + name.text + "` is " + key.doc + " and has no effect here"});
        return;
      case Standing::later:
        problems_.add(name.mark, "`" + name.text + "` is not yet supported (" + key.doc + "): leave it out");
        return;
    }
  }

  void value(const Node& node, const Key& key) {
    switch (key.type) {
      case Type::anything: return;
      case Type::boolean: return boolean(node, key);
      case Type::integer: return integer(node, key);
      case Type::text:
        if (!node.is_scalar()) misfit(node, key);
        return;
      case Type::choice: return choice(node, key);
      case Type::texts: return texts(node, key);
      case Type::text_map: return text_map(node, key);
      case Type::object: return node.kind == Node::Kind::mapping ? object(node, key.path) : misfit(node, key);
      case Type::object_or_false:
        if (node.is_scalar() && node.plain && node.text == "false") return;
        return node.kind == Node::Kind::mapping ? object(node, key.path) : misfit(node, key);
      case Type::objects_or_false: return objects(node, key);
      case Type::object_map: return object_map(node, key);
    }
  }

  void boolean(const Node& node, const Key& key) {
    if (!node.is_scalar() || !node.plain || (node.text != "true" && node.text != "false")) misfit(node, key);
  }

  void integer(const Node& node, const Key& key) {
    if (!node.is_scalar()) return misfit(node, key);
    const auto number = node.plain ? base::parse_decimal<std::uint64_t>(node.text) : std::nullopt;
    if (number && *number >= key.minimum && *number <= key.maximum) return;
    std::string message = "`" + shown_path(key) + "` wants a whole number from " + std::to_string(key.minimum) +
                          " to " + std::to_string(key.maximum) + ", not " + shown(node, key);
    if (key.path == "listen.http.port" && number == std::uint64_t{0})
      message += " (port 0 would listen on a port that nobody declared)";
    if (key.path == "mcpServers.*.timeout" && number > key.maximum) message += " (it counts seconds, not milliseconds)";
    problems_.add(node.mark, std::move(message));
  }

  void choice(const Node& node, const Key& key) {
    if (node.is_scalar() && std::ranges::find(key.choices, std::string_view(node.text)) != key.choices.end()) return;
    if (!node.is_scalar()) return misfit(node, key);
    std::string message = "`" + shown_path(key) + "` is one of ";
    for (std::size_t i = 0; i < key.choices.size(); ++i)
      message += (i == 0 ? "`" : ", `") + std::string(key.choices[i]) + "`";
    problems_.add(node.mark, message + ", not " + shown(node, key));
  }

  void texts(const Node& node, const Key& key) {
    if (node.kind != Node::Kind::sequence) return misfit(node, key);
    for (const auto& item : node.items)
      if (item.kind != Node::Kind::refused && (!item.is_scalar() || item.is_null()))
        problems_.add(item.mark, "`" + shown_path(key) + "` lists texts, not " + shown(item, key));
  }

  void text_map(const Node& node, const Key& key) {
    if (node.kind != Node::Kind::mapping) return misfit(node, key);
    for (const auto& member : node.members)
      if (member.value.kind != Node::Kind::refused && (!member.value.is_scalar() || member.value.is_null()))
        problems_.add(member.value.mark, quote(member.key.text) + " wants a text: write \"\" for an empty one");
  }

  void objects(const Node& node, const Key& key) {
    if (node.kind == Node::Kind::mapping) return object(node, key.path);
    if (node.is_scalar() && node.plain && node.text == "false") return;
    if (node.kind != Node::Kind::sequence) return misfit(node, key);
    for (const auto& item : node.items) {
      if (item.kind == Node::Kind::mapping)
        object(item, key.path);
      else
        misfit(item, key);
    }
  }

  void object_map(const Node& node, const Key& key) {
    if (node.is_null()) return;  // `mcpServers:` with nothing below it
    if (node.kind != Node::Kind::mapping) return misfit(node, key);
    const Key* entry = find_key(key.path + ".*");
    for (const auto& member : node.members) value(member.value, *entry);
  }

  void unknown(const Node& name, const std::string& path) {
    const std::vector<const Key*> known = keys_below(path);
    std::string message = "unknown key " + quote(name.text);
    if (const auto near = nearest(name.text, known))
      message += ": did you mean `" + std::string(*near) + "`?";
    else if (const auto place = elsewhere(name.text))
      message += ": it stands " + *place;
    else
      message += ": known here are " + list(known);
    problems_.add(name.mark, std::move(message));
  }

  static std::optional<std::string_view> nearest(std::string_view name, const std::vector<const Key*>& known) {
    for (const Alias& alias : kAliases)
      for (const Key* key : known)
        if (alias.written == name && key->name() == alias.meant) return alias.meant;
    std::optional<std::string_view> best;
    std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
    for (const Key* key : known) {
      if (key->standing == Standing::later || name.size() > 64) continue;
      const std::size_t distance = edit_distance(name, key->name());
      if (distance < least && distance < key->name().size()) {
        least = distance;
        best = key->name();
      }
    }
    return best;
  }

  static std::optional<std::string> elsewhere(std::string_view name) {
    for (const Key& key : keys()) {
      if (key.name() != name || key.standing != Standing::served || name == "*") continue;
      const auto dot = key.path.rfind('.');
      if (dot == std::string::npos) return "at the top";
      return "below `" + key.path.substr(0, dot) + "`";
    }
    return std::nullopt;
  }

  static std::string list(const std::vector<const Key*>& known) {
    std::string out;
    for (const Key* key : known) {
      if (key->standing != Standing::served) continue;
      if (!out.empty()) out += ", ";
      out += key->name();
    }
    return out;
  }

  Problems& problems_;
  std::vector<Notice>& notices_;
};

}  // namespace

void check_against_table(const Node& root, Problems& problems, std::vector<Notice>& notices) {
  if (root.kind == Node::Kind::mapping) return Checker(problems, notices).object(root, "");
  if (root.kind != Node::Kind::refused)
    problems.add(root.mark, "a configuration is a list of keys with values, e.g. `listen: { http: { port: 8080 } }`");
}

}  // namespace clawql::config
