// A connected byte stream on a loop (Unix or TCP socket, or one end of a pipe): bytes in as they come, bytes out as the
// peer takes them. Writes gather in one buffer and leave at the end of the loop's turn, so many small writes cost one
// system call.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "io/loop.hpp"
#include "os/fd.hpp"

namespace clawql::io {

class Stream final : private Watch::Handler, private TurnEnd {
 public:
  // Every call may write to the stream, pause it, or destroy it.
  class Handler {
   public:
    // Bytes that came in; the view ends with the call. Not called while paused.
    virtual void on_bytes(std::string_view bytes) = 0;
    // The peer will send no more. Writing may still work (a half-closed client waits for its answer).
    virtual void on_end() = 0;
    // After notice_hang_up(), once: as on_end(), but without regard to what still waits to be read, and therefore also
    // while paused. on_end() still comes when all was read.
    virtual void on_end_ahead() {}
    // All that was written has left.
    virtual void on_drained() {}
    // The peer takes no more for now. `took`: it has taken some since the last time.
    virtual void on_blocked(bool /*took*/) {}
    // The stream is dead (reset, EPIPE, read error). Nothing will be called any more.
    virtual void on_failed(Error error) = 0;

   protected:
    ~Handler() = default;
  };

  // The descriptor becomes non-blocking. Starts paused.
  Stream(Loop& loop, os::Fd fd, Handler& handler);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void resume();  // start or go on reading
  void pause();
  bool paused() const { return paused_; }
  // From the next resume() on, the end of the peer is told of even while nothing is read, and a peer that can no longer
  // be written to is a failure at once, not at the next write. (A TCP peer that closed both ways looks half-closed
  // until it answers a write with a reset; one on a Unix socket does not.)
  void notice_hang_up() { watch_->notice_hang_up(); }

  // Append to out() and call flush_soon(), or use write() for both.
  std::string& out() { return out_; }
  void flush_soon();
  void write(std::string_view bytes) {
    out_.append(bytes);
    flush_soon();
  }
  // Bytes not yet taken by the kernel.
  std::size_t pending() const { return out_.size() - out_begin_; }
  // Ends the writing side once everything has left (SHUT_WR for sockets, close for pipes). on_drained is still called.
  void finish();

  // What an emptied buffer may keep for the next writes: little where there are thousands of streams.
  void keep_at_most(std::size_t capacity) { kept_capacity_ = capacity; }

  int fd() const { return fd_.get(); }

 private:
  void on_readable() override;
  void on_writable() override;
  void on_peer_ended() override;
  void on_peer_gone(bool error) override;
  void on_turn_end() override;
  ssize_t receive(std::span<char> room);
  ssize_t send(std::string_view bytes);
  void flush();
  void end_writing();
  void fail_now(int error);

  Loop& loop_;
  os::Fd fd_;
  bool is_socket_;
  Handler& handler_;
  std::unique_ptr<Watch> watch_;
  std::shared_ptr<bool> alive_;  // false once destroyed: callbacks look at it after every call of the handler
  std::string out_;
  std::size_t out_begin_ = 0;
  std::size_t kept_capacity_ = 128U << 10;
  bool paused_ = true;
  bool ended_ = false;
  bool gone_ = false;  // nothing can be written any more
  bool dead_ = false;
  bool finishing_ = false;
};

// Accepts connections of a listening socket, as many as come, in turns of at most 64.
class Acceptor final : private Watch::Handler {
 public:
  using OnAccept = std::move_only_function<void(os::Fd)>;
  Acceptor(Loop& loop, os::Fd listener, OnAccept on_accept);
  ~Acceptor();
  int fd() const { return listener_.get(); }

 private:
  void on_readable() override;
  void on_writable() override {}
  Loop& loop_;
  os::Fd listener_;
  OnAccept on_accept_;
  std::unique_ptr<Watch> watch_;
  std::shared_ptr<bool> alive_;
  Deadline retry_;  // after EMFILE and its like: wait a moment instead of spinning
};

}  // namespace clawql::io
