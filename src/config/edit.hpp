// Adding servers to a configuration that somebody wrote by hand: every byte that is there stays.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace clawql::config {

struct NewServer {
  std::string name;   // lawful and not in the file yet
  std::string entry;  // a JSON object on one line
};

// The text with the servers as last entries of `mcpServers`. Fails when the text is no configuration, or is written in
// a way in which the place cannot be found: then nothing is lost, and the caller shows what to add by hand.
Result<std::string> with_servers(std::string_view text, std::string_view path, const std::vector<NewServer>& servers);

}  // namespace clawql::config
