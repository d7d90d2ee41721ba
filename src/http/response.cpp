#include "http/response.hpp"

#include <algorithm>

#include "base/decimal.hpp"
#include "http/characters.hpp"
#include "http/fields.hpp"

namespace clawql::http {

std::optional<std::string_view> Response::field(std::string_view name) const {
  std::optional<std::string_view> found;
  for (const auto& [field_name, value] : fields) {
    if (!equals_ignoring_case(field_name, name)) continue;
    if (found) return std::nullopt;
    found = value;
  }
  return found;
}

void ResponseParser::reset(bool to_head_request) {
  *this = ResponseParser(limits_);
  to_head_request_ = to_head_request;
}

Result<ResponseParser::Step> ResponseParser::feed(std::string_view input) {
  switch (state_) {
    case State::head: return feed_head(input);
    case State::done: return Step{.consumed = 0, .body = {}, .done = true};
    case State::until_end:
      if (input.size() > limits_.body_bytes - taken_) return fail("response body too large");
      taken_ += input.size();
      return Step{.consumed = input.size(), .body = input, .done = false};
    case State::body: break;
  }
  const auto step = decoder_.decode(input);
  if (!step) return fail("response: " + step.error().for_operator);
  if (step->done) state_ = State::done;
  return Step{.consumed = step->consumed, .body = step->body, .done = step->done};
}

Result<ResponseParser::Step> ResponseParser::feed_head(std::string_view input) {
  const std::size_t before = head_.size();
  const std::size_t room = limits_.head_bytes - before;
  head_.append(input.substr(0, room));
  const HeadEnd end = find_head_end(head_, scanned_);
  if (end.bare_line_feed) return fail("response head: line feed without carriage return");
  if (!end.found) {
    if (input.size() > room) return fail("response head too large");
    return Step{.consumed = input.size(), .body = {}, .done = false};
  }
  const std::string head = head_.substr(0, end.size);
  head_.clear();
  scanned_ = 0;
  CLAWQL_CHECKED(take_head(head));
  return Step{.consumed = end.size - before, .body = {}, .done = state_ == State::done};
}

Status ResponseParser::take_head(std::string_view head) {
  const std::size_t line_end = head.find('\n') + 1;
  if (line_end < 3) return fail("response head: no status line");
  CLAWQL_CHECKED(take_status_line(head.substr(0, line_end - 2)));
  std::vector<Field> fields;
  if (line_end + 2 <= head.size()) {
    const std::string_view lines = head.substr(line_end, head.size() - line_end - 2);
    if (auto verdict = parse_fields(lines, limits_.fields, fields))
      return fail("response head: " + verdict->for_operator);
  }
  if (response_.status == 101) return fail("response: 101 to a request that did not ask for it");
  if (response_.status < 200) return {};
  for (const Field& field : fields) {
    response_.fields.emplace_back(field.name, field.value);
    if (equals_ignoring_case(field.name, "connection") && list_holds(field.value, "close"))
      response_.keep_alive = false;
  }
  return take_framing(fields);
}

// HTTP/1.1 SP 3DIGIT SP [reason] (RFC 9112 section 4).
Status ResponseParser::take_status_line(std::string_view line) {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  const auto bad = [] { return fail("response: status line out of grammar"); };
  if (!line.starts_with(kStart)) return bad();
  line.remove_prefix(kStart.size());
  const auto status = base::parse_decimal<std::uint16_t>(line.substr(0, 3));
  if (!status || *status < 100 || *status > 599) return bad();
  if (line.size() < 4 || line[3] != ' ' || !all_are(kFieldText, line.substr(4))) return bad();
  response_.status = *status;
  return {};
}

Status ResponseParser::take_framing(const std::vector<Field>& fields) {
  Framing framing;
  bool length_given = false;
  if (auto verdict = parse_framing(fields, framing, length_given)) return fail("response: " + verdict->for_operator);
  const bool bodiless = to_head_request_ || response_.status == 204 || response_.status == 304;
  if (bodiless || (length_given && framing.kind == Framing::Kind::none)) {
    state_ = State::done;
  } else if (framing.kind == Framing::Kind::none) {
    state_ = State::until_end;
    response_.keep_alive = false;
  } else {
    state_ = State::body;
    decoder_ = BodyDecoder(framing, limits_.body_bytes);
  }
  return {};
}

Status ResponseParser::finish() {
  switch (state_) {
    case State::until_end: state_ = State::done; return {};
    case State::done: return {};
    case State::head: return fail(head_.empty() ? "the connection ended without a response" : "response head cut off");
    case State::body: break;
  }
  return fail("response body cut off");
}

}  // namespace clawql::http
