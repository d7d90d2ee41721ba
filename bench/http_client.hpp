// What the load generators share: kept-alive connections that speak MCP over HTTP. Not a part of the product: they
// trust their peer's grammar as far as a benchmark may, block where that is simpler, and die of every failure.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace clawql::bench {

using SteadyClock = std::chrono::steady_clock;

struct Peer {
  std::uint16_t port = 8080;
  std::string path = "/mcp";
  std::string host = "localhost";
  std::string version = "2025-11-25";
  bool plain = false;  // no MCP: it answers a constant
  bool is_modern() const { return version == "2026-07-28"; }
};

[[noreturn]] void die(std::string_view why);

// Calls `set(key, value)` for each `--key value` that is none of the peer's own; it says whether it knows the key.
Peer read_options(int argc, char** argv, const std::function<bool(std::string_view, const std::string&)>& set);

// The body of a request; 2026-07-28: with its claim. `members`: of `params`, not empty.
std::string request_body(const Peer& peer, std::uint64_t id, std::string_view method, std::string_view members);
// The fields that 2026-07-28 wants to see beside the body; `name` may be empty.
std::string modern_fields(std::string_view method, std::string_view name);

class Connection {
 public:
  explicit Connection(const Peer& peer);  // connects
  int fd() const { return fd_; }

  // `fields`: whole lines.
  void post(std::string_view fields, std::string_view body);
  void get(std::string_view fields);

  void read();  // what there is; waits where there is nothing
  // Reads so. True: a whole answer is here.
  bool read_some();
  const std::string& wait_for_answer();  // with a status of 2xx
  const std::string& answer() const { return in_; }
  void forget_answer() { in_.clear(); }
  // Reads until the head of an event stream is here; events that came with it stay.
  void wait_for_event_stream();
  // Of an event stream: how often `marker` came since the last time.
  std::size_t count_in_events(std::string_view marker);

  // Opens a session and returns the fields of its later requests.
  std::string open_session();

 private:
  void write(std::string_view request);
  bool complete() const;

  const Peer& peer_;
  int fd_ = -1;
  std::string in_;
};

// Runs `round(seconds)`, which prints a line, for each line with a number on the standard input, after a first "ready".
// The caller reads CPU times before and after: no request may be in flight when a round is over.
void run_rounds(const std::function<void(double seconds)>& round);

}  // namespace clawql::bench
