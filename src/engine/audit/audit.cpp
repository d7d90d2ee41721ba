#include "engine/audit/audit.hpp"

#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/check.hpp"
#include "base/log.hpp"
#include "engine/audit/event_ids.hpp"
#include "engine/audit/recent_events.hpp"

namespace clawql::engine::audit {
namespace {

constexpr std::size_t kFieldLimit = 256;    // bytes of one field, before escaping
constexpr std::size_t kDetailLimit = 1024;  // of `detail`, which carries offered values
constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::string_view kSource =
    R"(","source":{"component":"clawql-engine","version":")" CLAWQL_VERSION R"("},"principal":{"agent":)";

std::string_view word(Type type) {
  switch (type) {
    case Type::auth: return "AUTH";
    case Type::tool_call: return "TOOL_CALL";
    case Type::agent: return "AGENT";
    case Type::network: return "NETWORK";
    case Type::policy: return "POLICY";
  }
  CLAWQL_CHECK(false);
}

std::string_view word(Outcome outcome) {
  switch (outcome) {
    case Outcome::intent: return "intent";
    case Outcome::success: return "success";
    case Outcome::error: return "error";
    case Outcome::refused: return "refused";
    case Outcome::cancelled: return "cancelled";
  }
  CLAWQL_CHECK(false);
}

std::string_view word(Severity severity) {
  switch (severity) {
    case Severity::info: return "info";
    case Severity::low: return "low";
    case Severity::medium: return "medium";
    case Severity::high: return "high";
    case Severity::critical: return "critical";
  }
  CLAWQL_CHECK(false);
}

template <class Integer>
void append_number(std::string& out, Integer value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

void append_member(std::string& out, std::string_view key_and_colon, std::string_view value) {
  if (value.empty()) return;
  out += key_and_colon;
  base::append_json_string(out, value, kFieldLimit);
}

void append_event(std::string& out, const Event& event) {
  base::append_json_string(out, event.principal, kFieldLimit);
  out += R"(,"session":)";
  base::append_json_string(out, event.session, kFieldLimit);
  out += R"(},"event":{"type":")";
  out += word(event.type);
  out += R"(","subtype":)";
  base::append_json_string(out, event.subtype, kFieldLimit);
  out += R"(,"outcome":")";
  out += word(event.outcome);
  out += R"(","severity":")";
  out += word(event.severity);
  out += R"("},"detail":)";
  base::append_json_string(out, event.detail, kDetailLimit);
  out += R"(,"payloadHash":)";
  base::append_json_string(out, event.payload_hash, kFieldLimit);
  append_member(out, R"(,"listener":)", event.listener);
  append_member(out, R"(,"peer":)", event.peer);
  append_member(out, R"(,"server":)", event.server);
  append_member(out, R"(,"tool":)", event.tool);
  append_member(out, R"(,"reason":)", event.reason);
  append_member(out, R"(,"call":)", event.call);
  out += R"(,"count":)";
  append_number(out, event.count);
  if (event.duration_us >= 0) {
    out += R"(,"durationUs":)";
    append_number(out, event.duration_us);
  }
  out += R"(,"bytes":)";
  append_number(out, event.bytes);
  out += "}\n";
}

}  // namespace

struct Log::Impl {
  Impl(const ipc::AuditSettings& audit_settings, const base::Clock& wall, std::uint64_t ring_events, Keeper where,
       std::function<void()> ask)
      : settings(audit_settings),
        clock(wall),
        keeper(std::move(where)),
        need_file(std::move(ask)),
        recent(ring_events) {}

  void append_timestamp(std::int64_t now);
  Status compose(const Event& event);
  Status write_line();
  void rotate_when_full() const;

  const ipc::AuditSettings settings;
  const base::Clock& clock;
  Keeper keeper;  // of the other shards; empty in shard 0, which has `recent`
  std::function<void()> need_file;
  std::shared_ptr<File> file;
  std::string line;  // reused
  std::int64_t cached_second = -1;
  std::string cached_prefix;  // "2026-11-24T11:22:16." of that second
  EventIds ids;
  RecentEvents recent;
  std::uint64_t written = 0, failed = 0;
};

void Log::Impl::append_timestamp(std::int64_t now) {
  constexpr std::size_t kPrefix = std::string_view("2026-11-24T11:22:16.").size();
  const std::int64_t second = now / kNanosecondsPerSecond;
  if (second != cached_second) {
    cached_prefix = base::format_utc(now).substr(0, kPrefix);
    cached_second = second;
  }
  line += cached_prefix;
  std::array<char, 10> fraction{'0', '0', '0', '0', '0', '0', '0', '0', '0', 'Z'};
  std::int64_t rest = now % kNanosecondsPerSecond;
  for (std::size_t i = 9; i-- > 0; rest /= 10) fraction[i] = static_cast<char>('0' + rest % 10);
  line.append(fraction.data(), fraction.size());
}

Status Log::Impl::compose(const Event& event) {
  const bool torn =
      file && file->torn_.load(std::memory_order_relaxed) && file->torn_.exchange(false, std::memory_order_relaxed);
  line.assign(torn ? "\n" : "");
  line += R"({"schemaVersion":"1","eventId":")";
  CLAWQL_CHECKED(ids.append_next(line));
  line += R"(","timestamp":")";
  append_timestamp(clock.wall_nanoseconds());
  line += kSource;
  append_event(line, event);
  return {};
}

Status Log::Impl::write_line() {
  if (!file) return fail("the audit log has no file yet");
  ssize_t count = 0;
  do {
    count = ::write(file->descriptor_.get(), line.data(), line.size());
  } while (count < 0 && errno == EINTR);
  const bool was_torn = line.front() == '\n';
  if (count < 0) {
    if (was_torn) file->torn_.store(true, std::memory_order_relaxed);
    return fail_system("write to the audit log " + settings.path);
  }
  file->bytes_.fetch_add(static_cast<std::uint64_t>(count), std::memory_order_relaxed);
  if (static_cast<std::size_t>(count) != line.size()) {
    if (count > 0 || was_torn) file->torn_.store(true, std::memory_order_relaxed);
    return fail("write to the audit log " + settings.path + ": only a part of the record was taken (disk full?)");
  }
  if (settings.strict && ::fdatasync(file->descriptor_.get()) != 0)
    return fail_system("fdatasync of the audit log " + settings.path);
  return {};
}

// The old file serves on until the next one is here.
void Log::Impl::rotate_when_full() const {
  if (file->bytes_.load(std::memory_order_relaxed) < settings.file_bytes) return;
  if (!file->replaced_.exchange(true, std::memory_order_relaxed) && need_file) need_file();
}

File::File(os::Fd descriptor) : descriptor_(std::move(descriptor)) {
  struct stat facts{};
  if (::fstat(descriptor_.get(), &facts) == 0) bytes_ = static_cast<std::uint64_t>(facts.st_size);
}

Log::Log(const ipc::AuditSettings& settings, const base::Clock& clock, std::uint64_t ring_events,
         std::function<void()> need_file)
    : impl_(std::make_unique<Impl>(settings, clock, ring_events, nullptr, std::move(need_file))) {}

Log::Log(const ipc::AuditSettings& settings, const base::Clock& clock, Keeper keeper, std::function<void()> need_file)
    : impl_(std::make_unique<Impl>(settings, clock, 0, std::move(keeper), std::move(need_file))) {}

Log::~Log() = default;

void Log::set_file(std::shared_ptr<File> file) {
  impl_->file = std::move(file);
}

Status Log::record(const Event& event) {
  Status done = impl_->compose(event);
  if (done) done = impl_->write_line();
  if (!done) {
    ++impl_->failed;
    return done;
  }
  ++impl_->written;
  std::string_view text = impl_->line;
  text.remove_suffix(1);
  if (text.front() == '\n') text.remove_prefix(1);
  if (impl_->keeper)
    impl_->keeper(event.principal, text);
  else
    impl_->recent.add(event.principal, text);
  impl_->rotate_when_full();
  return {};
}

void Log::keep(std::string_view principal, std::string_view json) {
  impl_->recent.add(principal, json);
}

std::vector<std::string> Log::recent(std::string_view principal, std::size_t limit) const {
  return impl_->recent.newest(principal, limit);
}

std::uint64_t Log::written() const {
  return impl_->written;
}
std::uint64_t Log::failed() const {
  return impl_->failed;
}

std::string sha256_hex(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<unsigned char, 32> digest;
  CLAWQL_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  std::string text;
  text.reserve(2 * digest.size());
  for (const unsigned char byte : digest) {
    text += kHex[byte >> 4U];
    text += kHex[byte & 0x0FU];
  }
  return text;
}

}  // namespace clawql::engine::audit
