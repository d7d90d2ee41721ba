// Cuts what a server writes into lines, however the bytes arrive. A line that is whole in one piece of bytes is not
// copied; only the rest of a piece is kept until more comes. A line over the limit ends the reader: whatever follows
// can no longer be trusted to begin where a message begins.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace clawql::engine::upstream {

class LineReader {
 public:
  // `limit`: bytes of a line, without its newline.
  explicit LineReader(std::size_t limit) : limit_(limit) {}

  // The next piece. It must stay alive until next() has returned nullopt, and next() must have done so before.
  void feed(std::string_view bytes) { piece_ = bytes; }
  // The next whole line without its newline; the view lives until the next call of this object. nullopt: more bytes
  // are needed, or a line was too long.
  std::optional<std::string_view> next();
  bool too_long() const { return too_long_; }
  // Bytes of an unfinished line that wait here.
  std::size_t held() const { return handed_out_ ? 0 : rest_.size(); }

 private:
  std::optional<std::string_view> refuse();
  std::size_t limit_;
  std::string_view piece_;
  std::string rest_;         // the beginning of an unfinished line
  bool handed_out_ = false;  // rest_ was returned as a line: it is cleared by the next call
  bool too_long_ = false;
};

}  // namespace clawql::engine::upstream
