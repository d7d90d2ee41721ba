// An alarm for another machine, by POST. curl does it, as a process of its own and as nobody: what it hears from the
// network is never in this one, which may be root. Its certificate is always checked. The URL may hold a secret: it
// stands on no command line of ours and in no message.
#pragma once

#include <string>

#include "base/result.hpp"

namespace clawql::cli {

struct Webhook {
  std::string url;          // https://…, or http:// to this machine itself
  std::string authorities;  // a file of certificates to trust instead of the system's; "": the system's
};

// Is it one that can be told, and is there a curl to do it?
Status check(const Webhook& webhook);
// `json`: one object. Waits for the answer, at most 5 s.
Status post(const Webhook& webhook, const std::string& json);

}  // namespace clawql::cli
