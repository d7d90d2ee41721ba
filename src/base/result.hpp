// One way to fail. Every function that can fail returns Result<T>; no exception crosses a room.
#pragma once

#include <cerrno>
#include <cstring>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace clawql {

// What went wrong, in words for the operator: where, why and, if it can be told, what to do. Never holds a secret.
struct Error {
  std::string message;
  int system_errno = 0;  // the errno of the call that failed, 0 where no call did

  // "open /x: No such file or directory". `error` is an errno value.
  static Error system(std::string_view what, int error = errno);
  // Puts "context: " before the message.
  Error in(std::string_view context) &&;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(std::string message) {
  return std::unexpected(Error{std::move(message), 0});
}
inline std::unexpected<Error> fail_system(std::string_view what, int error = errno) {
  return std::unexpected(Error::system(what, error));
}

}  // namespace clawql

#define CLAWQL_CONCAT_INNER(a, b) a##b
#define CLAWQL_CONCAT(a, b) CLAWQL_CONCAT_INNER(a, b)

// CLAWQL_TRY(auto x, f()): x is f's value, or this function returns f's error. (libstdc++ 12 has no and_then.)
#define CLAWQL_TRY(declaration, ...) CLAWQL_TRY_INNER(CLAWQL_CONCAT(clawql_try_, __COUNTER__), declaration, __VA_ARGS__)
#define CLAWQL_TRY_INNER(name, declaration, ...)              \
  auto name = (__VA_ARGS__);                                  \
  if (!name) return std::unexpected(std::move(name).error()); \
  declaration = std::move(*name)

// CLAWQL_CHECKED(f()): for a Status; returns f's error from this function.
#define CLAWQL_CHECKED(...)                                                                                           \
  do {                                                                                                                \
    if (auto clawql_status = (__VA_ARGS__); !clawql_status) return std::unexpected(std::move(clawql_status).error()); \
  } while (false)
