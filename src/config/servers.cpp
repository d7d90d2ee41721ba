// The entries of `mcpServers`, in the form that MCP clients use.
#include <algorithm>
#include <map>

#include "config/expand.hpp"
#include "config/names.hpp"
#include "config/reader.hpp"

namespace clawql::config {
namespace {

using yaml::Node;

// One entry; problems are reported as they are met, and the caller drops the whole configuration if there were any.
class EntryReader {
 public:
  EntryReader(const Node& name, const Node& entry, const Reading& reading)
      : name_(name), entry_(entry), reading_(reading) {}

  Server read() {
    server_.name = name_.text;
    const bool lawful = reading_.holds(name_.mark, "mcpServers", check_server_name(name_.text));
    server_.prefix = lawful ? name_.text + "__" : "";
    if (const auto disabled = boolean(&entry_, "disabled")) server_.disabled = *disabled;
    if (const auto seconds = integer(&entry_, "timeout")) server_.call_seconds = *seconds;
    read_type();
    read_isolation();
    read_command();
    read_environment();
    read_cwd();
    read_tools();
    read_prefix();
    read_start();
    read_user();
    read_sandbox();
    note_containers();
    server_.fingerprint = fingerprint(server_);
    return std::move(server_);
  }

 private:
  void read_type() {
    const Node* type = scalar(&entry_, "type");
    const bool over_http = type != nullptr && (type->text == "sse" || type->text.find("http") != std::string::npos);
    if (over_http && entry_.find("url") == nullptr)
      reading_.problems.add(type->mark,
                            "`type: " + type->text + "` is not yet supported (servers over HTTP): only `stdio`");
  }

  void read_isolation() {
    if (const Node* isolation = scalar(&entry_, "isolation"))
      for (const Isolation one : {Isolation::session, Isolation::principal})
        if (isolation->text == config::name(one)) server_.isolation = one;
    if (const auto most = integer(&entry_, "maxInstances"))
      server_.max_instances = static_cast<std::uint32_t>(*most);  // the table of keys holds it in range
    if (const auto seconds = integer(&entry_, "instanceIdleSeconds")) server_.instance_idle_seconds = *seconds;
    if (server_.isolation != Isolation::shared) return;
    for (const std::string_view key : {"maxInstances", "instanceIdleSeconds"})
      if (const Node* node = scalar(&entry_, key))
        reading_.notice(node->mark, "config.no-effect",
                        "`" + std::string(key) + "` has no effect without `isolation: session` or `principal`");
  }

  void refuse_reference(const Node& node, std::string_view key) const {
    if (has_reference(node.text))
      reading_.problems.add(node.mark, "`" + std::string(key) +
                                           "`: `${…}` is replaced in `args` and `env` alone: write "
                                           "the value");
  }

  void read_command() {
    const Node* command = entry_.find("command");
    if (command == nullptr) {
      // `url` was answered with "not yet" already.
      if (entry_.find("url") == nullptr && entry_.kind == Node::Kind::mapping)
        reading_.problems.add(name_.mark, "server " + quote(name_.text) + " has no `command`");
    } else if (command->is_scalar()) {
      refuse_reference(*command, "command");
      const std::string text = text_of(*command);
      if (text.empty() || text.find('\0') != std::string::npos)
        reading_.problems.add(command->mark, "`command` wants a program's name or absolute path");
      else if (text.front() != '/' && text.find('/') != std::string::npos)
        reading_.problems.add(command->mark,
                              "`command` wants a program found in PATH or an absolute path, not the "
                              "relative " +
                                  quote(text));
      server_.command = text;
    }
    for (const Node* arg : scalars(entry_.find("args")))
      if (auto value = expanded(*arg, "args")) {
        server_.args.push_back(std::move(*value));
        server_.args_as_written.push_back(arg->text);
      }
  }

  std::optional<std::string> expanded(const Node& node, std::string_view key) const {
    auto value = reading_.take(node.mark, key, expand(node.text, reading_.environment));
    if (!value || value->find('\0') == std::string::npos) return value;
    reading_.problems.add(node.mark, "`" + std::string(key) + "`: a zero byte cannot be handed to a program");
    return std::nullopt;
  }

  void read_environment() {
    if (const Node* file = scalar(&entry_, "envFile")) read_environment_file(*file);
    const Node* env = entry_.find("env");
    if (env == nullptr) return;
    for (const auto& member : env->members) {
      if (!is_environment_name(member.key.text))
        reading_.problems.add(member.key.mark, "`env`: " + quote(member.key.text) +
                                                   " is no name of the environment (letters, digits, `_`)");
      if (!member.value.is_scalar()) continue;
      auto value = expanded(member.value, "env");
      if (!value) continue;
      note_literal_key(member);
      set(member.key.text, std::move(*value));
    }
  }

  void set(const std::string& name, std::string value) {
    const auto same = std::ranges::find(server_.environment, name, &std::pair<std::string, std::string>::first);
    if (same != server_.environment.end())
      same->second = std::move(value);
    else
      server_.environment.emplace_back(name, std::move(value));
  }

  void read_environment_file(const Node& file) {
    refuse_reference(file, "envFile");
    std::string path = text_of(file);
    if (path.empty()) return reading_.problems.add(file.mark, "`envFile` wants a path");
    if (path.front() != '/') path = reading_.folder + "/" + path;
    auto text = reading_.take(file.mark, "envFile", reading_.read_file(path));
    if (!text) return;
    auto values = parse_env_file(*text);
    if (!values) return reading_.report(file.mark, "envFile", std::move(values).error().in(path));
    for (auto& [name, value] : *values) set(name, std::move(value));
  }

  // A key that stands in the file can be read by every server of the same user.
  void note_literal_key(const yaml::Member& member) const {
    const Node* user = entry_.find("user");
    if (user != nullptr || member.value.text.empty() || has_reference(member.value.text)) return;
    std::string name = member.key.text;
    for (char& c : name)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    for (const std::string_view word : {"KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL"}) {
      if (name.find(word) == std::string::npos) continue;
      reading_.notice(member.value.mark, "server.can-read-config",
                      "the value of " + quote(member.key.text) +
                          " stands in this file, which servers of the same user "
                          "can read: write `${env:" +
                          member.key.text + "}` and set it for clawql-api alone");
      return;
    }
  }

  void read_cwd() {
    const Node* cwd = scalar(&entry_, "cwd");
    if (cwd == nullptr) return;
    refuse_reference(*cwd, "cwd");
    if (reading_.holds(cwd->mark, "cwd", check_absolute_path(text_of(*cwd)))) server_.working_directory = cwd->text;
  }

  void read_tools() {
    const Node* tools = entry_.find("tools");
    if (tools == nullptr) return;
    server_.tools.emplace();
    for (const Node* tool : scalars(tools)) {
      const bool lawful =
          !tool->text.empty() && tool->text.size() <= 128 &&
          std::ranges::all_of(tool->text, [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; });
      if (!lawful) reading_.problems.add(tool->mark, "`tools` lists names or globs of 1 to 128 printable characters");
      server_.tools->push_back(tool->text);
    }
  }

  void read_prefix() {
    const Node* prefix = scalar(&entry_, "prefix");
    if (prefix == nullptr) return;
    if (prefix->is_null()) {
      reading_.problems.add(prefix->mark, "`prefix`: write \"\" to keep the names as they are");
    } else if (prefix->text.empty()) {
      server_.prefix.clear();
    } else if (auto status = check_server_name(prefix->text); !status) {
      reading_.problems.add(prefix->mark, "`prefix` follows the rules of a server's name, and \"__\" is added: " +
                                              status.error().message);
    } else {
      server_.prefix = prefix->text + "__";
    }
  }

  void read_start() {
    if (const Node* start = scalar(&entry_, "start")) server_.eager = start->text != "lazy";
  }

  void read_user() {
    const Node* user = scalar(&entry_, "user");
    if (user != nullptr && reading_.holds(user->mark, "user", check_account(text_of(*user)))) server_.user = user->text;
  }

  void read_sandbox() {
    const Node* sandbox = entry_.find("sandbox");
    if (sandbox == nullptr) return;
    if (const auto listen = boolean(sandbox, "listen")) server_.sandbox.listen = *listen;
    if (const auto sockets = boolean(sandbox, "unix")) server_.sandbox.unix_sockets = *sockets;
    const Node* files = sandbox->find("files");
    if (files == nullptr) return;
    read_paths(files->find("read"), "read", server_.sandbox.files_read);
    read_paths(files->find("write"), "write", server_.sandbox.files_write);
    if (!files->items.empty() || (files->kind == Node::Kind::mapping && files->members.empty()))
      reading_.problems.add(files->mark, "`files` wants `read` or `write` with paths; leave it out for no file rules");
  }

  void read_paths(const Node* list, std::string_view key, std::vector<std::string>& paths) const {
    if (list != nullptr && list->kind == Node::Kind::sequence && list->items.empty())
      reading_.problems.add(list->mark, "`" + std::string(key) + "` lists at least one path; leave it out for none");
    for (const Node* path : scalars(list))
      if (reading_.holds(path->mark, key, check_absolute_path(text_of(*path)))) paths.push_back(path->text);
  }

  void note_containers() const {
    const auto slash = server_.command.rfind('/');
    const std::string program = slash == std::string::npos ? server_.command : server_.command.substr(slash + 1);
    if (server_.sandbox.unix_sockets || (program != "docker" && program != "podman")) return;
    reading_.notice(entry_.mark, "server.needs-unix",
                    "server " + quote(server_.name) + " will not start: " + program +
                        " needs its own Unix socket; add `sandbox: { unix: true }` to the entry");
  }

  const Node& name_;
  const Node& entry_;
  const Reading& reading_;
  Server server_;
};

// Two servers that are told to show a tool by one name: no order between them is the right one.
void refuse_collisions(const std::vector<Server>& servers, const Node& entries, const Reading& reading) {
  std::map<std::string, std::string> owners = {{"clawql__audit", "clawql"}, {"clawql__cache", "clawql"}};
  for (const Server& server : servers) {
    if (server.disabled || !server.tools) continue;
    const Node* tools = entries.find(server.name)->find("tools");
    for (const Node* tool : scalars(tools)) {
      if (tool->text.find_first_of("*?") != std::string::npos) continue;
      const std::string shown = server.prefix + tool->text;
      const auto [owner, added] = owners.emplace(shown, server.name);
      if (added) continue;
      if (owner->second == server.name)
        reading.problems.add(tool->mark, "tool " + quote(tool->text) + " is listed twice");
      else
        reading.problems.add(tool->mark, "the tool name " + quote(shown) + " belongs to server " +
                                             quote(owner->second) + " and to server " + quote(server.name) +
                                             ": give one of them a `prefix`");
    }
  }
}

}  // namespace

std::string_view name(Isolation isolation) {
  switch (isolation) {
    case Isolation::shared: return "shared";
    case Isolation::session: return "session";
    case Isolation::principal: return "principal";
  }
  return "";
}

std::vector<Server> read_servers(const Node* entries, const Reading& reading) {
  std::vector<Server> servers;
  if (entries == nullptr) return servers;
  for (const auto& member : entries->members) servers.push_back(EntryReader(member.key, member.value, reading).read());
  refuse_collisions(servers, *entries, reading);
  return servers;
}

}  // namespace clawql::config
