// Bytes of answers that clients have not taken. A shared server is never stopped for one slow client: its answers wait
// here, up to a limit for each session and one for all (DECISIONS, "Connections").
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "base/limits.hpp"

namespace clawql::engine::line {

class Buffers {
 public:
  explicit Buffers(std::atomic<std::size_t>& total) : total_(total) {}
  // True when `more` bytes fit beside what waits already for that session (null: none) and for all.
  bool has_room(const std::size_t* session, std::size_t more, const base::Limits& limits) const {
    return total() + more <= limits.buffered_bytes &&
           (session == nullptr || *session + more <= limits.buffered_bytes_session);
  }
  // Of every shard.
  std::size_t total() const { return total_.load(std::memory_order_relaxed); }

 private:
  friend class StreamBuffer;
  std::atomic<std::size_t>& total_;  // Common::buffered_bytes
};

// The share of one stream: goes with it.
class StreamBuffer {
 public:
  explicit StreamBuffer(Buffers& all) : all_(all) {}
  ~StreamBuffer() { set(0); }
  StreamBuffer(const StreamBuffer&) = delete;
  StreamBuffer& operator=(const StreamBuffer&) = delete;

  void belongs_to(std::shared_ptr<std::size_t> session) {
    const std::size_t now = bytes_;
    set(0);
    session_ = std::move(session);
    set(now);
  }
  const std::size_t* session() const { return session_.get(); }
  void set(std::size_t bytes) {
    // Unsigned arithmetic wraps, so one addition takes away as well.
    if (bytes != bytes_) all_.total_.fetch_add(bytes - bytes_, std::memory_order_relaxed);
    if (session_) *session_ = *session_ - bytes_ + bytes;
    bytes_ = bytes;
  }

 private:
  Buffers& all_;
  std::shared_ptr<std::size_t> session_;
  std::size_t bytes_ = 0;
};

}  // namespace clawql::engine::line
