// Content-Type and Accept (RFC 9110 sections 8.3, 12.5.1).
#include <algorithm>
#include <optional>

#include "http/characters.hpp"
#include "http/request.hpp"

namespace clawql::http {
namespace {

// What nearly every client sends, letter by letter (the SDKs); everything else is parsed.
constexpr std::string_view kUsualContentType = "application/json";
constexpr std::string_view kUsualAccept = "application/json, text/event-stream";

struct MediaRange {
  std::string_view type;     // "application", "*"
  std::string_view subtype;  // "json", "*"
  std::string_view parameters;
};

// Up to `stop` or the end, but not inside a quoted string. The rest, without the stop, stays in `text`.
std::string_view take_until(std::string_view& text, char stop) {
  bool quoted = false;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == stop) {
      break;
    }
  }
  i = std::min(i, text.size());
  const std::string_view taken = text.substr(0, i);
  text.remove_prefix(std::min(i + 1, text.size()));
  return taken;
}

bool is_quoted_string(std::string_view text) {
  if (text.size() < 2 || text.front() != '"') return false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1 == text.size();
    if (text[i] == '\\') ++i;
    if (i == text.size() || !is(kFieldText, text[i])) return false;
  }
  return false;
}

// One `name=value`, or nothing at all (RFC 9110 section 5.6.6 allows empty ones).
bool is_parameter(std::string_view text) {
  if (text.empty()) return true;
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || !is_token(text.substr(0, equals))) return false;
  const std::string_view value = text.substr(equals + 1);
  return is_token(value) || is_quoted_string(value);
}

std::optional<MediaRange> parse_media_range(std::string_view text) {
  const std::string_view name = trimmed(take_until(text, ';'));
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const MediaRange range{.type = name.substr(0, slash), .subtype = name.substr(slash + 1), .parameters = text};
  if (!is_token(range.type) || !is_token(range.subtype)) return std::nullopt;
  for (std::string_view rest = range.parameters; !rest.empty();)
    if (!is_parameter(trimmed(take_until(rest, ';')))) return std::nullopt;
  return range;
}

// False for `q=0`, `q=0.0` …; everything else counts as wanted.
bool is_wanted(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string_view parameter = trimmed(take_until(parameters, ';'));
    if (!equals_ignoring_case(parameter.substr(0, 2), "q=")) continue;
    const std::string_view weight = parameter.substr(2);
    return weight.empty() || weight.front() != '0' || weight.find_first_not_of("0.") != std::string_view::npos;
  }
  return true;
}

// The most exact range that covers a type decides (RFC 9110 section 12.5.1).
struct Choice {
  int exactness = 0;
  bool wanted = false;

  void consider(const MediaRange& range, bool range_wanted, std::string_view type, std::string_view subtype) {
    int found = 0;
    if (equals_ignoring_case(range.type, type) && equals_ignoring_case(range.subtype, subtype))
      found = 3;
    else if (equals_ignoring_case(range.type, type) && range.subtype == "*")
      found = 2;
    else if (range.type == "*" && range.subtype == "*")
      found = 1;
    if (found == 0 || found < exactness) return;
    wanted = range_wanted || (found == exactness && wanted);
    exactness = found;
  }
};

}  // namespace

bool is_json_media_type(std::string_view content_type) {
  if (content_type == kUsualContentType) return true;
  const auto range = parse_media_range(content_type);
  return range && equals_ignoring_case(range->type, "application") && equals_ignoring_case(range->subtype, "json");
}

Accepts parse_accept(std::string_view accept) {
  if (accept == kUsualAccept) return {.json = true, .event_stream = true};
  Choice json;
  Choice event_stream;
  while (!accept.empty()) {
    const auto range = parse_media_range(take_until(accept, ','));
    if (!range) continue;
    const bool wanted = is_wanted(range->parameters);
    json.consider(*range, wanted, "application", "json");
    event_stream.consider(*range, wanted, "text", "event-stream");
  }
  return {.json = json.wanted, .event_stream = event_stream.wanted};
}

}  // namespace clawql::http
