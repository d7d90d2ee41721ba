#include "door/client.hpp"

#include <chrono>

#include "door/connection.hpp"
#include "door/lines.hpp"

namespace clawql::door {
namespace {

constexpr std::size_t kKeptCapacity = 4U << 10;  // of an idle client's outgoing buffer
constexpr base::Milliseconds kLinger{1000};

}  // namespace

Client::Client(Surroundings& surroundings, Admission& admission, std::shared_ptr<const Listener> listener,
               const ipc::Peer& peer, os::Fd fd)
    : surroundings_(surroundings),
      admission_(admission),
      listener_(std::move(listener)),
      peer_(peer),
      stream_(surroundings.loop, std::move(fd), *this),
      deadline_(surroundings.loop, [this] { on_deadline(); }) {
  stream_.keep_at_most(kKeptCapacity);
  stream_.notice_hang_up();
}

// Not buried when the whole loop goes: then nothing is told any more.
Client::~Client() {
  admission_.leave(*this);
}

bool Client::begin() {
  if (!admission_.enter(*this, peer_)) {
    refuse_note({base::Reason::too_many_connections});
    return false;
  }
  if (listener_->kind != Listener::Kind::unix_socket) protocol_ = std::make_unique<Connection>(*this);
  stream_.resume();
  return true;
}

// `{` or `[` begins newline JSON, anything else HTTP. Until this byte no timer runs on the Unix socket: a wrapper may
// connect long before its client speaks.
void Client::choose_protocol(char first_byte) {
  if (first_byte == '{' || first_byte == '[')
    protocol_ = std::make_unique<Lines>(*this);
  else
    protocol_ = std::make_unique<Connection>(*this);
}

void Client::on_bytes(std::string_view bytes) {
  if (closed_ || lingering_) return;
  if (protocol_ == nullptr) choose_protocol(bytes.front());
  protocol_->received(bytes);
}

void Client::on_end() {
  ended_ = true;
  if (closed_) return;
  if (protocol_ == nullptr || (lingering_ && stream_.pending() == 0)) return close();
  if (!lingering_) protocol_->half_closed();
}

void Client::on_end_ahead() {
  hung_up_ = true;
  if (!closed_ && !lingering_ && protocol_ != nullptr) protocol_->hung_up();
}

void Client::on_drained() {
  if (closed_) return;
  admission_.unsent(*this, 0);
  if (patience_) patience_->clear();
  if (!lingering_) return protocol_->drained();
  if (ended_) return close();
  deadline_.set(kLinger);
}

// Its bytes are kept here and in the engine: not for ever. One that reads a little now and then keeps its place.
void Client::on_blocked(bool took) {
  if (closed_) return;
  if (!patience_) patience_.emplace(surroundings_.loop, [this] { evict(base::Reason::reads_too_slowly); });
  if (took || !patience_->is_set()) patience_->set(std::chrono::seconds(surroundings_.snapshot->limits.unread_seconds));
}

void Client::on_failed(Error) {
  if (!closed_) close();
}

void Client::on_deadline() {
  if (closed_) return;
  if (lingering_ || protocol_ == nullptr) return close();
  protocol_->expired();
}

void Client::evict(base::Reason reason) {
  refuse_note({reason});
  close();
}

void Client::wind_up() {
  if (closed_ || lingering_) return;
  if (protocol_ == nullptr) return close();
  protocol_->wind_up();
}

void Client::linger() {
  if (closed_ || lingering_) return;
  lingering_ = true;
  admission_.end_request(*this);
  admission_.holds(*this, 0);
  admission_.waits(*this);  // first to go when room is needed
  stream_.finish();
  if (stream_.pending() == 0) {
    if (ended_) return close();
    deadline_.set(kLinger);
  } else {
    deadline_.clear();  // on_blocked() looks after it
  }
  stream_.resume();
}

void Client::close() {
  if (closed_) return;
  closed_ = true;
  deadline_.clear();
  if (patience_) patience_->clear();
  stream_.pause();
  admission_.leave(*this);
  if (protocol_ != nullptr) protocol_->client_gone();
  surroundings_.undertaker.bury(*this);
}

}  // namespace clawql::door
