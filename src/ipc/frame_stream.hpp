// Frames over one Unix stream socket, and the credit of the channel as a whole: at most kChannelCredit bytes are under
// way in a direction, and credit returns when the other side has read the frame, whoever it was for. What streams mean
// is not known here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "io/stream.hpp"
#include "ipc/messages.hpp"

namespace clawql::ipc {

class FrameStream final : private io::Stream::Handler {
 public:
  class Receiver {
   public:
    // False: this frame is not allowed now; the connection ends. May destroy the FrameStream.
    virtual bool on_frame(const FrameHeader& header, std::string_view payload) = 0;
    virtual void on_window() = 0;           // credit came back and window() is positive
    virtual void on_lost(Error error) = 0;  // nothing will come or go any more

   protected:
    ~Receiver() = default;
  };
  FrameStream(io::Loop& loop, os::Fd socket, Receiver& receiver);
  ~FrameStream();

  // Bytes that may still be sent. Small frames that end or steer a stream go out even when it is used up, so it can be
  // negative.
  std::int64_t window() const { return window_; }
  bool lost() const { return lost_; }

  void send(Kind kind, StreamId stream, std::string_view payload = {});
  // The payload is written by `append(std::string&)` right into the outgoing bytes.
  template <class Append>
  void send_with(Kind kind, StreamId stream, Append append) {
    if (lost_) return;
    std::string& out = stream_.out();
    const std::size_t start = out.size();
    encode_header(out, {0, stream, kind});
    append(out);
    seal(start, kind);
  }

 private:
  void seal(std::size_t start, Kind kind);
  bool take(const FrameHeader& header, std::string_view payload);
  // How many bytes of `bytes` were whole frames; npos when the connection is over.
  std::size_t take_frames(std::string_view bytes);
  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_failed(Error error) override;
  void lose(Error error);

  Receiver& receiver_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  io::Stream stream_;
  std::string partial_;  // the front of a frame whose rest has not come yet
  std::int64_t window_ = kChannelCredit;
  std::uint32_t to_return_ = 0;
  bool lost_ = false;
};

void append_u32(std::string& out, std::uint32_t value);
std::optional<std::uint32_t> read_u32(std::string_view payload);  // exactly four bytes

}  // namespace clawql::ipc
