#include "http/fields.hpp"

#include <algorithm>
#include <cstring>

#include "base/decimal.hpp"
#include "base/short_block.hpp"
#include "http/characters.hpp"

namespace clawql::http {

using base::Reason;

#if defined(__SSE2__)
namespace {

__m128i lower(__m128i block) {
  const __m128i is_capital =
      _mm_and_si128(_mm_cmpgt_epi8(block, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(block, _mm_set1_epi8('Z' + 1)));
  return _mm_or_si128(block, _mm_and_si128(is_capital, _mm_set1_epi8('a' - 'A')));
}

bool same_letters(__m128i a, __m128i b) {
  return _mm_movemask_epi8(_mm_cmpeq_epi8(lower(a), lower(b))) == 0xFFFF;
}

}  // namespace

bool same_letters(const char* a, const char* b, std::size_t size) {
  std::size_t done = 0;
  for (; size - done >= 16; done += 16) {
    __m128i left;
    __m128i right;
    std::memcpy(&left, a + done, sizeof left);
    std::memcpy(&right, b + done, sizeof right);
    if (!same_letters(left, right)) return false;
  }
  return same_letters(base::load_short(a + done, size - done), base::load_short(b + done, size - done));
}
#else
bool same_letters(const char* a, const char* b, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}
#endif

HeadEnd find_head_end(std::string_view window, std::size_t& scanned) {
  while (scanned < window.size()) {
    const void* found = std::memchr(window.data() + scanned, '\n', window.size() - scanned);
    if (found == nullptr) {
      scanned = window.size();
      break;
    }
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - window.data());
    scanned = at + 1;
    if (at == 0 || window[at - 1] != '\r') return {.bare_line_feed = true};
    if (at >= 2 && window[at - 2] == '\n') return {.found = true, .size = at + 1};
  }
  return {};
}

// Sixteen bytes at once where nothing but visible ASCII and blanks is in them, which is almost always; else byte by
// byte.
bool is_field_text(std::string_view value) {
#if defined(__SSE2__)
  const auto odd_in = [](__m128i block) {
    // As signed bytes: below the blank are the controls and 0x80..0xff.
    return static_cast<unsigned>(_mm_movemask_epi8(
        _mm_or_si128(_mm_cmplt_epi8(block, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f)))));
  };
  for (; value.size() >= 16; value.remove_prefix(16)) {
    __m128i block;
    std::memcpy(&block, value.data(), sizeof block);
    if (odd_in(block) != 0 && !all_are(kFieldText, value.substr(0, 16))) return false;
  }
  const unsigned in_text = (1U << value.size()) - 1;
  if ((odd_in(base::load_short(value.data(), value.size())) & in_text) == 0) return true;
#endif
  return all_are(kFieldText, value);
}

bool parse_field_line(std::string_view line, Field& field) {
  std::size_t colon = 0;
  while (colon < line.size() && is(kToken, line[colon])) ++colon;
  if (colon == 0 || colon == line.size() || line[colon] != ':') return false;
  const std::string_view value = line.substr(colon + 1);
  field.name = line.substr(0, colon);
  field.value = trimmed(value);
  return is_field_text(value);
}

Verdict parse_fields(std::string_view lines, std::size_t most, std::vector<Field>& fields) {
  fields.reserve(16);
  while (!lines.empty()) {
    const std::size_t size = lines.find('\n') + 1;
    if (fields.size() == most) return refused(Reason::http_head_too_large, "too many fields");
    if (!parse_field_line(lines.substr(0, size - 2), fields.emplace_back()))
      return refused(Reason::http_syntax, "field line out of grammar");
    lines.remove_prefix(size);
  }
  return std::nullopt;
}

namespace {

struct FramingFields {
  std::size_t lengths = 0;
  std::size_t encodings = 0;
  std::string_view length;
  std::string_view encoding;
  bool look_alike = false;
};

FramingFields find_framing_fields(const std::vector<Field>& fields) {
  FramingFields found;
  for (const Field& field : fields) {
    // Both lengths are seldom met, so most fields cost one comparison.
    if (field.name.size() == 14) {
      if (equals_ignoring_case(field.name, "content-length")) {
        ++found.lengths;
        found.length = field.value;
      } else if (equals_ignoring_case(field.name, "content_length")) {
        found.look_alike = true;
      }
    } else if (field.name.size() == 17) {
      if (equals_ignoring_case(field.name, "transfer-encoding")) {
        ++found.encodings;
        found.encoding = field.value;
      } else if (equals_ignoring_case(field.name, "transfer_encoding")) {
        found.look_alike = true;
      }
    }
  }
  return found;
}

}  // namespace

Verdict parse_framing(const std::vector<Field>& fields, Framing& framing, bool& length_given) {
  framing = {};
  const FramingFields found = find_framing_fields(fields);
  length_given = found.lengths > 0;
  // A proxy that maps both spellings to one variable would frame the message by it.
  if (found.look_alike) return refused(Reason::http_framing, "underscore in the name of a framing field");
  if (found.encodings > 0) {
    if (found.lengths > 0) return refused(Reason::http_framing, "Content-Length with Transfer-Encoding");
    if (found.encodings > 1) return refused(Reason::http_framing, "more than one Transfer-Encoding");
    if (!equals_ignoring_case(found.encoding, "chunked"))
      return refused(Reason::http_framing, "Transfer-Encoding other than chunked");
    framing.kind = Framing::Kind::chunked;
    return std::nullopt;
  }
  if (found.lengths == 0) return std::nullopt;
  if (found.lengths > 1) return refused(Reason::http_framing, "more than one Content-Length");
  const auto length = base::parse_decimal<std::uint64_t>(found.length);
  if (!length) return refused(Reason::http_framing, "Content-Length is no decimal number");
  if (*length > 0) framing = {.kind = Framing::Kind::length, .length = *length};
  return std::nullopt;
}

bool list_holds(std::string_view list, std::string_view token) {
  while (true) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (equals_ignoring_case(trimmed(list.substr(0, comma)), token)) return true;
    if (comma == list.size()) return false;
    list.remove_prefix(comma + 1);
  }
}

std::optional<std::vector<std::string_view>> names_of_list(std::string_view list, std::size_t most) {
  std::vector<std::string_view> out;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view name = trimmed(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    if (name.empty()) continue;
    if (!is_token(name) || out.size() == most) return std::nullopt;
    out.push_back(name);
  }
  return out;
}

}  // namespace clawql::http
