// The pipes of one running server process and what may be said about its conduct: lines are cut, parsed once and
// judged; lines that are no JSON-RPC are dropped and counted; too many of them in a row, a line over the limit, or an
// input that it never reads end the process's life with us. Reading never stops. One object a process: a restart makes
// a new one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/limits.hpp"
#include "engine/upstream/launcher.hpp"
#include "engine/upstream/line_reader.hpp"
#include "engine/upstream/server_message.hpp"
#include "io/loop.hpp"
#include "io/stream.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {

class ServerProcess final {
 public:
  static constexpr int kGarbageInARow = 100;
  static constexpr std::size_t kBatchMessages = 1000;

  // Every call may destroy the process.
  class Handler {
   public:
    virtual void on_message(const json::Document& document, const ServerMessage& message) = 0;
    // A line that was dropped. `line` is shown only where it cannot be a message that holds somebody's data.
    virtual void on_garbage(std::string_view why, std::string_view line) = 0;
    virtual void on_stderr(std::string_view bytes) = 0;
    // It closed its stdout: nothing more will come, whether the process lives on or not.
    virtual void on_output_closed() = 0;
    virtual void on_errors_closed() = 0;
    // It closed its stdin; answers may still come.
    virtual void on_input_closed() = 0;
    // It must be restarted. Nothing is read from it any more.
    virtual void on_misconduct(const std::string& why) = 0;

   protected:
    ~Handler() = default;
  };

  // `stall`: so long may bytes wait without the server taking one.
  ServerProcess(io::Loop& loop, Pipes pipes, const base::Limits& limits, base::Milliseconds stall, Handler& handler);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  std::uint64_t incarnation() const { return incarnation_; }
  // While input_open(): append whole lines with their newlines, then say how many bytes they were.
  std::string& out() { return input_.stream->out(); }
  void written(std::size_t bytes);
  // The same for text that is there already; does nothing once the input is closed.
  void write(std::string_view lines);
  std::size_t pending() const { return input_.closed ? 0 : input_.stream->pending(); }
  // Its stdin ends now, whatever has not left yet: the polite beginning of its end.
  void close_input();
  bool input_open() const { return !input_.closed; }
  // Neither stdout nor stderr will bring anything any more.
  bool silent() const { return output_.closed && errors_.closed; }
  // Batches (arrays) are taken from now on: the server speaks 2025-03-26.
  void allow_batches() { batches_ = true; }

 private:
  struct Input final : io::Stream::Handler {
    Input(ServerProcess& owner, io::Loop& loop, os::Fd fd)
        : process(owner), stream(std::make_unique<io::Stream>(loop, std::move(fd), *this)) {}
    void on_bytes(std::string_view) override {}
    void on_end() override {}
    void on_failed(Error) override;
    ServerProcess& process;
    std::unique_ptr<io::Stream> stream;  // null once we closed it
    bool closed = false;                 // by either side
  };
  struct Output final : io::Stream::Handler {
    Output(ServerProcess& owner, io::Loop& loop, os::Fd fd) : process(owner), stream(loop, std::move(fd), *this) {}
    void on_bytes(std::string_view bytes) override { process.take_output(bytes); }
    void on_end() override;
    void on_failed(Error) override { on_end(); }
    ServerProcess& process;
    io::Stream stream;
    bool closed = false;
  };
  struct Errors final : io::Stream::Handler {
    Errors(ServerProcess& owner, io::Loop& loop, os::Fd fd) : process(owner), stream(loop, std::move(fd), *this) {}
    void on_bytes(std::string_view bytes) override { process.handler_.on_stderr(bytes); }
    void on_end() override;
    void on_failed(Error) override { on_end(); }
    ServerProcess& process;
    io::Stream stream;
    bool closed = false;
  };

  void take_output(std::string_view bytes);
  void take_line(std::string_view line);
  void take_batch(const json::Document& document);
  void take_garbage(std::string_view why, std::string_view line);
  void misconduct(const std::string& why);
  void look_at_stall();

  Handler& handler_;
  const std::uint64_t incarnation_;
  const json::ParseLimits parse_limits_;
  const base::Milliseconds stall_limit_;
  std::shared_ptr<bool> alive_;  // false once destroyed: looked at after every call of the handler
  LineReader lines_;
  int garbage_in_a_row_ = 0;
  bool batches_ = false;
  bool ended_ = false;
  std::uint64_t total_ = 0;        // bytes written, whether they have left or not
  std::uint64_t left_before_ = 0;  // bytes that the kernel had taken when the stall clock was set
  io::Deadline stall_;
  Input input_;
  Output output_;
  Errors errors_;
};

}  // namespace clawql::engine::upstream
