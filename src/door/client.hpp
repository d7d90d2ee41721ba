// One connected client: its stream, its place in the admission, its one deadline, and how it ends. What it speaks is a
// Protocol: HTTP, or newline JSON where the first byte on the Unix socket says so. Owned by the DoorLoop; a closed
// client is buried and dies at the end of the loop's turn, so that its callbacks may return through it.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string_view>

#include "door/admission.hpp"
#include "door/route.hpp"
#include "door/surroundings.hpp"
#include "io/stream.hpp"

namespace clawql::door {

class Protocol {
 public:
  virtual ~Protocol() = default;
  virtual void received(std::string_view bytes) = 0;
  virtual void half_closed() = 0;  // the client sends no more; it may still read
  virtual void hung_up() {}        // the same, known before all that it sent has been read; half_closed() comes then
  virtual void drained() = 0;      // the client (its kernel) took all that was written
  virtual void expired() = 0;      // the client's deadline
  virtual void wind_up() = 0;      // the gateway is stopping: end as soon as nothing is under way
  virtual void client_gone() = 0;  // let the engine know; nothing can be written any more
};

class Client final : private io::Stream::Handler, public Admission::Guest {
 public:
  Client(Surroundings& surroundings, Admission& admission, std::shared_ptr<const Listener> listener,
         const ipc::Peer& peer, os::Fd fd);
  ~Client();

  // Takes a place and begins. False: there is no room; the client was told and is ending or closed.
  bool begin();
  void wind_up();

  Surroundings& surroundings() { return surroundings_; }
  Admission& admission() { return admission_; }
  io::Stream& stream() { return stream_; }
  const Listener& listener() const { return *listener_; }
  const ipc::Peer& peer() const { return peer_; }
  bool closed() const { return closed_; }
  bool sends_no_more() const { return ended_; }            // and all that it sent was read
  bool has_hung_up() const { return hung_up_ || ended_; }  // it closed its sending side

  void set_deadline(base::Milliseconds from_now) { deadline_.set(from_now); }
  void clear_deadline() { deadline_.clear(); }
  // Tells the admission what waits to be taken. This client may be closed() afterwards.
  void written() { admission_.unsent(*this, stream_.pending()); }
  // Ends in order: what was written leaves, then the sending side closes, then input is read to its end for a moment,
  // because a close over unread input would destroy the answer on its way (RFC 9112 section 9.6).
  void linger();
  // Ends now. The protocol is told.
  void close();
  void refuse_note(const Refused& refused) { surroundings_.refusals.note(refused, peer_, *listener_); }

 private:
  friend class DoorLoop;
  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_end_ahead() override;
  void on_drained() override;
  void on_blocked(bool took) override;
  void on_failed(Error error) override;
  void evict(base::Reason reason) override;
  void on_deadline();
  void choose_protocol(char first_byte);

  Surroundings& surroundings_;
  Admission& admission_;
  std::shared_ptr<const Listener> listener_;
  ipc::Peer peer_;
  io::Stream stream_;
  io::Deadline deadline_;
  std::optional<io::Deadline> patience_;                // with a client that does not take what waits for it
  std::unique_ptr<Protocol> protocol_;                  // null before the first byte on a Unix socket
  std::list<std::unique_ptr<Client>>::iterator place_;  // in the DoorLoop's list
  bool ended_ = false;
  bool hung_up_ = false;
  bool lingering_ = false;
  bool closed_ = false;
};

}  // namespace clawql::door
