#include "io/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <optional>
#include <utility>

#include "base/check.hpp"
#include "io/deadline_wheel.hpp"

namespace clawql::io {
namespace {

constexpr int kEventsPerTurn = 256;
constexpr std::uint32_t kBroken = EPOLLERR | EPOLLHUP;  // always reported while a descriptor is registered

}  // namespace

// ---- Watch ----

// Interest is level-triggered and left in place: a descriptor that is read again and again costs no epoll_ctl. What is
// reported without being wanted any more is taken out then.
struct Watch::State {
  State(int epoll_, int fd_, Handler& handler_) : epoll(epoll_), fd(fd_), handler(&handler_) {}

  void want(std::uint32_t event) {
    wanted |= event;
    if ((registered & event) == 0) change(registered | wanted);
  }

  void change(std::uint32_t events) {
    epoll_event event{.events = events, .data = {.ptr = this}};
    const int operation = events == 0 ? EPOLL_CTL_DEL : (registered == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD);
    // It fails only for descriptors that cannot wait (a regular file): a caller's mistake, seen at once.
    CLAWQL_CHECK(::epoll_ctl(epoll, operation, fd, &event) == 0);
    registered = events;
  }

  void dispatch(std::uint32_t events) {
    const std::uint32_t ready = (events & kBroken) != 0 ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP : events;
    const std::uint32_t unwanted = registered & ready & ~wanted;
    if (unwanted != 0) change(registered & ~unwanted);
    const std::uint32_t due = ready & wanted;
    wanted &= ~due;
    if ((due & EPOLLIN) != 0 && handler != nullptr) handler->on_readable();
    if ((due & EPOLLOUT) != 0 && handler != nullptr) handler->on_writable();
    if ((due & EPOLLRDHUP) != 0 && handler != nullptr) handler->on_peer_ended();
    if ((due & EPOLLHUP) != 0 && handler != nullptr) handler->on_peer_gone((events & EPOLLERR) != 0);
  }

  int epoll;
  int fd;
  Handler* handler;  // null once the Watch is gone
  std::uint32_t registered = 0;
  std::uint32_t wanted = 0;
  std::vector<std::shared_ptr<State>>* graveyard = nullptr;  // keeps it alive while events of this turn may name it
};

Watch::~Watch() {
  state_->handler = nullptr;
  if (state_->registered != 0) state_->change(0);
  state_->graveyard->push_back(std::move(state_));
}

void Watch::want_read() {
  state_->want(EPOLLIN);
}
void Watch::want_write() {
  state_->want(EPOLLOUT);
}
void Watch::notice_hang_up() {
  state_->wanted |= EPOLLRDHUP | EPOLLHUP;
}

// ---- TurnEnd ----

TurnEnd::~TurnEnd() {
  if (list_ != nullptr) (*list_)[position_] = nullptr;
}

namespace {
// at_turn_end(Task) as a TurnEnd: it runs once and deletes itself.
class TaskAtTurnEnd final : public TurnEnd {
 public:
  explicit TaskAtTurnEnd(Task task) : task_(std::move(task)) {}
  void on_turn_end() override {
    const std::unique_ptr<TaskAtTurnEnd> self(this);
    task_();
  }

 private:
  Task task_;
};
}  // namespace

// ---- Loop ----

struct Loop::Impl {
  explicit Impl(const base::Clock& clock_)
      : clock(clock_),
        epoll(::epoll_create1(EPOLL_CLOEXEC)),
        wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        wheel(clock.monotonic()) {
    CLAWQL_CHECK(epoll && wake);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    CLAWQL_CHECK(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) == 0);
  }

  void wake_up() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake.get(), &one, sizeof one);  // full: it is awake already
  }

  // Milliseconds that epoll may wait: for ever without deadlines.
  int patience() const {
    if (!waiting.empty() || !waiting_first.empty()) return 0;
    return wheel.empty() ? -1 : static_cast<int>(DeadlineWheel::kTick.count());
  }

  base::Microseconds now() {
    if (!in_turn) return clock.monotonic();
    if (!turn_time) turn_time = clock.monotonic();
    return *turn_time;
  }

  // One turn. Returns how many things happened.
  std::size_t turn(int timeout_ms) {
    const int count = ::epoll_wait(epoll.get(), events.data(), kEventsPerTurn, timeout_ms);
    in_turn = true;
    std::size_t happened = 0;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      ++happened;
      if (event.data.ptr != nullptr)
        static_cast<Watch::State*>(event.data.ptr)->dispatch(event.events);
      else
        happened += run_posted();
    }
    if (!wheel.empty()) wheel.advance(now());
    happened += run_turn_end(waiting_first, running_first);
    happened += run_turn_end(waiting, running);
    graveyard.clear();
    in_turn = false;
    turn_time.reset();
    return happened;
  }

  std::size_t run_posted() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto size = ::read(wake.get(), &count, sizeof count);
    std::vector<Task> tasks;
    {
      const std::lock_guard lock(mutex);
      tasks.swap(posted);
    }
    for (Task& task : tasks) task();
    return tasks.size();
  }

  std::size_t run_turn_end(std::vector<TurnEnd*>& list, std::vector<TurnEnd*>& round) {
    round.swap(list);
    // Told of their new place: one of them may destroy another that has not had its turn.
    for (TurnEnd* const what : round)
      if (what != nullptr) what->list_ = &round;
    std::size_t count = round.size();
    for (std::size_t i = 0; i < round.size(); ++i) {
      // One before it may have asked to be first before the bytes of the next one leave.
      if (&list == &waiting && !waiting_first.empty()) count += run_turn_end(waiting_first, running_first);
      if (round[i] == nullptr) continue;
      round[i]->list_ = nullptr;
      round[i]->on_turn_end();
    }
    round.clear();
    return count;
  }

  const base::Clock& clock;
  os::Fd epoll;
  os::Fd wake;
  DeadlineWheel wheel;
  bool in_turn = false;
  std::optional<base::Microseconds> turn_time;
  std::array<epoll_event, kEventsPerTurn> events{};
  std::vector<TurnEnd*> waiting_first, running_first, waiting, running;
  std::vector<std::shared_ptr<Watch::State>> graveyard;
  std::atomic<bool> stopped{false};
  std::mutex mutex;
  std::vector<Task> posted;  // under mutex
  std::array<char, 64U << 10> scratch{};
};

Loop::Loop(const base::Clock& clock) : clock_(clock), impl_(std::make_unique<Impl>(clock)) {
  // A peer that went away is an error of write(), not the end of this program.
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));  // it cannot fail for this signal
}

Loop::~Loop() = default;

void Loop::run() {
  while (!impl_->stopped.load(std::memory_order_relaxed)) impl_->turn(impl_->patience());
}

void Loop::stop() {
  impl_->stopped = true;
  impl_->wake_up();
}

void Loop::post(Task task) {
  bool first = false;
  {
    const std::lock_guard lock(impl_->mutex);
    first = impl_->posted.empty();
    impl_->posted.push_back(std::move(task));
  }
  if (first) impl_->wake_up();
}

void Loop::at_turn_end(Task task) {
  at_turn_end(*new TaskAtTurnEnd(std::move(task)));  // NOLINT(cppcoreguidelines-owning-memory): deletes itself
}

void Loop::enlist(TurnEnd& what, std::vector<TurnEnd*>& list) {
  if (what.list_ != nullptr) return;  // it waits, or its turn is still to come in the round that runs now
  what.list_ = &list;
  what.position_ = list.size();
  list.push_back(&what);
}

void Loop::at_turn_end(TurnEnd& what) {
  enlist(what, impl_->waiting);
}
void Loop::first_at_turn_end(TurnEnd& what) {
  enlist(what, impl_->waiting_first);
}

std::unique_ptr<Watch> Loop::watch(int fd, Watch::Handler& handler) {
  auto state = std::make_shared<Watch::State>(impl_->epoll.get(), fd, handler);
  state->graveyard = &impl_->graveyard;
  return std::unique_ptr<Watch>(new Watch(std::move(state)));
}

base::Microseconds Loop::now() const {
  return impl_->now();
}

std::span<char> Loop::scratch() {
  return impl_->scratch;
}

std::size_t Loop::poll() {
  std::size_t total = 0;
  while (const std::size_t happened = impl_->turn(0)) total += happened;
  return total;
}

// ---- Deadline ----

void Deadline::set(base::Milliseconds from_now) {
  loop_.impl_->wheel.set(*this, loop_.now(), from_now);
}
void Deadline::clear() {
  loop_.impl_->wheel.clear(*this);
}

}  // namespace clawql::io
