// Grammar of what the configuration names: binds, hosts, origins, servers, users. Each function returns the canonical
// text, or an error that says what would be right (without the place; the caller has it).
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace clawql::config {

// Only `loopback`. Every spelling of a wildcard, and every host name, is refused with its reason.
Status check_bind(std::string_view bind);
// An exact host for allowedHosts, lower-case; IPv6 in brackets as browsers send it. The grammar is the one of
// http::HostName, which this room cannot see (arrows), and narrower: nothing that could never match is taken.
Result<std::string> parse_allowed_host(std::string_view text);
// scheme://host[:port] exactly as browsers send it.
Result<std::string> parse_allowed_origin(std::string_view text);
// `[A-Za-z0-9_-]{1,32}`, no `__`, no `_` at either end; not `clawql`.
Status check_server_name(std::string_view name);
// A user or group: a name or a number.
Status check_account(std::string_view account);
// "0660" and narrower.
Result<unsigned> parse_socket_mode(std::string_view text);
// Absolute, printable, without `..`; `unix://` before it is dropped and /var/run becomes /run. At most 107 bytes.
Result<std::string> parse_socket_path(std::string_view text);
// Absolute, printable, without `..`.
Status check_absolute_path(std::string_view path);

}  // namespace clawql::config
