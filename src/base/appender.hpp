// Appends many small pieces to one string: a piece costs a comparison and an inlined copy, where std::string::append is
// two calls. For texts and frames that are put together for every request.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace clawql::base {

// While it lives the string is its own: nobody else may look at it, nor may a piece be a view into it. `room`: bytes
// that will probably come; more are taken as they are needed.
class Appender {
 public:
  Appender(std::string& out, std::size_t room) : out_(out), at_(out.data() + out.size()), end_(at_) { grow(room); }
  ~Appender() { set_size(size()); }
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  void put(std::string_view text) { copy(take(text.size()), text.data(), text.size()); }
  void put(char c) { *take(1) = c; }
  template <std::integral Integer>
  void put_decimal(Integer value) {
    std::array<char, 24> digits;
    const char* const last = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    put(std::string_view(digits.data(), last));
  }
  // `count` bytes at the end, for the caller to write.
  char* take(std::size_t count) {
    if (static_cast<std::size_t>(end_ - at_) < count) grow(count);
    char* const taken = at_;
    at_ += count;
    return taken;
  }

 private:
  // Of short pieces both ends, which may overlap: the call of memcpy would cost more than the copy.
  static void copy(char* to, const char* from, std::size_t size) {
    if (size > 16) {
      std::memcpy(to, from, size);
    } else if (size >= 8) {
      copy_ends<8>(to, from, size);
    } else if (size >= 4) {
      copy_ends<4>(to, from, size);
    } else {
      for (std::size_t i = 0; i < size; ++i) to[i] = from[i];
    }
  }
  template <std::size_t kEnd>
  static void copy_ends(char* to, const char* from, std::size_t size) {
    std::array<char, kEnd> first;
    std::array<char, kEnd> last;
    std::memcpy(first.data(), from, kEnd);
    std::memcpy(last.data(), from + size - kEnd, kEnd);
    std::memcpy(to, first.data(), kEnd);
    std::memcpy(to + size - kEnd, last.data(), kEnd);
  }
  std::size_t size() const { return static_cast<std::size_t>(at_ - out_.data()); }
  void set_size(std::size_t size) {
    // Not resize(): that would write zeros where the pieces go.
    out_.resize_and_overwrite(size, [](char*, std::size_t wanted) { return wanted; });
  }
  void grow(std::size_t count) {
    const std::size_t used = size();
    set_size(std::max(used + count, out_.capacity()));
    at_ = out_.data() + used;
    end_ = out_.data() + out_.size();
  }

  std::string& out_;
  char* at_;
  char* end_;
};

}  // namespace clawql::base
