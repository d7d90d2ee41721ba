#include "config/edit.hpp"

#include "base/log.hpp"
#include "config/yaml.hpp"

namespace clawql::config {
namespace {

using yaml::Node;

// The byte at a mark; columns count characters.
std::size_t offset_of(std::string_view text, Mark mark) {
  std::size_t at = 0;
  for (std::size_t line = 1; line < mark.line; ++line) {
    const auto end = text.find('\n', at);
    if (end == std::string_view::npos) return text.size();
    at = end + 1;
  }
  for (std::size_t column = 1; column < mark.column && at < text.size(); ++column) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
  }
  return at;
}

std::string quoted(std::string_view text) {
  std::string out;
  base::append_json_string(out, text);
  return out;
}

// A plain key where it reads as one.
std::string block_key(std::string_view name) {
  const bool letter = (name.front() >= 'a' && name.front() <= 'z') || (name.front() >= 'A' && name.front() <= 'Z');
  return letter ? std::string(name) : quoted(name);
}

std::string block_lines(const std::vector<NewServer>& servers, std::size_t indent) {
  std::string out;
  for (const NewServer& server : servers)
    out += std::string(indent, ' ') + block_key(server.name) + ": " + server.entry + "\n";
  return out;
}

std::string flow_members(const std::vector<NewServer>& servers) {
  std::string out;
  for (const NewServer& server : servers) out += (out.empty() ? "" : ", ") + quoted(server.name) + ": " + server.entry;
  return out;
}

std::string inserted(std::string_view text, std::size_t at, std::string_view addition) {
  return std::string(text.substr(0, at)).append(addition).append(text.substr(at));
}

// After the line on which the node ends.
std::string inserted_below(std::string_view text, const Node& node, const std::string& lines) {
  // A block scalar ends where the next line begins.
  const std::size_t line = node.end.column == 1 && node.end.line > node.mark.line ? node.end.line - 1 : node.end.line;
  const std::size_t at = offset_of(text, {line + 1, 1});
  const bool open_line = at > 0 && text[at - 1] != '\n';
  return inserted(text, at, (open_line ? "\n" : "") + lines);
}

std::string inserted_in_flow(std::string_view text, const Node& mapping, const std::string& members) {
  if (mapping.members.empty()) return inserted(text, offset_of(text, mapping.mark) + 1, members);
  return inserted(text, offset_of(text, mapping.members.back().value.end), ", " + members);
}

std::string add(std::string_view text, const Node* root, const std::vector<NewServer>& servers) {
  if (root == nullptr || root->is_null()) {
    const std::string separator = text.empty() || text.ends_with('\n') ? "" : "\n";
    return std::string(text) + separator + "mcpServers:\n" + block_lines(servers, 2);
  }
  const Node* present = root->find("mcpServers");
  if (present == nullptr) {
    if (root->flow) return inserted_in_flow(text, *root, "\"mcpServers\": { " + flow_members(servers) + " }");
    const std::size_t indent = root->mark.column - 1;
    return inserted_below(text, *root, std::string(indent, ' ') + "mcpServers:\n" + block_lines(servers, indent + 2));
  }
  if (present->is_null()) return inserted_below(text, *present, block_lines(servers, root->mark.column + 1));
  if (present->flow) return inserted_in_flow(text, *present, flow_members(servers));
  return inserted_below(text, *present, block_lines(servers, present->mark.column - 1));
}

std::size_t server_count(const Node* root) {
  const Node* servers = root == nullptr ? nullptr : root->find("mcpServers");
  return servers == nullptr ? 0 : servers->members.size();
}

}  // namespace

Result<std::string> with_servers(std::string_view text, std::string_view path, const std::vector<NewServer>& servers) {
  Problems problems(path);
  const auto root = yaml::parse(text, problems);
  if (problems.any()) return fail(problems.text());
  if (root && !root->is_null() && root->kind != Node::Kind::mapping)
    return fail(std::string(path) + ": no configuration");
  if (servers.empty()) return std::string(text);
  std::string edited = add(text, root ? &*root : nullptr, servers);
  // The proof of the edit is that it reads as meant.
  Problems after(path);
  const auto again = yaml::parse(edited, after);
  const Node* entries = again ? again->find("mcpServers") : nullptr;
  bool all_there =
      !after.any() && server_count(again ? &*again : nullptr) == server_count(root ? &*root : nullptr) + servers.size();
  for (const NewServer& server : servers)
    all_there = all_there && entries != nullptr && entries->find(server.name) != nullptr;
  if (!all_there)
    return fail(std::string(path) + ": cannot tell where to add servers; add these lines below `mcpServers:`:\n" +
                block_lines(servers, 2));
  return edited;
}

}  // namespace clawql::config
