// The files in which MCP clients keep their servers: JSON, often with comments and trailing commas, with the servers
// below `mcpServers` or (VS Code) `servers`. They belong to their clients, so an edit leaves every byte that it does
// not mean.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace clawql::config {

struct Client {
  std::string_view name;         // "claude-desktop"
  std::string_view title;        // "Claude Desktop"
  std::string_view file;         // below the user's home
  std::string_view servers_key;  // "mcpServers" | "servers"
};

// The clients known by name: claude-desktop, claude-code, cursor, vscode.
const std::vector<Client>& known_clients();
const Client* find_client(std::string_view name);

// One entry of a client's file, as an entry of ours.
struct ClientServer {
  std::string name;                // as the client writes it
  std::string entry;               // a JSON object on one line, with the keys that mean something here
  std::vector<std::string> notes;  // keys that were left out, and why; never a value
  std::string refused;             // why it cannot be taken over; empty: it can
  bool is_clawql = false;          // the client's way to us
};

// The servers of the file, in its order. `path` is for messages.
Result<std::vector<ClientServer>> client_servers(std::string_view text, std::string_view path);

// The text with this entry below `servers_key`: added, replaced, or the same text when it is there already. An empty
// text makes a whole new file.
Result<std::string> with_client_entry(std::string_view text, std::string_view path, std::string_view servers_key,
                                      std::string_view name, std::string_view entry);
// The text without these entries.
Result<std::string> without_client_entries(std::string_view text, std::string_view path,
                                           const std::vector<std::string>& names);

// `name` made lawful as a name of a server of ours.
std::string lawful_server_name(std::string_view name);
// The text with comments and trailing commas replaced by blanks, so that every other byte keeps its place.
std::string without_comments(std::string_view text);

}  // namespace clawql::config
