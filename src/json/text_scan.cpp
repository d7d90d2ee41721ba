#include "json/text_scan.hpp"

namespace clawql::json {

std::string_view Unescaper::next() {
  if (at_ == end_) return {};
  if (*at_ != '\\') {
    const void* found = std::memchr(at_, '\\', static_cast<std::size_t>(end_ - at_));
    const char* stop = found == nullptr ? end_ : static_cast<const char*>(found);
    const std::string_view piece(at_, static_cast<std::size_t>(stop - at_));
    at_ = stop;
    return piece;
  }
  const char letter = at_[1];
  at_ += 2;
  switch (letter) {
    case 'b': return "\b";
    case 'f': return "\f";
    case 'n': return "\n";
    case 'r': return "\r";
    case 't': return "\t";
    case 'u': break;
    default: buffer_[0] = letter; return {buffer_.data(), 1};  // `"`, `\` and `/` stand for themselves
  }
  auto code_point = static_cast<std::uint32_t>(hex4(at_, end_));
  at_ += 4;
  if (is_high_surrogate(static_cast<int>(code_point))) {
    const auto low = static_cast<std::uint32_t>(hex4(at_ + 2, end_));
    code_point = 0x10000 + ((code_point - 0xd800) << 10) + (low - 0xdc00);
    at_ += 6;
  }
  return decoded(code_point);
}

std::string_view Unescaper::decoded(std::uint32_t code_point) {
  const auto tail = [code_point](unsigned shift) { return static_cast<char>(0x80U | ((code_point >> shift) & 0x3fU)); };
  if (code_point < 0x80) {
    buffer_ = {static_cast<char>(code_point)};
    return {buffer_.data(), 1};
  }
  if (code_point < 0x800) {
    buffer_ = {static_cast<char>(0xc0U | (code_point >> 6)), tail(0)};
    return {buffer_.data(), 2};
  }
  if (code_point < 0x10000) {
    buffer_ = {static_cast<char>(0xe0U | (code_point >> 12)), tail(6), tail(0)};
    return {buffer_.data(), 3};
  }
  buffer_ = {static_cast<char>(0xf0U | (code_point >> 18)), tail(12), tail(6), tail(0)};
  return {buffer_.data(), 4};
}

}  // namespace clawql::json
