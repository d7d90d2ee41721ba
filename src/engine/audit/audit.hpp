// The audit log: one JSON line an event in an append-only file that the supervisor opened, and the newest events of
// each principal in memory for the built-in tool. Every call, refusal, start and stop is an event; arguments appear as
// SHA-256, never as text. With `strict` a record is on disk before the action it describes is sent. Each
// shard has a log of its own, on its loop; all write to the same file.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "engine/audit/sha256.hpp"
#include "io/loop.hpp"
#include "ipc/settings.hpp"
#include "os/fd.hpp"

namespace clawql::engine::audit {

enum class Type : std::uint8_t { auth, tool_call, agent, network, policy };  // reference: the canonical event
enum class Outcome : std::uint8_t { intent, success, error, refused, cancelled };
enum class Severity : std::uint8_t { info, low, medium, high, critical };

struct Event {
  Type type = Type::tool_call;
  std::string_view subtype{};  // "tools/call", "guard.host", "server.exited", "session.opened", …
  Outcome outcome = Outcome::success;
  Severity severity = Severity::info;
  std::string_view principal{};  // "uid:1000", "loopback", "" for the gateway itself
  std::string_view session{};    // hash of the session id, never the id
  std::string_view listener{};   // label
  std::string_view peer{};       // "uid:1000 pid:77", "127.0.0.1:5555"
  std::string_view server{}, tool{};
  std::string_view reason{};  // base::RefusalFacts::label for refusals and failures
  std::string_view detail{};  // short text; offered values are escaped and cut by the writer
  // The raw arguments: the record holds their SHA-256, never them. `payload_hash` where only the hash is at hand.
  std::optional<std::string_view> payload{};
  std::string_view payload_hash{};
  std::string_view call{};        // ties intent and outcome together
  std::uint64_t count = 1;        // of equal events sampled into one
  std::int64_t duration_us = -1;  // -1: none
  std::uint64_t bytes = 0;
};

// The file that the logs of all shards write to, by one O_APPEND descriptor: whole lines at a time, so lines of two
// shards never mix and a shard's own come in its order. Safe from every thread.
class File {
 public:
  explicit File(os::Fd descriptor);

 private:
  friend class Log;
  struct Taken {
    std::size_t bytes;  // of whole lines that their log is rid of
    Status status;
  };
  // A line that the file takes in part is kept here, and completed before any other is written, by whichever log writes
  // next; it counts as taken, and as failed.
  Taken write(std::string_view lines);
  std::string take_torn_line();  // to be written whole to the next file

  os::Fd descriptor_;
  std::mutex mutex_;
  std::string torn_line_;      // under mutex_
  std::size_t torn_done_ = 0;  // bytes of it that are in the file; under mutex_
  // Relaxed: a late look costs a record more in this file, never a record.
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<bool> replaced_{false};  // the next file was asked for
};

class Log {
 public:
  // Takes records that were written, for whoever keeps the newest in memory.
  using Keeper = std::function<void(std::string_view principal, std::string_view json)>;
  // `need_file` asks the supervisor for the next file (rotation); the descriptor comes by set_file().
  Log(const ipc::AuditSettings& settings, const base::Clock& clock, std::uint64_t ring_events,
      std::function<void()> need_file);
  // Of another shard than 0: it keeps no events in memory but hands each to `keeper`. `need_file` is called on the
  // shard's own thread.
  Log(const ipc::AuditSettings& settings, const base::Clock& clock, Keeper keeper, std::function<void()> need_file);
  ~Log();
  void set_file(os::Fd file) { set_file(std::make_shared<File>(std::move(file))); }
  void set_file(std::shared_ptr<File> file);
  // With `written`: from now on the records of a turn of the loop are written together at its end, before any stream
  // sends what the turn gathered, so a record is still in the file before its call is on its way. When that write
  // fails, the records wait here and are written as soon as the file takes them; until then record() fails. Not for
  // `strict`, where each record is made durable by itself.
  void gather_on(io::Loop& loop);
  // Fails when the record could not be written (and, when strict, not be made durable): then the action must not
  // happen.
  Status record(const Event& event);
  // A record that another shard wrote: for recent() alone.
  void keep(std::string_view principal, std::string_view json);
  // The newest `limit` events that belong to `principal`, newest last, each a JSON object.
  std::vector<std::string> recent(std::string_view principal, std::size_t limit) const;
  std::uint64_t written() const;
  std::uint64_t failed() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace clawql::engine::audit
