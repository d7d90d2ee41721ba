// What an honest door or engine needs after the lock-down.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "act.hpp"
#include "base/clock.hpp"
#include "io/loop.hpp"
#include "io/stream.hpp"

namespace clawql::lockdown {
namespace {

int outcome(long result) {
  return result < 0 ? errno : 0;
}

int read_and_write(const Prepared& p) {
  char byte = 'x';
  iovec piece{&byte, 1};
  if (::write(p.pair[0], &byte, 1) != 1 || ::read(p.pair[1], &byte, 1) != 1) return errno;
  if (::writev(p.pair[0], &piece, 1) != 1 || ::readv(p.pair[1], &piece, 1) != 1) return errno;
  if (::send(p.pair[0], &byte, 1, MSG_NOSIGNAL) != 1 || ::recv(p.pair[1], &byte, 1, 0) != 1) return errno;
  return outcome(::shutdown(p.pair[0], SHUT_WR));
}

int receive_descriptor(const Prepared& p) {
  char byte = 0;
  iovec piece{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> room{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  if (::recvmsg(p.passing, &message, MSG_CMSG_CLOEXEC) != 1) return errno;
  int fd = -1;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) return EBADMSG;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  std::array<char, 4> text{};
  return ::pread(fd, text.data(), text.size(), 0) == 4 ? outcome(::close(fd)) : errno;
}

// A real loop with a stream and a deadline, made after the lock-down: nothing that it calls may be missing.
class LoopTest final : private io::Stream::Handler {
 public:
  explicit LoopTest(int fd)
      : loop_(clock_), stream_(loop_, os::Fd(fd), *this), deadline_(loop_, [this] { loop_.stop(); }) {}

  int run(int other) {
    stream_.resume();
    stream_.write("ping");
    deadline_.set(base::Milliseconds{150});
    if (::write(other, "pong", 4) != 4) return errno;
    std::thread poster([this] { loop_.post([this] { posted_ = true; }); });
    loop_.run();
    poster.join();
    std::array<char, 4> text{};
    if (::read(other, text.data(), text.size()) != 4) return errno;
    return posted_ && received_ == "pong" ? 0 : EBADMSG;
  }

 private:
  void on_bytes(std::string_view bytes) override { received_.append(bytes); }
  void on_end() override {}
  void on_failed(Error error) override { received_ = error.message; }

  base::SystemClock clock_;
  io::Loop loop_;
  io::Stream stream_;
  io::Deadline deadline_;
  std::string received_;
  bool posted_ = false;
};
int run_loop(const Prepared& p) {
  return LoopTest(p.pair[0]).run(p.pair[1]);
}

// Arenas of malloc: each thread gets its own, grows and frees it; glibc then reads files of the kernel, or would.
int allocate_in_threads(const Prepared&) {
  std::atomic<std::size_t> total = 0;
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&total] {
      for (std::size_t round = 1; round < 40; ++round) {
        std::vector<std::unique_ptr<char[]>> blocks;
        blocks.reserve(64);
        for (std::size_t j = 0; j < 64; ++j) blocks.push_back(std::make_unique<char[]>(round * 4001));
        total += blocks.size();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return total == 8UL * 39 * 64 ? 0 : EBADMSG;
}

int wait_in_threads(const Prepared&) {
  std::mutex mutex;
  std::condition_variable changed;
  bool ready = false;
  std::thread other([&] {
    ::pthread_setname_np(::pthread_self(), "shard-1");
    const std::lock_guard lock(mutex);
    ready = true;
    changed.notify_one();
  });
  std::unique_lock lock(mutex);
  const bool came = changed.wait_for(lock, std::chrono::seconds(10), [&] { return ready; });
  lock.unlock();
  other.join();
  return came ? 0 : ETIMEDOUT;
}

int catch_exception(const Prepared&) {
  try {
    std::string().at(1);
  } catch (const std::exception&) {
    return 0;
  }
  return EBADMSG;
}

int ask_time_and_chance(const Prepared&) {
  std::array<char, 32> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != 32) return errno;
  timespec short_while{0, 1000};
  if (::clock_nanosleep(CLOCK_MONOTONIC, 0, &short_while, nullptr) != 0) return EINTR;
  timespec now{};
  return outcome(::clock_gettime(CLOCK_REALTIME, &now));
}

int append_to_log(const Prepared& p) {
  struct stat status{};
  if (::write(p.log, "another\n", 8) != 8 || ::fstat(p.log, &status) != 0) return errno;
  return status.st_size >= 8 ? 0 : EBADMSG;
}

int set_socket_options(const Prepared& p) {
  int on = 1;
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::ioctl(p.pair[0], FIONBIO, &on) != 0) return errno;
  if (::setsockopt(p.unbound, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return errno;
  if (::setsockopt(p.unbound, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0) return errno;
  return outcome(::getsockopt(p.pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &size));
}

int read_settings(const Prepared& p) {
  ::fcntl(p.program, F_GET_SEALS);
  ::lseek(p.program, 0, SEEK_SET);
  void* mapped = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, p.program, 0);
  if (mapped == MAP_FAILED) return errno;
  return std::memcmp(mapped, "\177ELF", 4) == 0 ? outcome(::munmap(mapped, 4096)) : EBADMSG;
}

constexpr Act kActs[] = {
    {"needs: read and write", read_and_write},
    {"needs: receive a descriptor", receive_descriptor},
    {"needs: read settings from a memfd", read_settings},
    {"needs: a loop with streams and deadlines", run_loop},
    {"needs: memory in eight threads", allocate_in_threads},
    {"needs: threads that wait for each other", wait_in_threads},
    {"needs: exceptions", catch_exception},
    {"needs: time and chance", ask_time_and_chance},
    {"needs: append to the log", append_to_log},
    {"needs: socket options", set_socket_options},
    {"needs: accept",
     [](const Prepared& p) { return outcome(::accept4(p.listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)); }},
    {"needs: fdatasync", [](const Prepared& p) { return outcome(::fdatasync(p.log)); }},
    {"needs: abort", [](const Prepared&) -> int { std::abort(); }},
};

}  // namespace

std::span<const Act> needed_acts() {
  return kActs;
}

}  // namespace clawql::lockdown
