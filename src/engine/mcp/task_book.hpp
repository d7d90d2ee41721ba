// Which tasks of 2025-11-25 (basic/utilities/tasks) the gateway knows: whose each is, which process has it, and under
// which id. Clients see ids of ours alone, 256 random bits, and each counts for the principal that made the task and
// for nobody else: an id of a server means nothing here, and two servers may well make the same one.
//
// One book for all shards: whoever asks for a task may be in another one than who made it. Every function may be called
// from every thread; what comes out is a copy.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace clawql::engine::mcp {

struct Task {
  std::string id;              // ours
  std::string principal;       // whose it is
  std::uint64_t process = 0;   // upstream::Server::generation() of the one that has it
  std::string upstream;        // its id there, unescaped
  std::string upstream_raw;    // as the server wrote it, with quotes
  std::string tool;            // that was called, for the audit
  std::string session;         // that made it: what is told of it goes there
  bool shared = true;          // the process serves everybody, and not that session or its principal alone
  std::uint8_t shard = 0;      // of that session
  std::string progress_token;  // of the call that made it, raw as the client wrote it; empty: it wants no progress
  std::uint64_t number = 0;    // rises with each task
};

class TaskBook {
 public:
  struct Limits {
    std::uint64_t principal, all;
  };
  static constexpr base::Microseconds kMourning{
      60'000'000};  // a lost task is known for so long, so that this can be said

  // Room for a task that a server may make now, until the call that asks for it is over.
  class Place {
   public:
    Place(TaskBook& book, std::string principal) : book_(&book), principal_(std::move(principal)) {}
    Place(Place&& other) noexcept
        : book_(std::exchange(other.book_, nullptr)), principal_(std::move(other.principal_)) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (book_ != nullptr) book_->give_back(principal_);
    }

   private:
    TaskBook* book_;
    std::string principal_;
  };
  // nullopt: the principal, or all together, have as many as they may.
  std::optional<Place> reserve(std::string_view principal, const Limits& limits, base::Microseconds now);

  // Writes down what a server made, until `expires`; gives its id. `id` and `number` of the task are set here. The same
  // task again keeps its id; fails when the server says that it is another principal's, or there are no random numbers.
  Result<std::string> add(Task task, base::Microseconds expires);
  // By our id; nullopt: there is none of this principal. What is unknown, over its time and another's look the same.
  std::optional<Task> find(std::string_view id, std::string_view principal, base::Microseconds now) const;
  // By the server's id of it.
  std::optional<Task> find_upstream(std::uint64_t process, std::string_view id, base::Microseconds now) const;
  // The oldest `most` of this principal that were made after `number`.
  std::vector<Task> page(std::string_view principal, std::uint64_t number, std::size_t most, base::Microseconds now);
  // Its server spoke of it.
  void keep_until(std::string_view id, base::Microseconds expires);
  // A process has ended, and all its tasks with it.
  void process_ended(std::uint64_t process, base::Microseconds now);
  // The shared processes that have tasks of this principal, each once.
  std::vector<std::uint64_t> shared_processes(std::string_view principal) const;
  // Its server does not know it any more.
  void forget(std::string_view id);

  std::size_t size() const;

 private:
  struct Entry {
    Task task;
    base::Microseconds expires{0};
  };
  struct Owner {
    std::map<std::uint64_t, std::string> tasks;  // ids, by number
    std::size_t reserved = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Entries = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;

  void give_back(const std::string& principal);
  void purge(base::Microseconds now);
  void erase(Entries::iterator entry);
  void set_expiry(Entry& entry, base::Microseconds expires);

  mutable std::mutex mutex_;
  std::uint64_t last_number_ = 0;
  std::size_t reserved_ = 0;
  Entries entries_;                                                             // by our id
  std::map<std::pair<std::uint64_t, std::string>, std::string> by_upstream_;    // our ids
  std::map<std::string, Owner, std::less<>> owners_;                            // by principal
  std::map<std::pair<base::Microseconds, std::uint64_t>, std::string> expiry_;  // our ids, by time and number
};

}  // namespace clawql::engine::mcp
