#include "ipc/frame_stream.hpp"

#include <cstring>

#include "base/check.hpp"

namespace clawql::ipc {
namespace {

constexpr std::uint32_t kReturnAt = kChannelCredit / 4;

bool counts(Kind kind) {
  return kind != Kind::credit;
}

}  // namespace

void append_u32(std::string& out, std::uint32_t value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

std::optional<std::uint32_t> read_u32(std::string_view payload) {
  std::uint32_t value = 0;
  if (payload.size() != sizeof value) return std::nullopt;
  std::memcpy(&value, payload.data(), sizeof value);
  return value;
}

FrameStream::FrameStream(io::Loop& loop, os::Fd socket, Receiver& receiver)
    : receiver_(receiver), stream_(loop, std::move(socket), *this) {
  stream_.resume();
}

FrameStream::~FrameStream() {
  *alive_ = false;
}

void FrameStream::send(Kind kind, StreamId stream, std::string_view payload) {
  send_with(kind, stream, [payload](std::string& out) { out.append(payload); });
}

void FrameStream::seal(std::size_t start, Kind kind) {
  std::string& out = stream_.out();
  const std::size_t length = out.size() - start - kFrameHeaderBytes;
  CLAWQL_CHECK(length <= kMaxPayload);
  const auto length32 = static_cast<std::uint32_t>(length);
  std::memcpy(out.data() + start, &length32, sizeof length32);
  if (counts(kind)) window_ -= static_cast<std::int64_t>(length + kFrameHeaderBytes);
  stream_.flush_soon();
}

bool FrameStream::take(const FrameHeader& header, std::string_view payload) {
  if (header.stream == kChannelItself && header.kind == Kind::credit) {
    const auto bytes = read_u32(payload);
    if (!bytes || window_ + *bytes > kChannelCredit) return false;
    window_ += *bytes;
    if (window_ > 0) receiver_.on_window();
    return true;
  }
  if (counts(header.kind)) {
    to_return_ += static_cast<std::uint32_t>(payload.size() + kFrameHeaderBytes);
    if (to_return_ > kChannelCredit + kMaxStreams * 64) return false;
    if (to_return_ >= kReturnAt) {
      send_with(Kind::credit, kChannelItself, [this](std::string& out) { append_u32(out, to_return_); });
      to_return_ = 0;
    }
  }
  return receiver_.on_frame(header, payload);
}

std::size_t FrameStream::take_frames(std::string_view bytes) {
  const auto alive = alive_;
  std::size_t done = 0;
  while (bytes.size() - done >= kFrameHeaderBytes) {
    const auto header = decode_header(bytes.substr(done, kFrameHeaderBytes));
    if (!header) {
      lose(Error{"the other end of the channel sent a malformed frame", 0});
      return std::string_view::npos;
    }
    if (bytes.size() - done - kFrameHeaderBytes < header->length) break;
    const bool allowed = take(*header, bytes.substr(done + kFrameHeaderBytes, header->length));
    if (!*alive) return std::string_view::npos;
    if (!allowed) {
      lose(Error{"the other end of the channel sent a frame that is not allowed in this state", 0});
      return std::string_view::npos;
    }
    if (lost_) return std::string_view::npos;
    done += kFrameHeaderBytes + header->length;
  }
  return done;
}

void FrameStream::on_bytes(std::string_view bytes) {
  if (partial_.empty()) {
    const std::size_t done = take_frames(bytes);
    if (done != std::string_view::npos) partial_.assign(bytes.substr(done));
    return;
  }
  partial_.append(bytes);
  const std::string whole = std::exchange(partial_, {});
  const std::size_t done = take_frames(whole);
  if (done != std::string_view::npos) partial_.assign(std::string_view(whole).substr(done));
}

void FrameStream::on_end() {
  lose(Error{"the other end of the channel is gone", 0});
}
void FrameStream::on_failed(Error error) {
  lose(std::move(error));
}

void FrameStream::lose(Error error) {
  if (lost_) return;
  lost_ = true;
  stream_.pause();
  receiver_.on_lost(std::move(error));
}

}  // namespace clawql::ipc
