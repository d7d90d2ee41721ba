// The operator's log: one event a line, JSON for machines, a short human line on a terminal. Values are escaped here,
// so that no byte from outside can start a line or reach a terminal raw. Never blocks: on a full pipe the line is
// dropped and counted. One Logger a program, handed down by reference; safe to use from every thread of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/appender.hpp"
#include "base/clock.hpp"

namespace clawql::base {

class Secret;

// One key and value of a log line. Strings are escaped and cut at 512 bytes; numbers and booleans stay bare.
class Field {
 public:
  Field(std::string_view key, std::string_view value);
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const std::string& value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, bool value);
  Field(std::string_view key, int value) : Field(key, static_cast<std::int64_t>(value)) {}
  Field(std::string_view key, unsigned value) : Field(key, static_cast<std::uint64_t>(value)) {}
  Field(std::string_view key, std::int64_t value);
  Field(std::string_view key, std::uint64_t value);
  Field(std::string_view key, unsigned long long value) : Field(key, static_cast<std::uint64_t>(value)) {}
  Field(std::string_view key, const Secret& value) = delete;

  std::string_view key() const { return key_; }
  const std::string& json() const { return json_; }  // the value as JSON

 private:
  std::string_view key_;
  std::string json_;
};

enum class Level : std::uint8_t { debug, info, warning, error };

class Logger {
 public:
  enum class Format : std::uint8_t { json, human };
  // `program` is printed in each line ("clawql-door"). `fd` is borrowed and must outlive the logger.
  Logger(int fd, Format format, std::string_view program, const Clock& clock, Level least = Level::info);

  // `event` is a fixed word path ("guard.refused"); text from outside belongs into fields.
  void log(Level level, std::string_view event, std::initializer_list<Field> fields = {});
  void debug(std::string_view event, std::initializer_list<Field> fields = {}) { log(Level::debug, event, fields); }
  void info(std::string_view event, std::initializer_list<Field> fields = {}) { log(Level::info, event, fields); }
  void warning(std::string_view event, std::initializer_list<Field> fields = {}) { log(Level::warning, event, fields); }
  void error(std::string_view event, std::initializer_list<Field> fields = {}) { log(Level::error, event, fields); }

  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  Format format() const { return format_; }

 private:
  int fd_;
  Format format_;
  std::string program_;
  const Clock& clock_;
  Level least_;
  std::atomic<std::uint64_t> dropped_{0};
};

// Appends `text` to `out` as a JSON string with quotes. Invalid UTF-8, control characters and DEL become escapes, so
// the result is printable ASCII-safe JSON on any terminal. At most `limit` bytes of `text`, then "…".
void append_json_string(Appender& out, std::string_view text, std::size_t limit = std::string_view::npos);
void append_json_string(std::string& out, std::string_view text, std::size_t limit = std::string_view::npos);

}  // namespace clawql::base
