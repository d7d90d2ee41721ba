// cloudflared and tailscaled: programs that carry the outside to a listener without a socket of its own.
#include <fmt/format.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "exposure/ports/diversions.hpp"
#include "exposure/ports/surroundings.hpp"
#include "exposure/ports/text.hpp"
#include "os/fd.hpp"
#include "os/socket.hpp"

namespace clawql::exposure::ports {
namespace {

constexpr timeval kAnswerTime{.tv_sec = 3, .tv_usec = 0};
constexpr std::size_t kMaxAnswer = 4U << 20;

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

// The value of --config, or a file in the places that cloudflared looks at.
bool has_ingress_file(const std::string& root, uid_t uid, const std::vector<std::string_view>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view path;
    if (words[i].starts_with("--config="))
      path = words[i].substr(9);
    else if (words[i] == "--config" && i + 1 < words.size())
      path = words[i + 1];
    if (!path.empty()) return exists(path.starts_with('/') ? root + std::string(path) : std::string(path));
  }
  std::vector<std::string> folders{"/etc/cloudflared", "/usr/local/etc/cloudflared"};
  if (const passwd* user = ::getpwuid(uid); user != nullptr) {
    folders.push_back(std::string(user->pw_dir) + "/.cloudflared");
    folders.push_back(std::string(user->pw_dir) + "/.cloudflare-warp");
  }
  return std::ranges::any_of(folders, [&](const std::string& folder) {
    return exists(root + folder + "/config.yml") || exists(root + folder + "/config.yaml");
  });
}

// The command line may hold a token, so it is read here and never shown.
void judge_cloudflared(const std::string& proc, pid_t pid, Survey& survey) {
  const auto owner = read_owner(proc, pid);
  if (!owner) return;
  const auto words = words_of(owner->command);
  const auto has = [&](std::string_view word) {
    return std::ranges::any_of(words,
                               [&](std::string_view w) { return w == word || w.starts_with(std::string(word) + "="); });
  };
  for (const std::string_view other : {"access", "proxy-dns", "version", "update", "login", "--version", "help"})
    if (words.size() > 1 && words[1] == other) return;
  struct stat facts{};
  const std::string folder = fmt::format("{}/{}", proc, pid);
  if (::stat(folder.c_str(), &facts) != 0) return;
  std::string why;
  if (has("--token") || has("--token-file"))
    why = "is steered from Cloudflare's side (--token)";
  else if (has("--url") || has("--hello-world") || has("--unix-socket"))
    why = "publishes what its command line names (--url)";
  else if (!has_ingress_file(folder + "/root", facts.st_uid, words))
    why = "has no ingress file: it publishes http://localhost:8080";
  if (why.empty()) return;
  const std::string subject = "cloudflared " + printable_bytes(owner->executable);
  survey.ways.push_back(
      {FindingId::cloudflared_no_config, subject, fmt::format("{} (pid {}) {}", subject, pid, why), 1});
}

// The body of a LocalAPI answer. HTTP/1.0, so that the end of the connection ends it.
Result<std::string> ask_tailscaled(const std::string& path) {
  CLAWQL_TRY(const auto address, os::SocketAddress::unix_path(path));
  const os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_system("socket");
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTime, sizeof kAnswerTime);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kAnswerTime, sizeof kAnswerTime);
  if (::connect(socket.get(), address.raw(), address.size()) != 0) return fail_system("connect");
  constexpr std::string_view request = "GET /localapi/v0/serve-config HTTP/1.0\r\nHost: local-tailscaled.sock\r\n\r\n";
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return fail_system("send");
  std::string answer;
  std::array<char, 16384> room;
  while (true) {
    const ssize_t got = ::recv(socket.get(), room.data(), room.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_system("no answer");
    if (got == 0) break;
    answer.append(room.data(), static_cast<std::size_t>(got));
    if (answer.size() > kMaxAnswer) return fail("the answer has no end");
  }
  const auto body = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.") || body == std::string::npos) return fail("the answer is no HTTP");
  if (answer.substr(9, 3) != "200") return fail("it answered " + printable_bytes(answer.substr(9, 3)));
  return answer.substr(body + 4);
}

void judge_tailscaled(const std::string& proc, const Listener& listener, Survey& survey) {
  const std::string subject = "tailscaled at " + listener.place.path;
  std::string path = listener.place.path;
  // The daemon may see another file system than we do.
  const std::string inside = fmt::format("{}/{}/root{}", proc, listener.owners.front().pid, path);
  if (inside.size() < 108 && exists(inside)) path = inside;
  auto body = ask_tailscaled(path);
  auto served = body ? served_by_tailscale(*body) : std::unexpected(body.error());
  if (!served) {
    survey.gaps.push_back({FindingId::view_incomplete, subject,
                           subject + ": what it serves could not be read: " + served.error().message, 1});
    return;
  }
  std::ranges::move(*served, std::back_inserter(survey.ways));
}

}  // namespace

void read_tunnels(const std::string& proc, const ProcessTable& table, Survey& survey) {
  for (const pid_t pid : table.processes) {
    const auto name = read_small_file(fmt::format("{}/{}/comm", proc, pid));
    if (name && name->starts_with("cloudflared")) judge_cloudflared(proc, pid, survey);
  }
  std::vector<Listener> daemons;
  for (const Listener& listener : survey.listeners) {
    if (listener.place.protocol != Protocol::unix_stream || !listener.place.path.starts_with('/')) continue;
    const bool named =
        std::ranges::any_of(listener.owners, [](const Owner& owner) { return owner.name == "tailscaled"; });
    if (named) daemons.push_back(listener);
  }
  for (const Listener& daemon : daemons) judge_tailscaled(proc, daemon, survey);
}

}  // namespace clawql::exposure::ports
