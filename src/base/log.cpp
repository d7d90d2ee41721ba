#include "base/log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>

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

// Printable ASCII that JSON takes as it is.
bool is_plain(char c) {
  return c >= ' ' && c < '\x7F' && c != '"' && c != '\\';
}

void append_escaped(std::string& out, std::string_view text, std::size_t& i) {
  const char c = text[i];
  switch (c) {
    case '"':
      out += "\\\"";
      ++i;
      return;
    case '\\':
      out += "\\\\";
      ++i;
      return;
    case '\n':
      out += "\\n";
      ++i;
      return;
    case '\r':
      out += "\\r";
      ++i;
      return;
    case '\t':
      out += "\\t";
      ++i;
      return;
    default: break;
  }
  if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    ++i;
    return;
  }
  const std::size_t length = utf8_length(text, i);
  if (length == 0) {
    out += "\\ufffd";
    ++i;
    return;
  }
  const std::string_view sequence = text.substr(i, length);
  if (is_disturbing(sequence)) {
    const auto at = [&](std::size_t k) { return static_cast<unsigned>(static_cast<unsigned char>(sequence[k])); };
    const unsigned point = length == 2 ? ((at(0) & 0x1FU) << 6) | (at(1) & 0x3FU)
                                       : ((at(0) & 0x0FU) << 12) | ((at(1) & 0x3FU) << 6) | (at(2) & 0x3FU);
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", point);
  } else {
    out += sequence;
  }
  i += length;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text, std::size_t limit) {
  out += '"';
  std::size_t i = 0;
  while (i < text.size() && i < limit) {
    // Most text is plain: whole runs of it are appended at once.
    std::size_t end = i;
    while (end < text.size() && end < limit && is_plain(text[end])) ++end;
    out.append(text, i, end - i);
    i = end;
    if (i < text.size() && i < limit) append_escaped(out, text, i);
  }
  if (i < text.size()) out += "…";
  out += '"';
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
