#include <algorithm>

#include "base/check.hpp"
#include "ipc/channel.hpp"
#include "ipc/frame_stream.hpp"
#include "ipc/rules.hpp"

namespace clawql::ipc {
namespace {

// An open may carry this much; with less channel credit than that the door waits.
constexpr std::int64_t kRoomForAnOpen = kStreamCredit + (32 << 10);

struct Slot {
  DoorStreamHandler* handler = nullptr;
  DoorState state = DoorState::idle;
  bool request_ended = false;
  std::uint32_t unacknowledged = 0;    // bytes of answer that the client has not taken yet
  std::uint32_t body_credit_held = 0;  // credit that came while the channel's own was used up
};

}  // namespace

struct DoorChannel::Impl final : FrameStream::Receiver {
  Impl(io::Loop& loop, os::Fd socket, Handler& handler_) : handler(handler_), frames(loop, std::move(socket), *this) {}

  Handler& handler;
  std::vector<Slot> slots;
  std::vector<StreamId> free_ids;
  std::vector<StreamId> held;  // streams with body_credit_held
  bool room_wanted = false;
  FrameStream frames;

  Slot& open_slot(StreamId stream) {
    CLAWQL_CHECK(stream < slots.size() && slots[stream].state != DoorState::idle);
    return slots[stream];
  }

  void free(StreamId stream) {
    slots[stream] = Slot{};
    free_ids.push_back(stream);
    tell_room();
  }

  void tell_room() {
    if (!room_wanted || !can_open()) return;
    room_wanted = false;
    handler.on_room();
  }

  bool can_open() const {
    return !frames.lost() && frames.window() >= kRoomForAnOpen && (!free_ids.empty() || slots.size() < kMaxStreams);
  }

  bool on_frame(const FrameHeader& header, std::string_view payload) override {
    if (header.stream >= slots.size()) return false;
    Slot& slot = slots[header.stream];
    switch (door_may_receive(header.kind, slot.state)) {
      case Verdict::bad: return false;
      case Verdict::ignore: return true;
      case Verdict::close: free(header.stream); return true;
      case Verdict::ok: return deliver(header, slot, payload);
    }
    return false;
  }

  bool deliver(const FrameHeader& header, Slot& slot, std::string_view payload) {
    if (header.kind == Kind::head) {
      const auto head = decode_head(payload);
      if (!head) return false;
      slot.state = DoorState::answering;
      slot.handler->on_head(*head);
      return true;
    }
    if (header.kind == Kind::data) {
      if (slot.unacknowledged + payload.size() > kStreamCredit) return false;
      slot.unacknowledged += static_cast<std::uint32_t>(payload.size());
      slot.handler->on_data(payload);
      return true;
    }
    if (header.kind == Kind::credit) return deliver_credit(header.stream, slot, payload);
    return deliver_last(header, slot, payload);
  }

  bool deliver_credit(StreamId stream, Slot& slot, std::string_view payload) {
    const auto bytes = read_u32(payload);
    if (!bytes) return false;
    if (frames.window() > 0) {
      slot.handler->on_body_credit(*bytes);
      return true;
    }
    if (slot.body_credit_held == 0) held.push_back(stream);
    slot.body_credit_held += *bytes;
    return true;
  }

  bool deliver_last(const FrameHeader& header, Slot& slot, std::string_view payload) {
    base::Reason reason{};
    if (header.kind == Kind::reset) {
      if (payload.size() != 1 || static_cast<std::uint8_t>(payload[0]) >= base::kReasonCount) return false;
      reason = static_cast<base::Reason>(payload[0]);
    }
    DoorStreamHandler& stream_handler = *std::exchange(slot.handler, nullptr);
    slot.state = DoorState::answered;
    if (header.kind == Kind::reset)
      stream_handler.on_reset(reason);
    else
      stream_handler.on_end();
    // The handler may have ended or cancelled its request just now, which frees the stream.
    const Slot& after = slots[header.stream];
    if (after.state == DoorState::answered && after.request_ended) free(header.stream);
    return true;
  }

  void on_window() override {
    for (const StreamId stream : std::exchange(held, {})) {
      Slot& slot = slots[stream];
      const std::uint32_t bytes = std::exchange(slot.body_credit_held, 0);
      if (bytes > 0 && slot.handler != nullptr && slot.state != DoorState::answered)
        slot.handler->on_body_credit(bytes);
    }
    tell_room();
  }

  void on_lost(Error error) override {
    for (auto& slot : slots) {
      DoorStreamHandler* const stream_handler = std::exchange(slot.handler, nullptr);
      const bool told = slot.state == DoorState::answered || slot.state == DoorState::cancelled;
      slot.state = DoorState::cancelled;  // whatever the door still says of it is dropped
      if (stream_handler != nullptr && !told) stream_handler->on_reset(base::Reason::engine_unavailable);
    }
    handler.on_closed(std::move(error));
  }
};

DoorChannel::DoorChannel(io::Loop& loop, os::Fd socket, Handler& handler)
    : impl_(std::make_unique<Impl>(loop, std::move(socket), handler)) {}
DoorChannel::~DoorChannel() = default;

bool DoorChannel::can_open() const {
  const bool can = impl_->can_open();
  if (!can) impl_->room_wanted = true;
  return can;
}

bool DoorChannel::closed() const {
  return impl_->frames.lost();
}

StreamId DoorChannel::open(const Open& open, DoorStreamHandler& handler) {
  CLAWQL_CHECK(open.first_body.size() <= kStreamCredit &&
               (!impl_->free_ids.empty() || impl_->slots.size() < kMaxStreams));
  StreamId stream = 0;
  if (impl_->free_ids.empty()) {
    stream = static_cast<StreamId>(impl_->slots.size());
    impl_->slots.emplace_back();
  } else {
    stream = impl_->free_ids.back();
    impl_->free_ids.pop_back();
  }
  impl_->slots[stream].handler = &handler;
  impl_->slots[stream].state = DoorState::waiting;
  impl_->frames.send_with(Kind::open, stream, [&open](std::string& out) { encode(out, open); });
  if (!open.has_body) end(stream);
  return stream;
}

void DoorChannel::body(StreamId stream, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kStreamCredit);
    impl_->frames.send(Kind::body, stream, piece);
    bytes.remove_prefix(piece.size());
  }
}

void DoorChannel::end(StreamId stream) {
  if (impl_->frames.lost()) return;
  Slot& slot = impl_->open_slot(stream);
  if (slot.request_ended) return;
  impl_->frames.send(Kind::end, stream);
  if (slot.state == DoorState::answered) return impl_->free(stream);
  slot.request_ended = true;
}

void DoorChannel::half_closed(StreamId stream) {
  if (impl_->frames.lost()) return;
  const Slot& slot = impl_->open_slot(stream);
  CLAWQL_CHECK(slot.request_ended);
  impl_->frames.send(Kind::half_closed, stream);
}

void DoorChannel::cancel(StreamId stream) {
  if (impl_->frames.lost()) {
    // One that is told of the loss may end another that is still to be told.
    if (stream < impl_->slots.size()) impl_->slots[stream].handler = nullptr;
    return;
  }
  Slot& slot = impl_->open_slot(stream);
  impl_->frames.send(Kind::cancel, stream);
  if (slot.state == DoorState::answered) return impl_->free(stream);
  slot.state = DoorState::cancelled;
  slot.handler = nullptr;
}

void DoorChannel::credit(StreamId stream, std::uint32_t bytes) {
  if (impl_->frames.lost() || bytes == 0 || stream >= impl_->slots.size()) return;
  Slot& slot = impl_->slots[stream];
  if (slot.state != DoorState::answering) return;  // the answer is complete: no more credit is needed
  CLAWQL_CHECK(bytes <= slot.unacknowledged);
  slot.unacknowledged -= bytes;
  impl_->frames.send_with(Kind::credit, stream, [bytes](std::string& out) { append_u32(out, bytes); });
}

void DoorChannel::refusals(const std::vector<RefusalCount>& counts) {
  impl_->frames.send_with(Kind::refusals, kChannelItself, [&counts](std::string& out) { encode(out, counts); });
}

}  // namespace clawql::ipc
