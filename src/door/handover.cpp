#include "door/handover.hpp"

#include <utility>

#include "base/check.hpp"
#include "ipc/shards.hpp"

namespace clawql::door {
namespace {

// Half of what a stream may have under way: rare enough to be cheap, often enough that the engine never stands still.
constexpr std::size_t kCreditWorthAFrame = ipc::kStreamCredit / 2;

std::optional<std::uint32_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint32_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint32_t>(c - 'a' + 10);
  return std::nullopt;
}

}  // namespace

// ---- ShardLink

void ShardLink::attach(os::Fd channel) {
  if (channel_ != nullptr) replaced_.push_back(std::move(channel_));
  ipc::DoorChannel::Handler& handler = *this;
  channel_ = std::make_unique<ipc::DoorChannel>(loop_, std::move(channel), handler);
  loop_.at_turn_end(*this);
}

void ShardLink::wait(Waiter& waiter) {
  waiter.round_ = round_;
  if (!waiter.linked()) waiting_.push_back(waiter);
}

void ShardLink::on_closed(Error error) {
  // The channel is in the middle of its own call: it goes at the end of the turn.
  loop_.at_turn_end(*this);
  on_lost_(error);
}

void ShardLink::on_turn_end() {
  std::erase_if(replaced_, [](const auto& channel) { return channel->closed(); });
  if (channel_ != nullptr && channel_->closed()) channel_.reset();
  ++round_;
  // Whoever waits again within this round comes in the next one.
  while (Waiter* const waiter = waiting_.front()) {
    if (waiter->round_ == round_ || (up() && !has_room())) break;
    waiting_.remove(*waiter);
    waiter->on_chance();
  }
}

// ---- Handover

Handover::Handover(io::Loop& loop, std::uint32_t shards,
                   const std::function<void(std::uint32_t, const Error&)>& on_lost) {
  for (std::uint32_t i = 0; i < (shards > 0 ? shards : 1); ++i)
    links_.push_back(std::make_unique<ShardLink>(loop, [i, on_lost](const Error& error) { on_lost(i, error); }));
}

std::optional<std::uint32_t> shard_of_session(std::string_view session_id) {
  if (session_id.size() < 2) return std::nullopt;
  const auto high = hex_digit(session_id[0]);
  const auto low = hex_digit(session_id[1]);
  if (!high || !low) return std::nullopt;
  return *high * 16 + *low;
}

ShardLink& Handover::pick(const AdmittedRequest& request, std::string_view head_bytes) {
  switch (request.route()) {
    case ipc::Route::mcp:
    case ipc::Route::sse:
    case ipc::Route::message:
    case ipc::Route::lines: break;
    case ipc::Route::readyz:
    case ipc::Route::metrics:
    case ipc::Route::admin: return *links_[0];
  }
  if (const auto session = request.field(ipc::RequestField::session_id, head_bytes)) {
    const auto index = shard_of_session(*session);
    return index && *index < links_.size() ? *links_[*index] : *links_[0];
  }
  // `files__read`: a name that was given a prefix by the server's key. Any other guess would be as good as none.
  const auto name = request.field(ipc::RequestField::mcp_name, head_bytes).value_or(std::string_view());
  const std::size_t key = name.find("__");
  if (key == std::string_view::npos) return pick_next();
  return *links_[ipc::shard_of(name.substr(0, key), shards())];
}

ShardLink& Handover::pick_next() {
  next_ = (next_ + 1) % shards();
  return *links_[next_];
}

// ---- Call

void Call::open(ShardLink& link, const ipc::Open& open, ipc::DoorStreamHandler& handler) {
  CLAWQL_CHECK(channel_ == nullptr);
  channel_ = &link.channel();
  untaken_ = 0;
  stream_ = channel_->open(open, handler);
}

void Call::cancel() {
  ipc::DoorChannel* const channel = std::exchange(channel_, nullptr);
  if (channel != nullptr) channel->cancel(stream_);
}

void Call::client_took_all() {
  if (channel_ == nullptr || untaken_ < kCreditWorthAFrame) return;
  channel_->credit(stream_, static_cast<std::uint32_t>(std::exchange(untaken_, 0)));
}

void Call::ended(bool request_ended) {
  ipc::DoorChannel* const channel = std::exchange(channel_, nullptr);
  if (channel != nullptr && !request_ended) channel->cancel(stream_);
}

}  // namespace clawql::door
