#include "door/lines.hpp"

#include <algorithm>
#include <chrono>

namespace clawql::door {

using base::Reason;
using std::chrono::seconds;

void Lines::received(std::string_view bytes) {
  if (ends_) return;
  if (!line_seen_ && bytes.find('\n') != std::string_view::npos) {
    line_seen_ = true;
    client_.admission().served(client_);
  }
  if (started_ && kept_.empty()) {
    const std::size_t now = static_cast<std::size_t>(std::min<std::uint64_t>(credit_, bytes.size()));
    if (now > 0) call_.body(bytes.substr(0, now));
    credit_ -= now;
    bytes.remove_prefix(now);
  }
  kept_.append(bytes);
  if (!started_ && link_ == nullptr) return start();
  send();
}

// The engine may be starting just now: the wrapper that connected should not have to know.
void Lines::start() {
  const bool first_try = link_ == nullptr;
  if (first_try || !link_->up()) link_ = &client_.surroundings().handover.pick_next();
  if (!link_->has_room()) {
    link_->wait(*this);
    if (first_try) client_.set_deadline(seconds(client_.surroundings().snapshot->limits.header_seconds));
    return send();
  }
  client_.clear_deadline();
  ipc::Open& open = client_.surroundings().open;
  open = ipc::Open{};
  open.route = ipc::Route::lines;
  open.method = ipc::Method::post;
  open.listener = client_.listener().id;
  open.peer = client_.peer();
  open.accepts_json = true;
  open.has_body = true;
  open.first_body = std::string_view(kept_).substr(0, ipc::kStreamCredit);
  const std::size_t size = open.first_body.size();
  started_ = true;
  call_.open(*link_, open, *this);
  kept_.erase(0, size);
  send();
}

// Passes on what credit covers, then the end if it is due; reads on unless enough waits.
void Lines::send() {
  if (call_.is_open() && !request_ended_) {
    const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(credit_, kept_.size()));
    if (size > 0) call_.body(std::string_view(kept_).substr(0, size));
    credit_ -= size;
    kept_.erase(0, size);
    if (ends_ && kept_.empty()) {
      request_ended_ = true;
      call_.end();
    }
  }
  client_.admission().holds(client_, kept_.size());
  if (client_.closed()) return;
  if (kept_.size() >= ipc::kStreamCredit)
    client_.stream().pause();
  else if (client_.stream().paused())
    client_.stream().resume();
}

void Lines::on_body_credit(std::uint32_t bytes) {
  credit_ += bytes;
  send();
}

void Lines::half_closed() {
  ends_ = true;
  if (started_ || link_ != nullptr) send();
}

// As if the client had half-closed: pending answers still come.
void Lines::wind_up() {
  ends_ = true;
  send();
}

void Lines::on_data(std::string_view bytes) {
  call_.received(bytes.size());
  client_.stream().write(bytes);
  client_.written();
}

void Lines::on_end() {
  call_.ended(request_ended_);
  client_.linger();
}

void Lines::on_reset(Reason) {
  call_.ended(request_ended_);
  client_.linger();
}

void Lines::expired() {
  client_.refuse_note({Reason::engine_unavailable});
  client_.close();
}

void Lines::client_gone() {
  call_.cancel();
  leave_the_queue();
}

void Lines::leave_the_queue() {
  if (link_ != nullptr) link_->forget(*this);
}

}  // namespace clawql::door
