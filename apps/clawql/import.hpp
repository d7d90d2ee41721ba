// Taking a client's servers over into the gateway's configuration.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "setup.hpp"

namespace clawql::cli {

struct ImportReport {
  std::string config_file;
  std::string backup;                // of the configuration before; empty: there was no file, or nothing changed
  std::vector<std::string> added;    // "files", or "my files as my-files"; in the order of the client's file
  std::vector<std::string> present;  // there already, with the same meaning
  std::vector<std::string> refused;  // "name: why"
  std::vector<std::string> notes;    // "name: what was left out, what to look at"
  std::vector<std::string> taken;    // names, as the client writes them, that the gateway now has and can start
};

// Adds the servers of `client_text` (the content of `client_path`) to the configuration file. Each entry is checked as
// the gateway would; one that fails is refused alone. No value of `env` is ever in a message.
Result<ImportReport> import_servers(const std::string& client_text, const std::string& client_path,
                                    const std::string& config_file, const config::Places& places);
std::string text_of(const ImportReport& report);
std::string json_of(const ImportReport& report);

}  // namespace clawql::cli
