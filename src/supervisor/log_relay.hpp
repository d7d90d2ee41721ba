// The log of a child on its way to our standard error: line by line, unparsed, never waiting. A child that was taken
// over can write what it likes there, so control characters are replaced: a terminal sees text alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "io/loop.hpp"
#include "os/fd.hpp"

namespace clawql::supervisor {

class LogRelay final : private io::Watch::Handler {
 public:
  // `pipe`: read end. `output` is borrowed.
  LogRelay(io::Loop& loop, os::Fd pipe, int output);
  // Relays what is still in the pipe.
  ~LogRelay();
  std::uint64_t dropped() const { return dropped_; }  // lines that found no room

 private:
  void on_readable() override;
  void on_writable() override {}
  bool take();  // false: nothing there now, or the end
  void pass(std::string_view line);

  os::Fd pipe_;
  int output_;
  std::string partial_;
  std::uint64_t dropped_ = 0;
  bool ended_ = false;
  std::unique_ptr<io::Watch> watch_;
};

}  // namespace clawql::supervisor
