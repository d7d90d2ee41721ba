#include "io/stream.hpp"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace clawql::io {
namespace {

constexpr int kReadsPerTurn = 4;  // then the others get their turn

void make_non_blocking(int fd) {
  int on = 1;
  // Not fcntl(F_SETFL): the lock-down refuses it, since it could also strip O_APPEND.
  ::ioctl(fd, FIONBIO, &on);
}

bool is_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

}  // namespace

Stream::Stream(Loop& loop, os::Fd fd, Handler& handler)
    : loop_(loop),
      fd_(std::move(fd)),
      is_socket_(is_socket(fd_.get())),
      handler_(handler),
      alive_(std::make_shared<bool>(true)) {
  make_non_blocking(fd_.get());
  watch_ = loop_.watch(fd_.get(), *this);
}

Stream::~Stream() {
  *alive_ = false;
}

void Stream::resume() {
  paused_ = false;
  if (!ended_ && !dead_) watch_->want_read();
}

void Stream::pause() {
  paused_ = true;
}

// The calls that sockets have of their own: read and write reach them through the layer of files, which costs more.
ssize_t Stream::receive(std::span<char> room) {
  return is_socket_ ? ::recv(fd_.get(), room.data(), room.size(), 0) : ::read(fd_.get(), room.data(), room.size());
}
ssize_t Stream::send(std::string_view bytes) {
  return is_socket_ ? ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)
                    : ::write(fd_.get(), bytes.data(), bytes.size());
}

void Stream::on_readable() {
  const auto alive = alive_;
  for (int i = 0; i < kReadsPerTurn && !paused_ && !ended_ && !dead_; ++i) {
    const auto room = loop_.scratch();
    const ssize_t size = receive(room);
    if (size > 0) {
      handler_.on_bytes(std::string_view(room.data(), static_cast<std::size_t>(size)));
      if (!*alive) return;
      if (static_cast<std::size_t>(size) < room.size()) break;
      continue;
    }
    if (size == 0) {
      ended_ = true;
      handler_.on_end();
      if (*alive && gone_ && !dead_) fail_now(EPIPE);
      return;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    fail_now(errno);
    return;
  }
  if (!paused_ && !ended_ && !dead_) watch_->want_read();
}

// Not at once: the turn may have gathered bytes since the last flush, and what must happen before they leave happens at
// its end (Loop::first_at_turn_end).
void Stream::on_writable() {
  flush_soon();
}

void Stream::on_peer_ended() {
  if (!ended_ && !dead_) handler_.on_end_ahead();
}

// What came before an orderly close is still read; after a reset nothing of this connection counts any more.
void Stream::on_peer_gone(bool error) {
  gone_ = true;
  if (!dead_ && (ended_ || error)) fail_now(error ? ECONNRESET : EPIPE);
}

void Stream::flush_soon() {
  if (!dead_) loop_.at_turn_end(*this);
}

void Stream::on_turn_end() {
  flush();
}

void Stream::flush() {
  if (dead_) return;
  bool took = false;
  while (out_begin_ < out_.size()) {
    const ssize_t size = send(std::string_view(out_).substr(out_begin_));
    if (size >= 0) {
      out_begin_ += static_cast<std::size_t>(size);
      took = true;
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      // What has left is dropped once it is the larger part, so that a slow reader does not make the buffer grow for
      // ever.
      if (out_begin_ > out_.size() / 2) {
        out_.erase(0, out_begin_);
        out_begin_ = 0;
      }
      watch_->want_write();
      return handler_.on_blocked(took);
    }
    fail_now(errno);
    return;
  }
  const bool wrote = out_begin_ > 0;
  if (out_.capacity() > kept_capacity_)
    std::string().swap(out_);
  else
    out_.clear();
  out_begin_ = 0;
  if (finishing_ && fd_) end_writing();
  if (wrote) handler_.on_drained();
}

void Stream::finish() {
  finishing_ = true;
  flush_soon();
}

void Stream::end_writing() {
  finishing_ = false;
  if (::shutdown(fd_.get(), SHUT_WR) == 0 || errno != ENOTSOCK) return;
  // A pipe: its end is its close.
  dead_ = true;
  watch_.reset();
  fd_.reset();
}

void Stream::fail_now(int error) {
  dead_ = true;
  out_.clear();
  out_begin_ = 0;
  handler_.on_failed(Error::system("stream", error));
}

// ---- Acceptor
// ----------------------------------------------------------------------------------------------------------

namespace {
constexpr int kAcceptsPerTurn = 64;
constexpr base::Milliseconds kAcceptRetry{100};
}  // namespace

Acceptor::Acceptor(Loop& loop, os::Fd listener, OnAccept on_accept)
    : loop_(loop),
      listener_(std::move(listener)),
      on_accept_(std::move(on_accept)),
      alive_(std::make_shared<bool>(true)),
      retry_(loop, [this] { watch_->want_read(); }) {
  make_non_blocking(listener_.get());
  watch_ = loop_.watch(listener_.get(), *this);
  watch_->want_read();
}

Acceptor::~Acceptor() {
  *alive_ = false;
}

void Acceptor::on_readable() {
  const auto alive = alive_;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    os::Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection) {
      on_accept_(std::move(connection));
      if (!*alive) return;
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    retry_.set(kAcceptRetry);  // out of descriptors or memory
    return;
  }
  watch_->want_read();
}

}  // namespace clawql::io
