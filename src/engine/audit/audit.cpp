#include "engine/audit/audit.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/check.hpp"
#include "base/log.hpp"
#include "engine/audit/event_ids.hpp"
#include "engine/audit/recent_events.hpp"
#include "engine/audit/sha256.hpp"

namespace clawql::engine::audit {
namespace {

constexpr std::size_t kFieldLimit = 256;    // bytes of one field, before escaping
constexpr std::size_t kDetailLimit = 1024;  // of `detail`, which carries offered values
constexpr std::size_t kUsualLine = 1024;
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

void append_member(base::Appender& out, std::string_view key_and_colon, std::string_view value) {
  if (value.empty()) return;
  out.put(key_and_colon);
  base::append_json_string(out, value, kFieldLimit);
}

void append_event(base::Appender& out, const Event& event, Sha256& sha256) {
  base::append_json_string(out, event.principal, kFieldLimit);
  out.put(R"(,"session":)");
  base::append_json_string(out, event.session, kFieldLimit);
  out.put(R"(},"event":{"type":")");
  out.put(word(event.type));
  out.put(R"(","subtype":)");
  base::append_json_string(out, event.subtype, kFieldLimit);
  out.put(R"(,"outcome":")");
  out.put(word(event.outcome));
  out.put(R"(","severity":")");
  out.put(word(event.severity));
  out.put(R"("},"detail":)");
  base::append_json_string(out, event.detail, kDetailLimit);
  out.put(R"(,"payloadHash":)");
  if (event.payload) {
    out.put('"');
    sha256.append_hex(out, *event.payload);
    out.put('"');
  } else {
    base::append_json_string(out, event.payload_hash, kFieldLimit);
  }
  append_member(out, R"(,"listener":)", event.listener);
  append_member(out, R"(,"peer":)", event.peer);
  append_member(out, R"(,"server":)", event.server);
  append_member(out, R"(,"tool":)", event.tool);
  append_member(out, R"(,"reason":)", event.reason);
  append_member(out, R"(,"call":)", event.call);
  out.put(R"(,"count":)");
  out.put_decimal(event.count);
  if (event.duration_us >= 0) {
    out.put(R"(,"durationUs":)");
    out.put_decimal(event.duration_us);
  }
  out.put(R"(,"bytes":)");
  out.put_decimal(event.bytes);
  out.put("}\n");
}

}  // namespace

struct Log::Impl final : io::TurnEnd {
  Impl(const ipc::AuditSettings& audit_settings, const base::Clock& wall, std::uint64_t ring_events, Keeper where,
       std::function<void()> ask)
      : settings(audit_settings),
        clock(wall),
        keeper(std::move(where)),
        need_file(std::move(ask)),
        recent(ring_events) {}

  void append_timestamp(base::Appender& out, std::int64_t now);
  Status compose(const Event& event);  // into `line`
  Status write_pending();
  Status make_safe(std::size_t line_begin);
  void on_turn_end() override { stuck = !write_pending(); }
  void rotate_when_full() const;

  const ipc::AuditSettings settings;
  const base::Clock& clock;
  Keeper keeper;  // of the other shards; empty in shard 0, which has `recent`
  std::function<void()> need_file;
  io::Loop* loop = nullptr;
  std::shared_ptr<File> file;
  bool stuck = false;   // what was gathered could not be written: no further record is taken before it is
  std::string pending;  // whole lines that the file has not taken yet
  std::int64_t cached_second = -1;
  std::string cached_prefix;  // "2026-11-24T11:22:16." of that second
  std::string line;           // the record at hand
  EventIds ids;
  Sha256 sha256;
  RecentEvents recent;
  std::uint64_t written = 0, failed = 0;
};

void Log::Impl::append_timestamp(base::Appender& out, std::int64_t now) {
  constexpr std::size_t kPrefix = std::string_view("2026-11-24T11:22:16.").size();
  const std::int64_t second = now / kNanosecondsPerSecond;
  if (second != cached_second) {
    cached_prefix = base::format_utc(now).substr(0, kPrefix);
    cached_second = second;
  }
  out.put(cached_prefix);
  std::array<char, 10> fraction{'0', '0', '0', '0', '0', '0', '0', '0', '0', 'Z'};
  std::int64_t rest = now % kNanosecondsPerSecond;
  for (std::size_t i = 9; i-- > 0; rest /= 10) fraction[i] = static_cast<char>('0' + rest % 10);
  out.put(std::string_view(fraction.data(), fraction.size()));
}

Status Log::Impl::compose(const Event& event) {
  line.clear();
  base::Appender out(line, kUsualLine);
  out.put(R"({"schemaVersion":"1","eventId":")");
  CLAWQL_CHECKED(ids.append_next(out));
  out.put(R"(","timestamp":")");
  append_timestamp(out, clock.wall_nanoseconds());
  out.put(kSource);
  append_event(out, event, sha256);
  return {};
}

Status Log::Impl::write_pending() {
  if (pending.empty()) return {};
  if (!file) return fail("the audit log has no file yet");
  File::Taken taken = file->write(pending);
  pending.erase(0, taken.bytes);
  if (taken.status) return {};
  Error error = std::move(taken.status).error();
  error.message = "the audit log " + settings.path + ": " + error.message;
  return std::unexpected(std::move(error));
}

// The line that begins there is in the file now (when strict: on the disk), or will be before this turn's streams send.
Status Log::Impl::make_safe(std::size_t line_begin) {
  if (loop != nullptr && !stuck) {
    loop->first_at_turn_end(*this);
    return {};
  }
  const std::size_t size = pending.size();
  Status done = write_pending();
  stuck = loop != nullptr && !done;
  if (done && settings.strict && ::fdatasync(file->descriptor_.get()) != 0)
    return fail_system("fdatasync of the audit log " + settings.path);
  // Where the file took none of it, it is no record: its action will not happen.
  const std::size_t gone = size - pending.size();
  if (!done && gone <= line_begin) pending.resize(line_begin - gone);
  return done;
}

// The old file serves on until the next one is here.
void Log::Impl::rotate_when_full() const {
  if (!file || file->bytes_.load(std::memory_order_relaxed) < settings.file_bytes) return;
  if (!file->replaced_.exchange(true, std::memory_order_relaxed) && need_file) need_file();
}

// ---- File

namespace {

Result<std::size_t> write_some(int descriptor, std::string_view bytes) {
  ssize_t count = 0;
  do {
    count = ::write(descriptor, bytes.data(), bytes.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) return std::unexpected(fail_system("write").error());
  return static_cast<std::size_t>(count);
}

}  // namespace

File::File(os::Fd descriptor) : descriptor_(std::move(descriptor)) {
  struct stat facts{};
  if (::fstat(descriptor_.get(), &facts) == 0) bytes_ = static_cast<std::uint64_t>(facts.st_size);
}

File::Taken File::write(std::string_view lines) {
  constexpr std::string_view kPart = "only a part of the records was taken (disk full?)";
  const std::lock_guard lock(mutex_);
  if (!torn_line_.empty()) {
    const auto more = write_some(descriptor_.get(), std::string_view(torn_line_).substr(torn_done_));
    if (!more) return {0, std::unexpected(more.error())};
    bytes_.fetch_add(*more, std::memory_order_relaxed);
    torn_done_ += *more;
    if (torn_done_ < torn_line_.size()) return {0, fail(std::string(kPart))};
    torn_line_.clear();
  }
  const auto count = write_some(descriptor_.get(), lines);
  if (!count) return {0, std::unexpected(count.error())};
  bytes_.fetch_add(*count, std::memory_order_relaxed);
  if (*count == lines.size()) return {*count, {}};
  const std::size_t begin = lines.substr(0, *count).rfind('\n') + 1;  // of the line that was cut; npos + 1 is 0
  if (begin == *count) return {begin, fail(std::string(kPart))};
  const std::size_t end = lines.find('\n', *count) + 1;
  torn_line_ = lines.substr(begin, end - begin);
  torn_done_ = *count - begin;
  return {end, fail(std::string(kPart))};
}

std::string File::take_torn_line() {
  const std::lock_guard lock(mutex_);
  return std::exchange(torn_line_, {});
}

// ---- Log

Log::Log(const ipc::AuditSettings& settings, const base::Clock& clock, std::uint64_t ring_events,
         std::function<void()> need_file)
    : impl_(std::make_unique<Impl>(settings, clock, ring_events, nullptr, std::move(need_file))) {}

Log::Log(const ipc::AuditSettings& settings, const base::Clock& clock, Keeper keeper, std::function<void()> need_file)
    : impl_(std::make_unique<Impl>(settings, clock, 0, std::move(keeper), std::move(need_file))) {}

Log::~Log() = default;

void Log::set_file(std::shared_ptr<File> file) {
  if (impl_->file) impl_->pending.insert(0, impl_->file->take_torn_line());
  impl_->file = std::move(file);
  impl_->stuck = !impl_->write_pending();
}

void Log::gather_on(io::Loop& loop) {
  CLAWQL_CHECK(!impl_->settings.strict);
  impl_->loop = &loop;
}

Status Log::record(const Event& event) {
  const std::size_t begin = impl_->pending.size();
  Status done = impl_->compose(event);
  if (done) {
    impl_->pending += impl_->line;
    done = impl_->make_safe(begin);
  }
  if (!done) {
    ++impl_->failed;
    return done;
  }
  ++impl_->written;
  const std::string_view text = std::string_view(impl_->line).substr(0, impl_->line.size() - 1);
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

}  // namespace clawql::engine::audit
