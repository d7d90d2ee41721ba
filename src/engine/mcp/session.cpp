#include "engine/mcp/session.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.hpp"
#include "engine/audit/audit.hpp"
#include "engine/mcp/random.hpp"
#include "engine/mcp/replies.hpp"

namespace clawql::engine::mcp {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

void append_hex(std::string& out, std::uint8_t byte) {
  out += kHex[byte >> 4U];
  out += kHex[byte & 15U];
}

constexpr std::uint8_t kNoDigit = 0x80;

// Of each byte the value as a lower-case hexadecimal digit, or kNoDigit.
consteval std::array<std::uint8_t, 256> make_digits() {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (std::size_t i = 0; i < kHex.size(); ++i)
    digits[static_cast<unsigned char>(kHex[i])] = static_cast<std::uint8_t>(i);
  return digits;
}
constexpr std::array<std::uint8_t, 256> kDigits = make_digits();

}  // namespace

// ---- SessionId

Result<SessionId> SessionId::make(std::uint8_t shard) {
  SessionId id;
  id.shard_ = shard;
  CLAWQL_TRY(id.bits_, random_bytes());
  return id;
}

std::optional<SessionId> SessionId::parse(std::string_view text) {
  if (text.size() != kTextLength) return std::nullopt;
  unsigned seen = 0;  // every digit's bits, to find one that is none at the end
  const auto read = [&](std::size_t at) {
    const unsigned high = kDigits[static_cast<unsigned char>(text[at])];
    const unsigned low = kDigits[static_cast<unsigned char>(text[at + 1])];
    seen |= high | low;
    return static_cast<std::uint8_t>(high << 4U | low);
  };
  SessionId id;
  id.shard_ = read(0);
  for (std::size_t i = 0; i < id.bits_.size(); ++i) id.bits_[i] = read(2 + 2 * i);
  if ((seen & kNoDigit) != 0) return std::nullopt;
  return id;
}

std::string SessionId::text() const {
  std::string out;
  out.reserve(kTextLength);
  append_hex(out, shard_);
  for (const std::uint8_t byte : bits_) append_hex(out, byte);
  return out;
}

std::size_t SessionId::Hash::operator()(const SessionId& id) const {
  std::size_t hash = 0;
  std::memcpy(&hash, id.bits_.data(), sizeof hash);
  return hash;
}

// ---- Session

Session::Session(SessionId id, identity::KnownPrincipal& principal, Version version, View& shared)
    : Client(principal, version, shared), id_(id) {
  audit::sha256_hex(id.text()).copy(audit_name_.data(), audit_name_.size());
  ++principal.sessions;
}

Session::~Session() {
  --principal().sessions;
}

// Without a stream nobody can be told; the client reads anew when it comes back.
void Session::on_resource_updated(std::string_view uri) {
  tell(resource_updated(uri));
}

bool Session::tell(std::string_view notification) {
  if (MessageStream* const stream = newest_stream()) return stream->send(notification);
  const std::shared_ptr<MessageStream> resting = resting_.lock();
  return resting != nullptr && resting->send(notification);
}

void Session::attach(MessageStream& stream) {
  streams_.push_back(&stream);
}
void Session::detach(MessageStream& stream) {
  std::erase(streams_, &stream);
}

base::Microseconds Session::idle_for(base::Microseconds now) const {
  if (in_flight() > 0 || !streams_.empty()) return base::Microseconds{0};
  return now - last_used_;
}

// ---- Sessions

Result<Session*> Sessions::open(identity::KnownPrincipal& principal, Version version, View& shared,
                                base::Microseconds now) {
  CLAWQL_TRY(const SessionId id, SessionId::make(shard_));
  auto [place, is_new] = sessions_.emplace(id, std::make_unique<Session>(id, principal, version, shared));
  CLAWQL_CHECK(is_new);
  place->second->touch(now);
  return place->second.get();
}

Session* Sessions::find(std::string_view id_text, const identity::KnownPrincipal& principal) const {
  const auto id = SessionId::parse(id_text);
  if (!id) return nullptr;
  const auto found = sessions_.find(*id);
  if (found == sessions_.end() || &found->second->principal() != &principal) return nullptr;
  return found->second.get();
}

Session* Sessions::find(const SessionId& id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.get();
}

void Sessions::close(Session& session) {
  CLAWQL_CHECK(session.in_flight() == 0 && session.streams() == 0);
  if (session.log_level_) --by_log_level_[static_cast<std::size_t>(*session.log_level_)];
  sessions_.erase(SessionId(session.id()));
}

void Sessions::set_log_level(Session& session, LogLevel level) {
  if (session.log_level_) --by_log_level_[static_cast<std::size_t>(*session.log_level_)];
  ++by_log_level_[static_cast<std::size_t>(level)];
  session.log_level_ = level;
}

std::optional<LogLevel> Sessions::least_log_level() const {
  for (std::size_t level = 0; level < by_log_level_.size(); ++level)
    if (by_log_level_[level] > 0) return static_cast<LogLevel>(level);
  return std::nullopt;
}

void Sessions::for_each(const std::function<void(Session&)>& visit) {
  for (const auto& [id, session] : sessions_) visit(*session);
}

std::vector<Session*> Sessions::idle(base::Microseconds now, base::Microseconds limit) const {
  std::vector<Session*> found;
  for (const auto& [id, session] : sessions_)
    if (session->idle_for(now) > limit) found.push_back(session.get());
  return found;
}

}  // namespace clawql::engine::mcp
