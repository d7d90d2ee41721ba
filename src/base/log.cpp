#include "base/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/hex.hpp"
#include "base/short_block.hpp"

namespace clawql::base {
namespace {

constexpr std::size_t kValueLimit = 512;
constexpr std::array<std::string_view, 4> kLevels{"debug", "info", "warning", "error"};

// Length of the valid UTF-8 sequence at text[i], 0 when it is none.
std::size_t utf8_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t at) -> unsigned {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  const unsigned first = byte(i);
  const auto tail = [&](std::size_t at) { return (byte(at) & 0xC0U) == 0x80U; };
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return tail(i + 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned second = byte(i + 1);
    if (!tail(i + 1) || !tail(i + 2) || (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned second = byte(i + 1);
    if (!tail(i + 1) || !tail(i + 2) || !tail(i + 3) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F))
      return 0;
    return 4;
  }
  return 0;
}

// C1 controls, bidi marks and line separators can disturb a terminal or a reader: they are escaped as well.
bool is_disturbing(std::string_view sequence) {
  if (sequence.size() == 2) return sequence[0] == '\xC2' && static_cast<unsigned char>(sequence[1]) < 0xA0;
  if (sequence.size() != 3 || sequence[0] != '\xE2') return false;
  const auto second = static_cast<unsigned char>(sequence[1]);
  const auto third = static_cast<unsigned char>(sequence[2]);
  return (second == 0x80 && third >= 0x8B && third <= 0xAE) || (second == 0x81 && third >= 0xA0 && third <= 0xAF);
}

// The first byte in [at, end) that is not plain, or end. Sixteen bytes at once: nearly all of what is written is plain,
// and the audit writes twenty values a call.
const char* skip_plain(const char* at, const char* end) {
#if defined(__SSE2__)
  const auto special_in = [](__m128i block) {
    // As signed bytes: below the blank are the controls and 0x80..0xff.
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(
        _mm_or_si128(_mm_cmplt_epi8(block, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\x7F'))),
        _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'))))));
  };
  for (; end - at >= 16; at += 16) {
    __m128i block;
    std::memcpy(&block, at, sizeof block);
    if (const unsigned mask = special_in(block); mask != 0) return at + std::countr_zero(mask);
  }
  // The zeros behind the text are special, so one is always found.
  return at + std::countr_zero(special_in(load_short(at, static_cast<std::size_t>(end - at))));
#else
  const auto is_plain = [](char c) { return c >= ' ' && c < '\x7F' && c != '"' && c != '\\'; };
  while (at != end && is_plain(*at)) ++at;
  return at;
#endif
}

void append_unicode_escape(Appender& out, unsigned code_unit) {
  out.put("\\u");
  write_hex(out.take(4), std::array{static_cast<std::uint8_t>(code_unit >> 8U), static_cast<std::uint8_t>(code_unit)});
}

// Of the control characters and the two that JSON itself uses; 0 where there is no short form.
char short_escape(char c) {
  switch (c) {
    case '"':
    case '\\': return c;
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
  }
}

// Returns how many bytes of `text`, from `i` on, it has written.
std::size_t append_escaped(Appender& out, std::string_view text, std::size_t i) {
  const char c = text[i];
  if (const char letter = short_escape(c); letter != 0) {
    out.put('\\');
    out.put(letter);
    return 1;
  }
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x20 || byte == 0x7F) {
    append_unicode_escape(out, byte);
    return 1;
  }
  const std::size_t length = utf8_length(text, i);
  if (length == 0) {
    out.put("\\ufffd");
    return 1;
  }
  const std::string_view sequence = text.substr(i, length);
  if (is_disturbing(sequence)) {
    const auto at = [&](std::size_t k) { return static_cast<unsigned>(static_cast<unsigned char>(sequence[k])); };
    append_unicode_escape(out, length == 2 ? ((at(0) & 0x1FU) << 6) | (at(1) & 0x3FU)
                                           : ((at(0) & 0x0FU) << 12) | ((at(1) & 0x3FU) << 6) | (at(2) & 0x3FU));
  } else {
    out.put(sequence);
  }
  return length;
}

}  // namespace

void append_json_string(Appender& out, std::string_view text, std::size_t limit) {
  out.put('"');
  const std::size_t shown = std::min(text.size(), limit);  // an escaped sequence may reach beyond it
  std::size_t i = 0;
  while (i < shown) {
    const char* const run = text.data() + i;
    const char* const stop = skip_plain(run, text.data() + shown);
    out.put(std::string_view(run, stop));
    i += static_cast<std::size_t>(stop - run);
    if (i < shown) i += append_escaped(out, text, i);
  }
  if (i < text.size()) out.put("…");
  out.put('"');
}

void append_json_string(std::string& out, std::string_view text, std::size_t limit) {
  Appender appender(out, text.size() + 2);
  append_json_string(appender, text, limit);
}

Field::Field(std::string_view key, std::string_view value) : key_(key) {
  append_json_string(json_, value, kValueLimit);
}
Field::Field(std::string_view key, bool value) : key_(key), json_(value ? "true" : "false") {}
Field::Field(std::string_view key, std::int64_t value) : key_(key), json_(fmt::to_string(value)) {}
Field::Field(std::string_view key, std::uint64_t value) : key_(key), json_(fmt::to_string(value)) {}

Logger::Logger(int fd, Format format, std::string_view program, const Clock& clock, Level least)
    : fd_(fd), format_(format), program_(program), clock_(clock), least_(least) {}

void Logger::log(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (level < least_) return;
  const std::string time = format_utc(clock_.wall_nanoseconds());
  const std::string_view name = kLevels[static_cast<std::size_t>(level)];
  std::string line;
  line.reserve(256);
  if (format_ == Format::json) {
    line += fmt::format(R"({{"time":"{}","level":"{}","program":"{}","event":"{}")", time, name, program_, event);
    for (const Field& field : fields) line += fmt::format(R"(,"{}":{})", field.key(), field.json());
    line += "}\n";
  } else {
    line += fmt::format("{} {:7} {} {}", std::string_view(time).substr(11, 12), name, program_, event);
    for (const Field& field : fields) line += fmt::format("  {}={}", field.key(), field.json());
    line += '\n';
  }
  // One write a line: lines up to PIPE_BUF are not torn between programs that share a pipe.
  ssize_t written = 0;
  do {
    written = ::write(fd_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written != static_cast<ssize_t>(line.size())) dropped_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace clawql::base
