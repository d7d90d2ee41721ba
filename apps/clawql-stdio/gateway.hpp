// Where a gateway may be, and the connection to the first one that answers.
#pragma once

#include <string>
#include <vector>

namespace clawql::stdio {

// In the order of trying: `chosen` (--socket) alone if there is one, else the runtime folders of this user, then the
// system's gateway.
std::vector<std::string> gateway_candidates(const char* chosen);

struct Connection {
  int fd = -1;            // -1: none answered
  std::string complaint;  // what was tried and why it failed, with what to do
};
Connection connect_to_gateway(const std::vector<std::string>& candidates);

// The home directory that `passwd` (the text of /etc/passwd) gives a user; empty if it does not say. By hand, because a
// static program cannot ask NSS; and not from $HOME, which anybody sets.
std::string home_of(unsigned user, const std::string& passwd);

}  // namespace clawql::stdio
