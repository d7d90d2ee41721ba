// A value that must not reach a log, a client or a URL. It cannot be printed, formatted, streamed, compared with == or
// copied by accident, and it is wiped when it goes. tests/unit proves that logging one does not compile.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace clawql::base {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      wipe();
      value_ = std::move(other.value_);
      other.wipe();
    }
    return *this;
  }
  ~Secret() { wipe(); }

  Secret clone() const { return Secret(value_); }
  // The bytes, for the one place that must send them. Do not store the view.
  std::string_view reveal() const { return value_; }
  // Constant time in the length of `candidate`.
  bool equals(std::string_view candidate) const;

 private:
  void wipe() noexcept;
  std::string value_;
};

}  // namespace clawql::base
