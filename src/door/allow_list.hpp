// Which names this gateway answers to and which web origins may call it: one list for every listener, made from the
// configuration and from nothing else. There is no state that means "all": an empty list is the built-in loopback
// names. Immutable; a reload makes a new one and swaps the pointer, so that a request is judged by one list throughout.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "http/authority.hpp"

namespace clawql::door {

class AllowList {
 public:
  // `hosts`: exact names without port or wildcard, besides localhost, 127.0.0.1 and ::1.
  // `origins`: absent: any port on an allowed host, over http or https; listed: exactly those besides loopback names;
  // empty: loopback names alone. `config_path` is named to the operator as the place to change.
  // An entry that could never match, or that would match too much, is an error.
  static Result<std::shared_ptr<const AllowList>> make(const std::vector<std::string>& hosts,
                                                       const std::optional<std::vector<std::string>>& origins,
                                                       std::string config_path);

  bool allows_host(const http::HostName& host) const;
  // `value` as sent. Only canonical values are allowed (RFC 6454 section 6.2, as browsers send them), or a value that
  // is listed letter by letter.
  bool allows_origin(std::string_view value) const;
  // Only origins that are listed exactly get CORS fields (reference: Fetch, section 3.2).
  bool lists_origin(std::string_view value) const;

  // What the operator would write to allow it: `allowedHosts: ["evil.example"] in /etc/clawql/clawql.yaml`.
  std::string line_for_host(std::string_view offered) const;
  std::string line_for_origin(std::string_view offered) const;

 private:
  AllowList() = default;
  std::vector<std::string> hosts_;  // sorted, lower-case, IPv6 in brackets
  std::optional<std::vector<std::string>> origins_;
  std::string config_path_;
};

}  // namespace clawql::door
