// The end: listeners close, requests in flight finish, then servers, engine and door, each with a time limit. A second
// signal skips the waiting.
#include "supervisor/supervisor.hpp"

namespace clawql::supervisor {
namespace {

constexpr base::Milliseconds kServersTime{5000};
constexpr base::Milliseconds kProgramTime{1000};

}  // namespace

void Supervisor::drain() {
  if (phase_ != Phase::serving) {
    log_.info("gateway.drain-cut-short");
    phase_deadline_.clear();
    return drain_step();
  }
  phase_ = Phase::finishing_requests;
  log_.info("gateway.draining", {{"seconds", config_->limits.drain_seconds}});
  listeners_->close();
  door_.send(ipc::Control::drain);
  engine_.send(ipc::Control::drain);
  phase_deadline_.set(base::Milliseconds(config_->limits.drain_seconds * 1000));
  drain_step();
}

// Goes on to the next phase where the present one is over, or has run out of time.
void Supervisor::drain_step() {
  const bool late = !phase_deadline_.is_set();
  if (phase_ == Phase::finishing_requests) {
    const bool done = (door_drained_ || !door_.running()) && (engine_drained_ || !engine_.running());
    if (!done && !late) return;
    phase_ = Phase::ending_servers;
    servers_.stop_all();
    phase_deadline_.set(kServersTime);
    return drain_step();
  }
  if (phase_ == Phase::ending_servers) {
    if (servers_.any_running() && !late) return;
    servers_.kill_all();
    phase_ = Phase::ending_engine;
    engine_.let_go();
    phase_deadline_.set(kProgramTime);
    return drain_step();
  }
  if (phase_ == Phase::ending_engine) {
    if (engine_.running() && !late) return;
    engine_.kill_now();
    phase_ = Phase::ending_door;
    door_.let_go();
    phase_deadline_.set(kProgramTime);
    return drain_step();
  }
  if (phase_ != Phase::ending_door || (door_.running() && !late)) return;
  door_.kill_now();
  if (late || (!engine_.running() && !servers_.any_running())) loop_.stop();
}

void Supervisor::finish(int status) {
  exit_status_ = status;
  if (phase_ != Phase::serving) return;
  listeners_->close();
  phase_ = Phase::ending_servers;
  servers_.stop_all();
  phase_deadline_.set(kServersTime);
  drain_step();
}

}  // namespace clawql::supervisor
