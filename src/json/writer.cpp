#include "json/writer.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>

#include "base/appender.hpp"
#include "base/check.hpp"
#include "base/hex.hpp"
#include "json/text_scan.hpp"

namespace clawql::json {
namespace {

void append_escaped(base::Appender& out, char c) {
  switch (c) {
    case '"': return out.put("\\\"");
    case '\\': return out.put("\\\\");
    case '\n': return out.put("\\n");
    case '\r': return out.put("\\r");
    case '\t': return out.put("\\t");
    default: break;
  }
  out.put("\\u00");
  base::write_hex(out.take(2), std::array{static_cast<std::uint8_t>(c)});
}

// Which of two edits comes first: by position, and at one position what is inserted before what is replaced.
bool stands_before(std::string_view left, std::string_view right) {
  if (left.data() != right.data()) return std::less<>{}(left.data(), right.data());
  return left.empty() && !right.empty();
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  base::Appender appender(out, text.size() + 2);
  append_string(appender, text);
}

void append_string(base::Appender& out, std::string_view text) {
  out.put('"');
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    const char* stop = skip_plain(at, end);
    out.put(std::string_view(at, stop));
    at = stop;
    if (at == end) break;
    if (static_cast<unsigned char>(*at) < 0x80) {
      append_escaped(out, *at++);
      continue;
    }
    const std::size_t length = utf8_length(at, end);
    if (length == 0) {
      out.put("\xef\xbf\xbd");
      ++at;
      continue;
    }
    out.put(std::string_view(at, length));
    at += length;
  }
  out.put('"');
}

std::string quoted(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

void Splice::replace(std::string_view slice, std::string replacement) {
  const char* const text_end = text_.data() + text_.size();
  CLAWQL_CHECK(slice.data() >= text_.data() && slice.data() + slice.size() <= text_end);
  const auto where =
      std::ranges::upper_bound(edits_, slice, stands_before, [](const auto& edit) { return edit.first; });
  CLAWQL_CHECK(where == edits_.begin() ||
               std::prev(where)->first.data() + std::prev(where)->first.size() <= slice.data());
  CLAWQL_CHECK(where == edits_.end() || slice.data() + slice.size() <= where->first.data());
  edits_.emplace(where, slice, std::move(replacement));
}

void Splice::insert(const char* position, std::string text) {
  CLAWQL_CHECK(position >= text_.data() && position <= text_.data() + text_.size());
  replace(text_.substr(static_cast<std::size_t>(position - text_.data()), 0), std::move(text));
}

void Splice::append_to(std::string& out) const {
  std::size_t size = text_.size();
  for (const auto& [slice, replacement] : edits_) size += replacement.size();
  if (out.capacity() - out.size() < size) out.reserve(out.size() + size);
  std::size_t at = 0;
  for (const auto& [slice, replacement] : edits_) {
    const auto begin = static_cast<std::size_t>(slice.data() - text_.data());
    out += text_.substr(at, begin - at);
    out += replacement;
    at = begin + slice.size();
  }
  out += text_.substr(at);
}

std::string Splice::str() const {
  std::string out;
  append_to(out);
  return out;
}

}  // namespace clawql::json
