// What Servers keeps of one instance of a server, between its files alone.
#pragma once

#include <signal.h>

#include <algorithm>
#include <string>

#include "os/process.hpp"
#include "supervisor/servers.hpp"

namespace clawql::supervisor {

struct Servers::Entry {
  Entry(Servers& servers, const Key& key)
      : name(key.first),
        instance(key.second),
        retry(servers.wiring_.loop, [&servers, this] { servers.launch(*this); }),
        term(servers.wiring_.loop, [this] { os::send_signal(child.pidfd, SIGTERM); }),
        kill(servers.wiring_.loop, [this] { os::send_signal(child.pidfd, SIGKILL); }) {}

  bool shared() const { return instance == kShared; }
  bool running() const { return child.pid > 0; }
  // It runs, or will: not one that is on its way out for good.
  bool wanted() const { return start_again || (!stopping && (running() || retry.is_set())); }
  std::string state() const {
    if (retry.is_set()) return "waiting";
    if (running()) return stopping ? "stopping" : "running";
    return "stopped";
  }
  ProcessDescription describe() const { return {instance, state(), std::max(child.pid, 0), restarts}; }

  const std::string name;
  const std::uint64_t instance;
  os::Child child;  // clawql-run
  os::Fd report;
  std::uint64_t incarnation = 0;
  std::uint64_t attempts = 0;
  std::uint64_t restarts = 0;
  base::Microseconds started_at{0};
  base::Milliseconds back_off{0};
  bool stopping = false;
  bool start_again = false;  // asked for while it was stopping
  io::Deadline retry, term, kill;
};

}  // namespace clawql::supervisor
