#include <algorithm>

#include "base/check.hpp"
#include "ipc/channel.hpp"
#include "ipc/frame_stream.hpp"
#include "ipc/rules.hpp"

namespace clawql::ipc {
namespace {

struct Slot {
  EngineStreamHandler* handler = nullptr;
  EngineState state = EngineState::idle;
  std::uint32_t serial = 0;  // of the request on this stream, so that a stale one is not taken for the next
  bool head_sent = false;
  bool end_wanted = false;  // end() was called; it waits behind `buffer`
  bool blocked = false;     // waits for credit of the channel
  std::uint32_t credit = kStreamCredit;
  std::uint64_t body_allowed = 0;  // bytes of body that were granted and have not come
  std::string buffer;              // waits for credit
  std::size_t buffer_begin = 0;

  std::size_t waiting() const { return buffer.size() - buffer_begin; }

  // Not `buffer = {}`: assigning an empty string keeps the memory, for each of the thousands of streams.
  void drop_buffer() {
    std::string().swap(buffer);
    buffer_begin = 0;
  }
  void forget() {
    drop_buffer();
    *this = Slot{};
  }
};

}  // namespace

struct EngineChannel::Impl final : FrameStream::Receiver {
  Impl(EngineChannel& self_, io::Loop& loop, os::Fd socket, Handler& handler_)
      : self(self_), handler(handler_), frames(loop, std::move(socket), *this) {}

  EngineChannel& self;
  Handler& handler;
  std::vector<Slot> slots;
  std::vector<StreamId> blocked;
  std::size_t buffered = 0;
  std::uint32_t serial = 0;
  FrameStream frames;

  Slot* live(StreamId stream) {
    if (frames.lost() || stream >= slots.size()) return nullptr;
    Slot& slot = slots[stream];
    const bool answering = slot.state == EngineState::asking || slot.state == EngineState::asked;
    return answering && !slot.end_wanted ? &slot : nullptr;
  }

  bool on_frame(const FrameHeader& header, std::string_view payload) override {
    if (header.kind == Kind::refusals) {
      const auto counts = decode_refusals(payload);
      if (!counts || header.stream != kChannelItself) return false;
      handler.on_refusals(*counts);
      return true;
    }
    if (header.stream >= kMaxStreams) return false;
    if (header.stream >= slots.size()) {
      // Ids are dense: the door takes the lowest that was never used.
      if (header.kind != Kind::open || header.stream != slots.size()) return false;
      slots.emplace_back();
    }
    const StreamId stream = header.stream;
    switch (engine_may_receive(header.kind, slots[stream].state)) {
      case Verdict::bad: return false;
      case Verdict::ignore: return true;
      case Verdict::close: slots[stream].forget(); return true;
      case Verdict::ok: break;
    }
    if (header.kind == Kind::open) return take_open(stream, payload);
    if (header.kind == Kind::body) return take_body(stream, payload);
    if (header.kind == Kind::credit) return take_credit(stream, payload);
    if (header.kind == Kind::end) {
      slots[stream].state = EngineState::asked;
      if (slots[stream].handler != nullptr) slots[stream].handler->on_end();
      return true;
    }
    if (header.kind == Kind::half_closed) {
      if (slots[stream].handler != nullptr) slots[stream].handler->on_half_closed();
      return true;
    }
    take_cancel(stream);
    return true;
  }

  bool take_open(StreamId stream, std::string_view payload) {
    const auto open = decode_open(payload);
    if (!open) return false;
    const std::uint32_t mine = ++serial;
    slots[stream].state = EngineState::asking;
    slots[stream].serial = mine;
    EngineStreamHandler& stream_handler = handler.on_open(self, stream, *open);
    Slot& slot = slots[stream];  // may have moved
    if (slot.serial == mine && (slot.state == EngineState::asking || slot.state == EngineState::asked) &&
        !slot.end_wanted)
      slot.handler = &stream_handler;
    return true;
  }

  bool take_body(StreamId stream, std::string_view payload) {
    Slot& slot = slots[stream];
    if (payload.size() > slot.body_allowed) return false;
    slot.body_allowed -= payload.size();
    if (slot.handler != nullptr) slot.handler->on_body(payload);
    return true;
  }

  bool take_credit(StreamId stream, std::string_view payload) {
    const auto bytes = read_u32(payload);
    Slot& slot = slots[stream];
    if (!bytes || *bytes > kStreamCredit - slot.credit) return false;
    slot.credit += *bytes;
    pump(stream);
    if (slots[stream].handler != nullptr) slots[stream].handler->on_taken(slots[stream].waiting());
    return true;
  }

  void take_cancel(StreamId stream) {
    EngineStreamHandler* const stream_handler = slots[stream].handler;
    buffered -= slots[stream].waiting();
    slots[stream].forget();
    frames.send_with(Kind::reset, stream,
                     [](std::string& out) { out += static_cast<char>(base::Reason::call_cancelled); });
    if (stream_handler != nullptr) stream_handler->on_cancel();
  }

  // Sends what the stream's and the channel's credit cover, then the end if it is due.
  void pump(StreamId stream) {
    Slot& slot = slots[stream];
    while (slot.waiting() > 0 && slot.credit > 0 && frames.window() > 0) {
      const std::size_t size = std::min<std::size_t>(slot.waiting(), slot.credit);
      frames.send(Kind::data, stream, std::string_view(slot.buffer).substr(slot.buffer_begin, size));
      slot.credit -= static_cast<std::uint32_t>(size);
      slot.buffer_begin += size;
      buffered -= size;
    }
    if (slot.waiting() == 0) {
      slot.drop_buffer();
      if (slot.end_wanted) finish(stream, Kind::end, {});
      return;
    }
    if (slot.buffer_begin > slot.buffer.size() / 2) {
      slot.buffer.erase(0, slot.buffer_begin);
      slot.buffer_begin = 0;
    }
    if (slot.credit > 0 && !slot.blocked) {
      slot.blocked = true;
      blocked.push_back(stream);
    }
  }

  void finish(StreamId stream, Kind kind, std::string_view payload) {
    frames.send(kind, stream, payload);
    Slot& slot = slots[stream];
    const bool request_ended = slot.state == EngineState::asked;
    slot.forget();
    if (!request_ended) slot.state = EngineState::answered;
  }

  void on_window() override {
    for (const StreamId stream : std::exchange(blocked, {})) {
      slots[stream].blocked = false;
      if (slots[stream].waiting() == 0) continue;
      pump(stream);
      // As after credit of the stream: whoever waits for the last byte to leave hears of it here or never.
      const Slot& slot = slots[stream];
      if (slot.handler != nullptr) slot.handler->on_taken(slot.waiting());
      if (frames.lost()) return;
    }
  }

  void on_lost(Error error) override {
    buffered = 0;
    for (auto& slot : slots) {
      EngineStreamHandler* const stream_handler = slot.handler;
      slot.forget();
      if (stream_handler != nullptr) stream_handler->on_cancel();
    }
    handler.on_closed(std::move(error));
  }
};

EngineChannel::EngineChannel(io::Loop& loop, os::Fd socket, Handler& handler)
    : impl_(std::make_unique<Impl>(*this, loop, std::move(socket), handler)) {}
EngineChannel::~EngineChannel() = default;

bool EngineChannel::closed() const {
  return impl_->frames.lost();
}
std::size_t EngineChannel::buffered() const {
  return impl_->buffered;
}
std::size_t EngineChannel::buffered(StreamId stream) const {
  return stream < impl_->slots.size() ? impl_->slots[stream].waiting() : 0;
}

void EngineChannel::grant_body(StreamId stream, std::uint32_t bytes) {
  Slot* const slot = impl_->live(stream);
  if (slot == nullptr || slot->state != EngineState::asking || bytes == 0) return;
  slot->body_allowed += bytes;
  impl_->frames.send_with(Kind::credit, stream, [bytes](std::string& out) { append_u32(out, bytes); });
}

void EngineChannel::head(StreamId stream, const Head& head) {
  Slot* const slot = impl_->live(stream);
  if (slot == nullptr) return;
  CLAWQL_CHECK(!slot->head_sent);
  slot->head_sent = true;
  impl_->frames.send_with(Kind::head, stream, [&head](std::string& out) { encode(out, head); });
}

void EngineChannel::data(StreamId stream, std::string_view bytes) {
  Slot* const slot = impl_->live(stream);
  if (slot == nullptr) return;
  CLAWQL_CHECK(slot->head_sent);
  // Straight out while nothing waits before it; one copy, into the outgoing bytes.
  if (slot->waiting() == 0) {
    while (!bytes.empty() && slot->credit > 0 && impl_->frames.window() > 0) {
      const std::size_t size = std::min<std::size_t>(bytes.size(), slot->credit);
      impl_->frames.send(Kind::data, stream, bytes.substr(0, size));
      slot->credit -= static_cast<std::uint32_t>(size);
      bytes.remove_prefix(size);
    }
  }
  if (bytes.empty()) return;
  slot->buffer.append(bytes);
  impl_->buffered += bytes.size();
  impl_->pump(stream);
}

void EngineChannel::end(StreamId stream) {
  Slot* const slot = impl_->live(stream);
  if (slot == nullptr) return;
  CLAWQL_CHECK(slot->head_sent);
  slot->end_wanted = true;
  slot->handler = nullptr;  // its part is done; a cancel now only drops what waits
  if (slot->waiting() == 0) impl_->finish(stream, Kind::end, {});
}

void EngineChannel::reset(StreamId stream, base::Reason reason) {
  Slot* const slot = impl_->live(stream);
  if (slot == nullptr) return;
  impl_->buffered -= slot->waiting();
  const char byte = static_cast<char>(reason);
  impl_->finish(stream, Kind::reset, std::string_view(&byte, 1));
}

}  // namespace clawql::ipc
