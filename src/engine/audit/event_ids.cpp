#include "engine/audit/event_ids.hpp"

#include <sys/random.h>

#include <string_view>

namespace clawql::engine::audit {
namespace {
constexpr std::string_view kHex = "0123456789abcdef";
}

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

Status EventIds::append_next(std::string& out) {
  if (used_ == random_.size()) CLAWQL_CHECKED(refill());
  std::array<char, 36> text{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < kIdBytes; ++i) {
    std::uint8_t byte = random_[used_ + i];
    if (i == 6) byte = static_cast<std::uint8_t>(0x40U | (byte & 0x0FU));  // version 4
    if (i == 8) byte = static_cast<std::uint8_t>(0x80U | (byte & 0x3FU));  // variant 10
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = kHex[byte >> 4U];
    text[at++] = kHex[byte & 0x0FU];
  }
  used_ += kIdBytes;
  out.append(text.data(), text.size());
  return {};
}

}  // namespace clawql::engine::audit
