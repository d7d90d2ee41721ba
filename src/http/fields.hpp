// The grammar that requests and responses share: field lines, Content-Length, Transfer-Encoding. Internal to src/http.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/refusal.hpp"
#include "http/request.hpp"

namespace clawql::http {

// Nothing: it passed.
using Verdict = std::optional<base::Refusal>;

inline Verdict refused(base::Reason reason, std::string_view why) {
  return base::Refusal{.reason = reason, .for_operator = std::string(why)};
}

// Where a head ends. `window` is the buffer cut to the largest head; every byte before `scanned` was looked at before
// and `scanned` moves on. Only CRLF ends a line.
struct HeadEnd {
  bool found = false;
  bool bare_line_feed = false;
  std::size_t size = 0;  // with the empty line, when found
};
HeadEnd find_head_end(std::string_view window, std::size_t& scanned);

// The field lines of a head, each ended by CRLF, without the empty line.
Verdict parse_fields(std::string_view lines, std::size_t most, std::vector<Field>& fields);

// Whether a field value holds only what one may hold (RFC 9110 section 5.5, with obs-text).
bool is_field_text(std::string_view value);

// `name: value` without its line end; false when it is out of grammar.
bool parse_field_line(std::string_view line, Field& field);

// One way to find the end of the body, or none (RFC 9112 section 6.3 without its leniencies).
Verdict parse_framing(const std::vector<Field>& fields, Framing& framing, bool& length_given);

// Whether a comma-divided list holds this token, ignoring case.
bool list_holds(std::string_view list, std::string_view token);

}  // namespace clawql::http
