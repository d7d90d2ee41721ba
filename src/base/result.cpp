#include "base/result.hpp"

#include <array>

namespace clawql {

Error Error::system(std::string_view what, int error) {
  std::array<char, 128> buffer{};
  // The GNU strerror_r: returns the text, which need not be in the buffer.
  const char* text = strerror_r(error, buffer.data(), buffer.size());
  return Error{std::string(what) + ": " + text, error};
}

Error Error::in(std::string_view context) && {
  message.insert(0, std::string(context) + ": ");
  return std::move(*this);
}

}  // namespace clawql
