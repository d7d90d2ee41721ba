#include "io/loop.hpp"

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <csignal>

#include "io/deadline_wheel.hpp"

namespace clawql::io {

namespace asio = boost::asio;
using boost::system::error_code;

// ---- Watch
// -------------------------------------------------------------------------------------------------------------

struct Watch::State : std::enable_shared_from_this<Watch::State> {
  State(asio::io_context& context, int fd, Handler& handler_) : descriptor(context), handler(&handler_) {
    error_code error;
    descriptor.assign(fd, error);  // NOLINT(bugprone-unused-return-value): an error shows at the first wait
  }

  void wait(asio::posix::descriptor_base::wait_type type, bool& wanted, void (Handler::*notice)()) {
    if (wanted) return;
    wanted = true;
    descriptor.async_wait(type, [self = shared_from_this(), &wanted, notice](error_code error) {
      wanted = false;
      if (self->handler != nullptr && error != asio::error::operation_aborted) (self->handler->*notice)();
    });
  }

  asio::posix::stream_descriptor descriptor;
  Handler* handler;  // null once the Watch is gone
  bool read_wanted = false;
  bool write_wanted = false;
};

Watch::~Watch() {
  state_->handler = nullptr;
  // release() takes it off epoll and leaves it open: the descriptor is borrowed.
  if (state_->descriptor.is_open()) state_->descriptor.release();
}

void Watch::want_read() {
  state_->wait(asio::posix::descriptor_base::wait_read, state_->read_wanted, &Handler::on_readable);
}

void Watch::want_write() {
  state_->wait(asio::posix::descriptor_base::wait_write, state_->write_wanted, &Handler::on_writable);
}

// ---- TurnEnd
// -----------------------------------------------------------------------------------------------------------

TurnEnd::~TurnEnd() {
  if (list_ != nullptr) (*list_)[position_] = nullptr;
}

// ---- Loop
// --------------------------------------------------------------------------------------------------------------

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

struct Loop::Impl {
  explicit Impl(base::Microseconds now) : work(context.get_executor()), ticker(context), wheel(now) {}

  void arm_ticker(Loop& loop) {
    if (ticking || wheel.empty()) return;
    ticking = true;
    ticker.expires_after(DeadlineWheel::kTick);
    ticker.async_wait([this, &loop](error_code error) {
      ticking = false;
      if (error == asio::error::operation_aborted) return;
      wheel.advance(loop.now());
      arm_ticker(loop);
    });
  }

  void run_turn_end() {
    turn_end_posted = false;
    running.swap(waiting);
    // Told of their new place: one of them may destroy another that has not had its turn.
    for (TurnEnd* const what : running)
      if (what != nullptr) what->list_ = &running;
    for (std::size_t i = 0; i < running.size(); ++i) {
      if (running[i] == nullptr) continue;
      running[i]->list_ = nullptr;
      running[i]->on_turn_end();
    }
    running.clear();
  }

  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::steady_timer ticker;
  bool ticking = false;
  DeadlineWheel wheel;
  std::vector<TurnEnd*> waiting, running;
  bool turn_end_posted = false;
  std::array<char, 64U << 10> scratch{};
};

Loop::Loop(const base::Clock& clock) : clock_(clock), impl_(std::make_unique<Impl>(clock.monotonic())) {
  // A peer that went away is an error of write(), not the end of this program.
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c): it cannot fail for this signal
}

Loop::~Loop() = default;

void Loop::run() {
  impl_->context.run();
}
void Loop::stop() {
  impl_->context.stop();
}
void Loop::post(Task task) {
  asio::post(impl_->context, std::move(task));
}

void Loop::at_turn_end(Task task) {
  at_turn_end(*new TaskAtTurnEnd(std::move(task)));  // NOLINT(cppcoreguidelines-owning-memory): deletes itself
}

void Loop::at_turn_end(TurnEnd& what) {
  if (what.list_ != nullptr) return;  // it waits, or its turn is still to come in the round that runs now
  what.list_ = &impl_->waiting;
  what.position_ = impl_->waiting.size();
  impl_->waiting.push_back(&what);
  if (impl_->turn_end_posted) return;
  impl_->turn_end_posted = true;
  asio::post(impl_->context, [impl = impl_.get()] { impl->run_turn_end(); });
}

std::unique_ptr<Watch> Loop::watch(int fd, Watch::Handler& handler) {
  return std::unique_ptr<Watch>(new Watch(std::make_shared<Watch::State>(impl_->context, fd, handler)));
}

std::span<char> Loop::scratch() {
  return impl_->scratch;
}

std::size_t Loop::poll() {
  impl_->wheel.advance(now());
  impl_->context.restart();
  return impl_->context.poll();
}

// ---- Deadline
// ----------------------------------------------------------------------------------------------------------

void Deadline::set(base::Milliseconds from_now) {
  loop_.impl_->wheel.set(*this, loop_.now(), from_now);
  loop_.impl_->arm_ticker(loop_);
}

void Deadline::clear() {
  loop_.impl_->wheel.clear(*this);
}

}  // namespace clawql::io
