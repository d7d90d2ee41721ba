// The audit file and its rotation. The engine writes to it but opens nothing: it gets an append-only descriptor, and a
// new one when it asks because the file is full. A taken engine cannot rotate evidence away: a file that is not nearly
// full stays.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "config/config.hpp"
#include "os/fd.hpp"
#include "os/spawn.hpp"

namespace clawql::supervisor {

class AuditFiles {
 public:
  // `owner`: whom new folders and files shall belong to (after a root start with `user:`).
  AuditFiles(config::Audit settings, std::optional<os::Identity> owner)
      : settings_(std::move(settings)), owner_(std::move(owner)) {}

  // The present file: O_APPEND, created with mode 0640 in a folder of mode 0750.
  Result<os::Fd> open() const;
  // Renames path → path.1 → … → path.(files-1), and opens a new one.
  Result<os::Fd> next() const;

  const config::Audit& settings() const { return settings_; }

 private:
  Status rotate() const;
  config::Audit settings_;
  std::optional<os::Identity> owner_;
};

}  // namespace clawql::supervisor
