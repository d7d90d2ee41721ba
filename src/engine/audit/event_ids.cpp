#include "engine/audit/event_ids.hpp"

#include <sys/random.h>

#include <span>

#include "base/hex.hpp"

namespace clawql::engine::audit {

Status EventIds::refill() {
  std::size_t have = 0;
  while (have < random_.size()) {
    const ssize_t got = ::getrandom(random_.data() + have, random_.size() - have, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail_system("getrandom");
    have += static_cast<std::size_t>(got);
  }
  used_ = 0;
  return {};
}

Status EventIds::append_next(base::Appender& out) {
  if (used_ == random_.size()) CLAWQL_CHECKED(refill());
  const std::span id = std::span(random_).subspan(used_, kIdBytes);
  id[6] = static_cast<std::uint8_t>(0x40U | (id[6] & 0x0FU));  // version 4
  id[8] = static_cast<std::uint8_t>(0x80U | (id[8] & 0x3FU));  // variant 10
  char* at = out.take(kCharacters);
  std::size_t done = 0;
  for (const std::size_t group : {4U, 2U, 2U, 2U, 6U}) {
    if (done > 0) *at++ = '-';
    at = base::write_hex(at, id.subspan(done, group));
    done += group;
  }
  used_ += kIdBytes;
  return {};
}

}  // namespace clawql::engine::audit
