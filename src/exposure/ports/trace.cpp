#include "exposure/ports/trace.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>

#include "base/decimal.hpp"
#include "exposure/ports/text.hpp"

namespace clawql::exposure::ports {
namespace {

constexpr std::string_view kInstance = "clawql-ports-";
constexpr std::string_view kMarker = ": inet_sock_set_state: family=";  // longer than any comm
constexpr std::size_t kMaxLine = 4096;

Status write_file(const std::string& path, std::string_view text) {
  const os::Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return fail_system(path);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return fail_system(path);
  return {};
}

bool is_tracefs(const std::string& folder) {
  return ::access((folder + "/events/sock/inet_sock_set_state").c_str(), F_OK) == 0;
}

Result<std::string> find_tracefs() {
  for (const char* folder : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"})
    if (is_tracefs(folder)) return std::string(folder);
  std::string folder = "/sys/kernel/tracing";
  if (::unshare(CLONE_NEWNS) != 0) return fail_system("tracefs is not mounted, and a private mount namespace");
  // Slave: what is mounted on the host later (namespaces under /run/netns) is still seen.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return fail_system("make the mounts private");
  if (::mount("tracefs", folder.c_str(), "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return fail_system("mount tracefs at " + folder);
  if (!is_tracefs(folder)) return fail("this kernel has no tracepoint sock:inet_sock_set_state");
  return folder;
}

// Buffers that a killed watch left behind.
void remove_stale(const std::string& instances) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(instances.c_str()), ::closedir);
  if (!open) return;
  std::vector<std::string> stale;
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(kInstance)) continue;
    const auto pid = base::parse_decimal<std::uint32_t>(name.substr(kInstance.size()));
    if (pid && ::kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH) stale.emplace_back(name);
  }
  for (const std::string& name : stale) ::rmdir((instances + "/" + name).c_str());
}

std::uint64_t space_at(const std::string& path) {
  struct stat facts{};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_ino : 0;
}

// The value after "key=" in the event's fields.
std::string_view field(std::string_view fields, std::string_view key) {
  const std::string wanted = " " + std::string(key) + "=";
  const auto begin = fields.find(wanted);
  if (begin == std::string_view::npos) return {};
  fields.remove_prefix(begin + wanted.size());
  return fields.substr(0, fields.find_first_of(" \n"));
}

std::optional<Protocol> traced_protocol(std::string_view name) {
  if (name == "IPPROTO_TCP") return Protocol::tcp;
  if (name == "IPPROTO_MPTCP") return Protocol::mptcp;
  if (name == "IPPROTO_SCTP") return Protocol::sctp;
  return std::nullopt;
}

}  // namespace

// "  python3-4712    (   4711) [001] .....  1234.567890: inet_sock_set_state: family=AF_INET protocol=IPPROTO_TCP
// sport=8080 …" The name may hold anything, so the line is taken apart from its right.
std::optional<ListenEvent> parse_trace_line(std::string_view line) {
  const auto marker = line.find(kMarker);
  if (marker == std::string_view::npos || line.size() > kMaxLine) return std::nullopt;
  const std::string_view fields = line.substr(marker + kMarker.size() - std::string_view(" family=").size());
  std::string_view head = line.substr(0, marker);
  const auto cpu = head.rfind(" [");
  if (cpu == std::string_view::npos) return std::nullopt;
  head = head.substr(0, head.find_last_not_of(' ', cpu) + 1);
  // The number after the name is the thread's; the process's is in parentheses, "(-------)" where it is not known.
  std::optional<std::uint32_t> process;
  if (const auto begin = head.rfind('('); head.ends_with(')') && begin != std::string_view::npos) {
    const auto words = words_of(head.substr(begin + 1, head.size() - begin - 2));
    if (!words.empty()) process = base::parse_decimal<std::uint32_t>(words.front());
    head = head.substr(0, head.find_last_not_of(' ', begin - 1) + 1);
  }
  const auto dash = head.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto pid = base::parse_decimal<std::uint32_t>(head.substr(dash + 1));
  const auto protocol = traced_protocol(field(fields, "protocol"));
  const auto port = base::parse_decimal<std::uint16_t>(field(fields, "sport"));
  if (!pid || !protocol || !port) return std::nullopt;
  ListenEvent event;
  event.pid = static_cast<pid_t>(process.value_or(*pid));
  std::string_view name = head.substr(0, dash);
  name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
  event.name = printable_bytes(name);
  event.place.protocol = *protocol;
  event.place.port = *port;
  const bool six = field(fields, "family") == "AF_INET6";
  event.place.address = field(fields, six ? "saddrv6" : "saddr");
  if (event.place.address.starts_with("::ffff:") && event.place.address.find('.') != std::string::npos)
    event.place.address.erase(0, 7);
  event.closed = field(fields, "newstate") != "TCP_LISTEN";
  if (event.closed && field(fields, "oldstate") != "TCP_LISTEN") return std::nullopt;
  return event;
}

std::uint64_t own_space() {
  return space_at("/proc/thread-self/ns/net");
}

Result<ListenTrace> ListenTrace::open() {
  CLAWQL_TRY(const std::string root, find_tracefs());
  remove_stale(root + "/instances");
  const std::string folder = fmt::format("{}/instances/{}{}", root, kInstance, ::getpid());
  if (::mkdir(folder.c_str(), 0700) != 0) return fail_system(folder);
  ListenTrace trace(folder, os::Fd());
  // The kernel keeps the names of the last 128 processes only; more is a courtesy, not a need.
  const std::string names = read_small_file(root + "/saved_cmdlines_size").value_or("");
  if (const auto size = base::parse_decimal<std::uint32_t>(names.substr(0, names.find('\n'))); size && *size < 4096)
    static_cast<void>(write_file(root + "/saved_cmdlines_size", "4096"));
  CLAWQL_CHECKED(write_file(folder + "/options/record-tgid", "1"));
  const std::string event = folder + "/events/sock/inet_sock_set_state/";
  CLAWQL_CHECKED(write_file(folder + "/buffer_size_kb", "512"));
  CLAWQL_CHECKED(write_file(folder + "/buffer_percent", "0"));  // wake the reader for every event
  CLAWQL_CHECKED(write_file(event + "filter", "newstate == 10 || oldstate == 10"));
  trace.pipe_ = os::Fd(::open((folder + "/trace_pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!trace.pipe_) return fail_system(folder + "/trace_pipe");
  CLAWQL_CHECKED(write_file(event + "enable", "1"));
  return trace;
}

ListenTrace::~ListenTrace() {
  if (folder_.empty()) return;
  pipe_ = os::Fd();  // an open pipe keeps the instance
  ::rmdir(folder_.c_str());
}

Result<std::vector<ListenEvent>> ListenTrace::read() {
  std::vector<ListenEvent> events;
  std::array<char, 16384> room;
  while (true) {
    const ssize_t got = ::read(pipe_.get(), room.data(), room.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) return fail_system("trace_pipe");
    if (got <= 0) break;
    pending_.append(room.data(), static_cast<std::size_t>(got));
  }
  std::size_t begin = 0;
  for (auto end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n', begin)) {
    const std::string_view line = std::string_view(pending_).substr(begin, end - begin);
    if (auto event = parse_trace_line(line)) {
      if (const auto known = read_small_file(fmt::format("/proc/{}/comm", event->pid)); known && event->name == "<...>")
        event->name = printable_bytes(known->substr(0, known->find('\n')));
      event->space = space_at(fmt::format("/proc/{}/ns/net", event->pid));
      events.push_back(std::move(*event));
    } else {
      ++lost_;
    }
    begin = end + 1;
  }
  pending_.erase(0, begin);
  return events;
}

}  // namespace clawql::exposure::ports
