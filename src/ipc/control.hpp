// The supervisor's line to the door and to the engine: one SOCK_SEQPACKET socketpair each, one message a packet,
// descriptors by SCM_RIGHTS. Payloads are JSON texts made from the described structs of settings.hpp; large ones
// (settings) travel in a sealed memfd. The table of messages:
//
//   supervisor → door     settings (fd: memfd), listener (fd), close_listener, channel (fd), start, drain, ping
//   door → supervisor     ready, pong, drained
//   supervisor → engine   settings (fd: memfd), channel (fd), audit_file (fd), server_started (3 fds), server_exited,
//   admin_answer, exposure, start, drain, ping engine → supervisor   ready, pong, drained, server_start, server_stop,
//   server_restart, next_audit_file, admin
//
// A message that is not in the table for its direction, or that cannot be decoded, ends the connection. End-of-file
// means that the other side died: a child then exits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "io/loop.hpp"
#include "os/fd.hpp"

namespace clawql::ipc {

enum class Control : std::uint8_t {
  settings = 1,
  listener,
  close_listener,
  channel,
  audit_file,
  server_started,
  server_exited,
  admin_answer,
  start,
  drain,
  ping,
  ready,
  pong,
  drained,
  server_start,
  server_stop,
  server_restart,
  next_audit_file,
  admin,
  exposure,
};
std::string_view name(Control kind);

struct ControlMessage {
  Control kind{};
  std::string payload;      // JSON, at most 64 KiB; empty where the table has no fields
  std::vector<os::Fd> fds;  // at most 4
};

class ControlSocket final : private io::Watch::Handler {
 public:
  class Handler {
   public:
    virtual void on_message(ControlMessage message) = 0;
    virtual void on_closed(Error error) = 0;

   protected:
    ~Handler() = default;
  };
  ControlSocket(io::Loop& loop, os::Fd socket, Handler& handler);
  ~ControlSocket();
  // Queues where the kernel has no room (the other side must never block us). Descriptors are duplicated by the kernel
  // when sent.
  void send(Control kind, std::string payload = {}, std::vector<os::Fd> fds = {});

 private:
  void on_readable() override;
  void on_writable() override;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// {socket for the supervisor, socket for the child}, close-on-exec.
Result<std::pair<os::Fd, os::Fd>> make_control_pair();
// The same for a channel (SOCK_STREAM).
Result<std::pair<os::Fd, os::Fd>> make_channel_pair();
// A sealed memfd that holds `text`, and its reader (at most `limit` bytes).
Result<os::Fd> make_payload_fd(std::string_view text);
Result<std::string> read_payload_fd(int fd, std::size_t limit = 64U << 20);

}  // namespace clawql::ipc
