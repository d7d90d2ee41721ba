// One loop a thread: it waits for descriptors and deadlines and calls back. Everything that a loop calls runs on its
// thread, one call at a time, so what belongs to a loop needs no lock. Other threads reach it by post() alone. epoll
// works underneath, level-triggered (why not Asio: ARCHITECTURE.md). A callback may destroy the object that called it,
// and itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "os/fd.hpp"

namespace clawql::io {

using Task = std::move_only_function<void()>;

class Loop;

// Tells when a descriptor can be read or written. The descriptor is borrowed. Destroying it ends all notice.
class Watch {
 public:
  class Handler {
   public:
    virtual void on_readable() = 0;
    virtual void on_writable() = 0;
    // Only after notice_hang_up(), once each: the peer closed its sending side (bytes may wait to be read), and:
    // nothing can be sent to it any more. `error`: it was reset, and what it sent before may be lost.
    virtual void on_peer_ended() {}
    virtual void on_peer_gone(bool /*error*/) {}

   protected:
    ~Handler() = default;
  };
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  // Ask for one call of on_readable (on_writable). Asking twice is the same as once. Errors and hang-ups count as
  // readable and writable.
  void want_read();
  void want_write();
  // Tells of the peer's end also while nothing is read. In force with the next want_read() or want_write().
  void notice_hang_up();

 private:
  friend class Loop;
  struct State;
  explicit Watch(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// A deadline, coarse (100 ms), cheap to set again: one list a loop, no system call. Owned by what it guards; destroying
// it clears it.
class Deadline {
 public:
  Deadline(Loop& loop, Task on_expiry) : loop_(loop), on_expiry_(std::make_shared<Task>(std::move(on_expiry))) {}
  ~Deadline() { clear(); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  void set(base::Milliseconds from_now);  // replaces an earlier setting
  void clear();
  bool is_set() const { return slot_ != kNone; }

 private:
  friend class DeadlineWheel;
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  Loop& loop_;
  std::shared_ptr<Task> on_expiry_;  // shared: the task may destroy its deadline while it runs
  Deadline* previous_ = nullptr;
  Deadline* next_ = nullptr;
  std::uint64_t due_tick_ = 0;
  std::uint32_t slot_ = kNone;
};

// Something with work for the end of a turn, such as a stream that has gathered bytes. Destroying it takes it off the
// list.
class TurnEnd {
 public:
  virtual void on_turn_end() = 0;

 protected:
  TurnEnd() = default;
  TurnEnd(const TurnEnd&) = delete;
  TurnEnd& operator=(const TurnEnd&) = delete;
  ~TurnEnd();

 private:
  friend class Loop;
  std::vector<TurnEnd*>* list_ = nullptr;  // where it waits, if it does
  std::size_t position_ = 0;
};

class Loop {
 public:
  // `clock` must outlive the loop.
  explicit Loop(const base::Clock& clock);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();   // until stop(); the calling thread becomes the loop's
  void stop();  // from any thread
  // Runs `task` in a later turn. From any thread.
  void post(Task task);
  // Runs `task` at the end of the present turn, after all that is ready now: the place to write what the turn has
  // gathered. On the loop's own thread only.
  void at_turn_end(Task task);
  // The same without an allocation; asking twice is the same as once.
  void at_turn_end(TurnEnd& what);
  // At the end of the turn too, but before everything else there: for records that must be written before the bytes
  // they describe leave.
  void first_at_turn_end(TurnEnd& what);
  std::unique_ptr<Watch> watch(int fd, Watch::Handler& handler);
  // Within a turn the time at which it was first asked for: good for deadlines, and read once for all that is ready.
  // What is measured within a turn is measured by clock().
  base::Microseconds now() const;
  const base::Clock& clock() const { return clock_; }
  // Room to read into, for use within one callback.
  std::span<char> scratch();

  // For tests: handles what is ready, without waiting. Returns how many callbacks ran.
  std::size_t poll();

 private:
  friend class Deadline;
  struct Impl;
  static void enlist(TurnEnd& what, std::vector<TurnEnd*>& list);
  const base::Clock& clock_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace clawql::io
