// Host and Origin as types that cannot be wrong: made by parse() alone, in the grammar of reference RFC 3986
// section 3.2 made stricter (LDH labels, dotted IPv4, bracketed IPv6; no userinfo, zone id, percent-encoding, trailing
// dot kept as it is and so never equal). Compared as lower-case text, never parsed into an address: `127.1` is not
// `127.0.0.1`.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace clawql::http {

// A host without port, lower-cased: "localhost", "127.0.0.1", "[::1]", "gw.tail.test".
class HostName {
 public:
  // Grammar only: a name that is not in any allow-list parses too. nullopt: answer 400.
  static std::optional<HostName> parse(std::string_view text);
  std::string_view text() const { return text_; }
  bool operator==(const HostName&) const = default;

 private:
  explicit HostName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// host[:port], the value of a Host header or the authority of an absolute-form target.
struct Authority {
  HostName host;
  std::optional<std::uint16_t> port;  // 1..65535 when present

  static std::optional<Authority> parse(std::string_view text);
};

// scheme://host[:port], canonical and lower-case as browsers send it (RFC 6454 section 6.2). Everything else, `null`,
// other schemes, paths, upper case included, is nullopt: answer 403.
struct Origin {
  enum class Scheme : std::uint8_t { http, https };
  Scheme scheme;
  HostName host;
  std::optional<std::uint16_t> port;

  static std::optional<Origin> parse(std::string_view text);
  std::string text() const;
};

}  // namespace clawql::http
