// A listener that lives for 50 ms is in no dump: the tracepoint sock:inet_sock_set_state names it, with the process
// that did it, in the moment it begins to listen (listen() without bind() too). Read through tracefs, in a buffer of
// our own. Needs CAP_SYS_ADMIN and a kernel with tracefs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "exposure/ports/survey.hpp"
#include "os/fd.hpp"

namespace clawql::exposure::ports {

struct ListenEvent {
  pid_t pid = 0;            // as the kernel numbers it, whatever namespace it lives in
  std::string name;         // comm; "<...>" where the kernel no longer knew
  Place place;              // protocol, address, port
  bool closed = false;      // it stopped listening
  std::uint64_t space = 0;  // inode of the process's network namespace; 0: the process was gone already
};

// One line of trace_pipe. nullopt: it is none of ours.
std::optional<ListenEvent> parse_trace_line(std::string_view line);

// Inode of the caller's network namespace, 0 where /proc is hidden.
std::uint64_t own_space();

class ListenTrace {
 public:
  // Where tracefs is not mounted, the process goes into a mount namespace of its own (which still follows the host's
  // mounts) and mounts it there: call it before there is a second thread.
  static Result<ListenTrace> open();
  ListenTrace(ListenTrace&& other) noexcept
      : folder_(std::exchange(other.folder_, {})),
        pipe_(std::move(other.pipe_)),
        pending_(std::move(other.pending_)),
        lost_(other.lost_) {}
  ListenTrace& operator=(ListenTrace&&) = delete;
  ~ListenTrace();  // takes the buffer away

  int fd() const { return pipe_.get(); }  // readable when there are events
  // Those that came since. `lost` counts those that the kernel could not keep, and lines that were no event.
  Result<std::vector<ListenEvent>> read();
  std::uint64_t lost() const { return lost_; }

 private:
  ListenTrace(std::string folder, os::Fd pipe) : folder_(std::move(folder)), pipe_(std::move(pipe)) {}
  std::string folder_;  // of our instance; "" after a move
  os::Fd pipe_;
  std::string pending_;
  std::uint64_t lost_ = 0;
};

}  // namespace clawql::exposure::ports
