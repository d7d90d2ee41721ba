#include "os/fd.hpp"

#include <unistd.h>

namespace clawql::os {

void Fd::reset() noexcept {
  // Linux closes the descriptor even when close() reports EINTR, so it is never called twice.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace clawql::os
