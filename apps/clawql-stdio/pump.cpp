#include "pump.hpp"

#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace clawql::stdio {
namespace {

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

// stdin and stdout are shared with whoever started us, so they are never made non-blocking: sockets are asked not to
// wait call by call, and a pipe that poll() calls writable has room for PIPE_BUF bytes.
ssize_t read_some(int fd, char* room, std::size_t size) {
  const ssize_t got = ::recv(fd, room, size, MSG_DONTWAIT);
  return got >= 0 || errno != ENOTSOCK ? got : ::read(fd, room, size);
}
ssize_t write_some(int fd, const char* bytes, std::size_t size) {
  const ssize_t put = ::send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  return put >= 0 || errno != ENOTSOCK ? put : ::write(fd, bytes, std::min<std::size_t>(size, PIPE_BUF));
}

// One direction.
class Way {
 public:
  Way(int from, int to) : from_(from), to_(to) {}

  void preload(std::string_view bytes) {
    end_ = std::min<std::size_t>(bytes.size(), buffer_.size());
    std::memcpy(buffer_.data(), bytes.data(), end_);
  }

  bool wants_read() const { return !ended_ && !broken_ && end_ < buffer_.size(); }
  bool wants_write() const { return !broken_ && begin_ < end_; }
  bool ended() const { return ended_; }    // nothing more comes in
  bool broken() const { return broken_; }  // nothing more goes out
  bool finished() const { return broken_ || (ended_ && begin_ == end_); }

  void read() {
    const ssize_t got = read_some(from_, buffer_.data() + end_, buffer_.size() - end_);
    if (got > 0) {
      end_ += static_cast<std::size_t>(got);
    } else if (got == 0 || !would_block(errno)) {
      ended_ = true;
    }
  }

  void write() {
    const ssize_t put = write_some(to_, buffer_.data() + begin_, end_ - begin_);
    if (put > 0) {
      begin_ += static_cast<std::size_t>(put);
      if (begin_ == end_) begin_ = end_ = 0;
    } else if (put < 0 && !would_block(errno)) {
      broken_ = true;
    }
  }

  void break_off() { broken_ = true; }

 private:
  int from_;
  int to_;
  std::array<char, kBufferBytes> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool ended_ = false;
  bool broken_ = false;
};

short events(bool in, bool out) {
  return static_cast<short>((in ? POLLIN : 0) | (out ? POLLOUT : 0));
}

class Pump {
 public:
  Pump(int gateway, std::string_view first)
      : gateway_(gateway), there_(STDIN_FILENO, gateway), back_(gateway, STDOUT_FILENO) {
    there_.preload(first);
  }

  End run() {
    // The gateway's end of the connection decides: until then answers may come, also after the client's last byte.
    while (!back_.finished()) {
      turn();
      if (there_.finished() && !half_closed_) {
        ::shutdown(gateway_, SHUT_WR);
        half_closed_ = true;
      }
    }
    if (back_.broken()) return End::client_left;
    return there_.ended() && !there_.broken() ? End::client_done : End::gateway_left;
  }

 private:
  void turn() {
    // A negative descriptor is left out: without a question poll() would report its hang-up again and again. Only
    // stdout is watched without one: that it was closed is seen in no other way.
    std::array<pollfd, 3> watched{{{there_.wants_read() ? STDIN_FILENO : -1, POLLIN, 0},
                                   {STDOUT_FILENO, events(false, back_.wants_write()), 0},
                                   {gateway_, events(back_.wants_read(), there_.wants_write()), 0}}};
    if (watched[2].events == 0) watched[2].fd = -1;
    if (::poll(watched.data(), watched.size(), -1) < 0) return;
    if ((watched[2].revents & ~POLLOUT) != 0 && back_.wants_read()) back_.read();
    if ((watched[2].revents & (POLLOUT | POLLERR | POLLHUP)) != 0 && there_.wants_write()) there_.write();
    if (watched[0].revents != 0) there_.read();
    if ((watched[1].revents & POLLOUT) != 0 && back_.wants_write()) back_.write();
    if ((watched[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) back_.break_off();
  }

  const int gateway_;
  Way there_;
  Way back_;
  bool half_closed_ = false;
};

}  // namespace

End pump(int gateway, std::string_view first) {
  const End end = Pump(gateway, first).run();
  ::close(gateway);
  return end;
}

}  // namespace clawql::stdio
