#include "json/scanner.hpp"

#include <algorithm>

#include "json/text_scan.hpp"

namespace clawql::json {
namespace {

constexpr std::size_t kMostBytes = (1U << 28) - 1;  // Token::count() must hold every number of children

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

Scanner::Scanner(Document& parsed, const ParseLimits& parse_limits)
    : document(parsed),
      tokens(parsed.tokens_),
      limits(parse_limits),
      begin(parsed.text_.data()),
      end(begin + parsed.text_.size()),
      cursor(begin) {}

bool Scanner::refuse(const char* where, std::string_view why) {
  error = {static_cast<std::size_t>(where - begin), why};
  return false;
}

bool Scanner::refuse_unexpected(std::string_view why) {
  return refuse_here(cursor == end ? std::string_view("unexpected end") : why);
}

inline void Scanner::skip_blank() {
  while (cursor != end && is_blank(*cursor)) ++cursor;
}

[[gnu::always_inline]] inline bool Scanner::add(Kind kind, const char* start, bool escaped) {
  const std::size_t index = tokens.size();
  if (index >= limits.values) return refuse(start, "too many values");
  Token& token = tokens.emplace_back();  // filled in place: a token made elsewhere and copied stalls the scan
  token.offset = static_cast<std::uint32_t>(start - begin);
  token.length = static_cast<std::uint32_t>(cursor - start);
  token.next = static_cast<std::uint32_t>(index + 1);
  token.packed = Token::pack(kind, escaped);
  return true;
}

bool Scanner::run() {
  if (document.text_.size() > std::min(limits.bytes, kMostBytes)) return refuse(begin, "too large");
  // A usual message has a value in every eight bytes or fewer, so this is the only allocation for most.
  tokens.reserve(std::min<std::size_t>(document.text_.size() / 8 + 8, 4096));
  skip_blank();
  if (!value()) return false;
  while (open != kNone)
    if (!step()) return false;
  skip_blank();
  return cursor == end || refuse_here("trailing bytes");
}

bool Scanner::step() {
  skip_blank();
  if (cursor == end) return refuse_here("unexpected end");
  Token& container = tokens[open];
  const bool in_object = container.kind() == Kind::object;
  if (*cursor == (in_object ? '}' : ']')) return close_container();
  if (container.count() > 0) {
    if (*cursor != ',') return refuse_here("expected a comma or the end of the container");
    ++cursor;
    skip_blank();
  }
  container.packed += Token::kOneChild;
  if (in_object && !key()) return false;
  return value();
}

bool Scanner::value() {
  if (cursor == end) return refuse_here("unexpected end");
  switch (*cursor) {
    case '{': return open_container(Kind::object);
    case '[': return open_container(Kind::array);
    case '"': return string();
    case 't': return word("true", Kind::boolean);
    case 'f': return word("false", Kind::boolean);
    case 'n': return word("null", Kind::null);
    default: break;
  }
  if (*cursor == '-' || is_digit(*cursor)) return number();
  return refuse_here("expected a value");
}

bool Scanner::key() {
  if (cursor == end || *cursor != '"') return refuse_unexpected("expected a key");
  if (!string()) return false;
  skip_blank();
  if (cursor == end || *cursor != ':') return refuse_unexpected("expected a colon");
  ++cursor;
  skip_blank();
  return true;
}

bool Scanner::open_container(Kind kind) {
  if (depth >= limits.depth) return refuse_here("too deep");
  ++depth;
  const char* start = cursor++;
  if (!add(kind, start, false)) return false;
  const auto index = static_cast<std::uint32_t>(tokens.size() - 1);
  tokens[index].next = open;
  open = index;
  return true;
}

bool Scanner::close_container() {
  ++cursor;
  --depth;
  const std::uint32_t closed = open;
  Token& token = tokens[closed];
  open = token.next;
  token.next = static_cast<std::uint32_t>(tokens.size());
  token.length = static_cast<std::uint32_t>(cursor - begin) - token.offset;
  return token.kind() == Kind::array || check_keys(closed);
}

bool Scanner::string() {
  const char* start = cursor++;
  bool escaped = false;
  for (;;) {
    cursor = skip_plain(cursor, end);
    if (cursor == end) return refuse_here("unterminated string");
    if (*cursor == '"') break;
    if (*cursor == '\\') {
      escaped = true;
      if (!escape()) return false;
      continue;
    }
    if (static_cast<unsigned char>(*cursor) < 0x20) return refuse_here("control character in a string");
    do {
      const std::size_t length = utf8_length(cursor, end);
      if (length == 0) return refuse_here("invalid UTF-8");
      cursor += length;
    } while (cursor != end && static_cast<unsigned char>(*cursor) >= 0x80);
  }
  ++cursor;
  return add(Kind::string, start, escaped);
}

bool Scanner::escape() {
  const char* start = cursor++;
  if (cursor == end) return refuse_here("unterminated string");
  switch (*cursor++) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return true;
    case 'u': break;
    default: return refuse(start, "unknown escape");
  }
  const int unit = hex4(cursor, end);
  if (unit < 0) return refuse(start, "bad \\u escape");
  cursor += 4;
  if (is_low_surrogate(unit)) return refuse(start, "lone surrogate");
  if (!is_high_surrogate(unit)) return true;
  const bool paired =
      end - cursor >= 6 && cursor[0] == '\\' && cursor[1] == 'u' && is_low_surrogate(hex4(cursor + 2, end));
  if (!paired) return refuse(start, "lone surrogate");
  cursor += 6;
  return true;
}

inline bool Scanner::digits() {
  const char* start = cursor;
  while (cursor != end && is_digit(*cursor)) ++cursor;
  return cursor != start || refuse_unexpected("bad number");
}

bool Scanner::number() {
  const char* start = cursor;
  if (*cursor == '-') ++cursor;
  if (cursor != end && *cursor == '0') {
    ++cursor;
    if (cursor != end && is_digit(*cursor)) return refuse_here("bad number");
  } else if (!digits()) {
    return false;
  }
  if (cursor != end && *cursor == '.') {
    ++cursor;
    if (!digits()) return false;
  }
  if (cursor != end && (*cursor == 'e' || *cursor == 'E')) {
    ++cursor;
    if (cursor != end && (*cursor == '+' || *cursor == '-')) ++cursor;
    if (!digits()) return false;
  }
  return add(Kind::number, start, false);
}

bool Scanner::word(std::string_view text, Kind kind) {
  const std::string_view rest(cursor, static_cast<std::size_t>(end - cursor));
  if (!rest.starts_with(text)) return refuse_here("expected a value");
  const char* start = cursor;
  cursor += text.size();
  return add(kind, start, false);
}

}  // namespace clawql::json
