#include "supervisor/log_relay.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "os/process.hpp"

namespace clawql::supervisor {
namespace {

constexpr std::size_t kLineLimit = 4095;  // with its line end one atomic write to a pipe (PIPE_BUF)
constexpr int kReadsPerTurn = 16;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
}

bool has_room(int fd) {
  pollfd one{fd, POLLOUT, 0};
  return ::poll(&one, 1, 0) == 1 && (one.revents & POLLOUT) != 0;
}

}  // namespace

LogRelay::LogRelay(io::Loop& loop, os::Fd pipe, int output) : pipe_(std::move(pipe)), output_(output) {
  // A pipe of ours: this cannot fail.
  [[maybe_unused]] const Status ignored = os::set_nonblocking(pipe_.get());
  watch_ = loop.watch(pipe_.get(), *this);
  watch_->want_read();
}

LogRelay::~LogRelay() {
  for (int i = 0; i < kReadsPerTurn && take(); ++i) {
  }
  if (!partial_.empty()) pass(partial_);
}

void LogRelay::on_readable() {
  for (int i = 0; i < kReadsPerTurn && take(); ++i) {
  }
  if (!ended_) watch_->want_read();
}

bool LogRelay::take() {
  std::array<char, 16 << 10> room{};
  const ssize_t got = ::read(pipe_.get(), room.data(), room.size());
  if (got <= 0) {
    ended_ = got == 0 || (errno != EAGAIN && errno != EINTR);
    return false;
  }
  std::string_view bytes(room.data(), static_cast<std::size_t>(got));
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::size_t take = std::min(end == std::string_view::npos ? bytes.size() : end, kLineLimit - partial_.size());
    partial_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    const bool line_ends = !bytes.empty() && bytes.front() == '\n';
    if (!line_ends && partial_.size() < kLineLimit) break;
    if (line_ends) bytes.remove_prefix(1);
    pass(partial_);
    partial_.clear();
  }
  return true;
}

void LogRelay::pass(std::string_view line) {
  std::string text;
  text.reserve(line.size() + 1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    // U+0080 … U+009F are control characters as well: C2 80 … C2 9F.
    const bool second_half = i > 0 && line[i - 1] == '\xC2' && static_cast<unsigned char>(line[i]) < 0xA0 &&
                             static_cast<unsigned char>(line[i]) >= 0x80;
    text += is_control(line[i]) || second_half ? '?' : line[i];
  }
  text += '\n';
  if (!has_room(output_) || ::write(output_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ++dropped_;
}

}  // namespace clawql::supervisor
