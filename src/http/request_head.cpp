#include <algorithm>
#include <array>

#include "http/characters.hpp"
#include "http/fields.hpp"
#include "http/request.hpp"

namespace clawql::http {

using base::Reason;

namespace {

constexpr std::size_t kLongestMethod = 32;
constexpr std::string_view kVersion = "HTTP/1.1";

// What came from outside, for the operator's log: cut; the logger escapes it.
std::string offered(std::string_view what, std::string_view value) {
  constexpr std::size_t kMost = 120;
  std::string text(what);
  text += ": ";
  text += value.substr(0, kMost);
  if (value.size() > kMost) text += "…";
  return text;
}

Method method_of(std::string_view text) {
  struct Row {
    std::string_view text;
    Method method;
  };
  static constexpr std::array<Row, 7> kMethods{{{"POST", Method::post},
                                                {"GET", Method::get},
                                                {"HEAD", Method::head},
                                                {"PUT", Method::put},
                                                {"DELETE", Method::delete_},
                                                {"OPTIONS", Method::options},
                                                {"PATCH", Method::patch}}};
  for (const Row& row : kMethods)
    if (row.text == text) return row.method;
  return Method::other;
}

// HTTP/x.y with other numbers than ours, as against text that is no version at all.
bool is_other_version(std::string_view text) {
  const auto digits = [](std::string_view part) {
    return !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!text.starts_with("HTTP/")) return false;
  text.remove_prefix(5);
  const std::size_t dot = text.find('.');
  return dot != std::string_view::npos && digits(text.substr(0, dot)) && digits(text.substr(dot + 1));
}

// pchar and "/" (and "?" in a query), percent-encoding well-formed (RFC 3986 sections 3.3, 3.4).
bool is_path_text(std::string_view text, bool question_mark) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is(kPath, text[i]) || (question_mark && text[i] == '?')) continue;
    if (text[i] != '%' || text.size() - i < 3 || !is(kHexDigit, text[i + 1]) || !is(kHexDigit, text[i + 2]))
      return false;
    i += 2;
  }
  return true;
}

bool split_path(std::string_view text, RequestHead& head) {
  const std::size_t mark = std::min(text.find('?'), text.size());
  head.path = text.substr(0, mark);
  head.query = text.substr(std::min(mark + 1, text.size()));
  return is_path_text(head.path, false) && is_path_text(head.query, true);
}

bool parse_absolute_target(std::string_view rest, RequestHead& head) {
  const std::size_t stop = std::min(rest.find_first_of("/?"), rest.size());
  head.target_authority = Authority::parse(rest.substr(0, stop));
  if (!head.target_authority || !split_path(rest.substr(stop), head)) return false;
  // RFC 9112 section 3.2.4: OPTIONS without path and query means the server as a whole.
  if (stop == rest.size() && head.method == Method::options)
    head.path = "*";
  else if (head.path.empty())
    head.path = "/";
  return true;
}

// RFC 9112 section 3.2, without https (no listener is told the scheme by its target).
bool parse_target(std::string_view target, RequestHead& head) {
  constexpr std::string_view kScheme = "http://";
  if (head.method_text == "CONNECT") {
    head.path = "*";
    head.target_authority = Authority::parse(target);
    return head.target_authority && head.target_authority->port;
  }
  if (target.front() == '/') return split_path(target, head);
  if (target == "*") {
    head.path = target;
    return head.method == Method::options;
  }
  return target.starts_with(kScheme) && parse_absolute_target(target.substr(kScheme.size()), head);
}

// The method as far as it came: a token, and not endless. This refuses TLS, PROXY v2 and their like at the first byte.
bool may_begin_request(std::string_view text) {
  const std::size_t looked_at = std::min(text.size(), kLongestMethod + 1);
  for (std::size_t i = 0; i < looked_at; ++i)
    if (!is(kToken, text[i])) return i > 0 && text[i] == ' ';
  return looked_at <= kLongestMethod;
}

// Whether the request line is too long whatever its target holds. `size`: without its line end.
bool line_is_too_long(std::string_view text, std::size_t size, const HeadLimits& limits) {
  const std::size_t method = text.substr(0, kLongestMethod + 1).find(' ');
  return method != std::string_view::npos && size > method + 1 + limits.target_bytes + 1 + kVersion.size();
}

// `line` with its line feed.
Verdict parse_request_line(std::string_view line, const HeadLimits& limits, RequestHead& head) {
  if (!may_begin_request(line)) return refused(Reason::http_syntax, "no method at the start");
  if (!line.ends_with("\r\n")) return refused(Reason::http_syntax, "line feed without carriage return");
  line.remove_suffix(2);
  if (line_is_too_long(line, line.size(), limits))
    return refused(Reason::http_target_too_long, "request line over the limit");
  const std::size_t method_end = line.find(' ');
  if (method_end == std::string_view::npos) return refused(Reason::http_syntax, "request line out of grammar");
  head.method_text = line.substr(0, method_end);
  head.method = method_of(head.method_text);
  const std::string_view rest = line.substr(method_end + 1);
  const std::size_t target_end = rest.find(' ');
  if (target_end == 0 || target_end == std::string_view::npos)
    return refused(Reason::http_syntax, "request line out of grammar");
  const std::string_view target = rest.substr(0, target_end);
  const std::string_view version = rest.substr(target_end + 1);
  if (version != kVersion)
    return refused(is_other_version(version) ? Reason::http_version : Reason::http_syntax, "not HTTP/1.1");
  if (target.size() > limits.target_bytes) return refused(Reason::http_target_too_long, "target over the limit");
  if (!parse_target(target, head)) return refused(Reason::http_target_syntax, offered("target", target));
  return std::nullopt;
}

Verdict check_host(RequestHead& head) {
  const std::size_t count = head.count("host");
  if (count != 1) return refused(Reason::http_host_missing, count == 0 ? "no Host" : "more than one Host");
  const std::string_view value = *head.field("host");
  head.host = Authority::parse(value);
  if (!head.host) return refused(Reason::http_host_syntax, offered("Host", value));
  if (!head.target_authority) return std::nullopt;
  if (head.target_authority->host == head.host->host && head.target_authority->port == head.host->port)
    return std::nullopt;
  return refused(Reason::http_target_syntax, offered("target names another authority than Host", value));
}

Verdict check_expectation(RequestHead& head) {
  const std::size_t count = head.count("expect");
  if (count == 0) return std::nullopt;
  const std::string_view value = head.field("expect").value_or("");
  if (!equals_ignoring_case(value, "100-continue")) return refused(Reason::http_expectation, offered("Expect", value));
  head.expects_continue = head.framing.kind != Framing::Kind::none;
  return std::nullopt;
}

// What the fields mean, in the order of the perimeter's checks.
Verdict check_fields(RequestHead& head) {
  bool length_given = false;
  if (auto verdict = parse_framing(head.fields, head.framing, length_given)) return verdict;
  if (auto verdict = check_host(head)) return verdict;
  if (auto verdict = check_expectation(head)) return verdict;
  for (const Field& field : head.fields)
    if (equals_ignoring_case(field.name, "connection") && list_holds(field.value, "close")) head.keep_alive = false;
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> RequestHead::field(std::string_view name) const {
  std::optional<std::string_view> found;
  for (const Field& field : fields) {
    if (!equals_ignoring_case(field.name, name)) continue;
    if (found) return std::nullopt;
    found = field.value;
  }
  return found;
}

std::size_t RequestHead::count(std::string_view name) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(fields, [name](const Field& field) { return equals_ignoring_case(field.name, name); }));
}

std::variant<HeadParser::NeedMore, HeadParser::Done, base::Refusal> HeadParser::parse(std::string_view buffer) {
  // Nothing beyond the largest head is looked at, so that a head is judged alike whole and in pieces.
  const std::string_view window = buffer.substr(0, limits_.head_bytes);
  const auto incomplete = [&]() -> std::variant<NeedMore, Done, base::Refusal> {
    if (buffer.size() <= limits_.head_bytes) return NeedMore{};
    return *refused(Reason::http_head_too_large, "head over the limit");
  };
  Done done{};
  if (line_end_ == 0) {
    const std::size_t line_feed = window.find('\n', scanned_);
    scanned_ = window.size();
    if (line_feed == std::string_view::npos) {
      if (!may_begin_request(window)) return *refused(Reason::http_syntax, "no method at the start");
      // One byte may be the carriage return.
      if (line_is_too_long(window, buffer.size() - std::min<std::size_t>(buffer.size(), 1), limits_))
        return *refused(Reason::http_target_too_long, "request line over the limit");
      return incomplete();
    }
    if (auto verdict = parse_request_line(window.substr(0, line_feed + 1), limits_, done.head)) return *verdict;
    line_end_ = scanned_ = line_feed + 1;
  }
  const HeadEnd end = find_head_end(window, scanned_);
  if (end.bare_line_feed) return *refused(Reason::http_syntax, "line feed without carriage return");
  if (!end.found) return incomplete();
  if (done.head.method_text.empty()) {
    // The line came earlier; its views must point into this buffer.
    if (auto verdict = parse_request_line(window.substr(0, line_end_), limits_, done.head)) return *verdict;
  }
  done.consumed = end.size;
  const std::string_view lines = window.substr(line_end_, end.size - line_end_ - 2);
  if (auto verdict = parse_fields(lines, limits_.fields, done.head.fields)) return *verdict;
  if (auto verdict = check_fields(done.head)) return *verdict;
  return done;
}

}  // namespace clawql::http
