#include "supervisor/listeners.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "os/sock_diag.hpp"
#include "os/socket.hpp"

namespace clawql::supervisor {
namespace {

constexpr base::Milliseconds kPatience{1000};
constexpr base::Milliseconds kPause{20};

void close_one(OpenListener& listener) {
  listener.tcp.reset();
  if (listener.declared.kind != Declared::Kind::tcp) close_unix_listener(listener.declared.path, listener.local);
}

Result<os::Fd> open_tcp(const Declared& declared, base::Milliseconds patience) {
  CLAWQL_CHECKED(check_tcp_address(declared.address));
  for (base::Milliseconds waited{0};; waited += kPause) {
    auto socket = os::bind_tcp(declared.address);
    // Two sockets may be bound with SO_REUSEADDR; only listen() decides.
    if (socket) {
      const auto listening = os::start_listening(*socket);
      if (listening) return socket;
      socket = std::unexpected(listening.error());
    }
    if (socket.error().system_errno != EADDRINUSE) return socket;
    if (waited < patience) {
      std::this_thread::sleep_for(kPause);
      continue;
    }
    const auto owner = os::tcp_owner(declared.address);
    const std::string by = owner ? fmt::format("process {} ({})", owner->pid, owner->name)
                                 : std::string("a process that is not visible to this user");
    return std::unexpected(
        Error{fmt::format("{} is in use by {}; stop it, or set listen.http.port", declared.label, by), EADDRINUSE});
  }
}

// What the file is from now on, unless it is no longer the one that was made.
Status change_file(OpenListener& listener, std::vector<std::string>& warnings) {
  CLAWQL_CHECKED(set_mode_and_group(listener.declared, warnings));
  UnixListener now;
  CLAWQL_CHECKED(remember_file(listener.declared.path, now));
  if (now.device != listener.local.device || now.inode != listener.local.inode) return {};
  listener.local.mode = now.mode;
  listener.local.owner = now.owner;
  listener.local.group = now.group;
  return {};
}

}  // namespace

Result<OpenListener> Listeners::open_one(const Declared& declared, std::vector<std::string>& warnings) {
  OpenListener listener;
  listener.declared = declared;
  if (declared.kind == Declared::Kind::tcp) {
    CLAWQL_TRY(listener.tcp, open_tcp(declared, successor_of_dead_ ? kPatience : base::Milliseconds{0}));
  } else {
    CLAWQL_TRY(listener.local, open_unix_listener(declared, owner_, kPatience, warnings));
    successor_of_dead_ = successor_of_dead_ || listener.local.lock.left_by_dead;
  }
  listener.id = next_id_++;
  return listener;
}

Result<std::vector<OpenListener>> Listeners::open_missing(const std::vector<Declared>& declared,
                                                          std::vector<std::string>& warnings) {
  std::vector<OpenListener> fresh;
  for (const Declared& wanted : declared) {
    const auto is_it = [&](const OpenListener& one) { return one.declared.same_place(wanted); };
    if (std::ranges::any_of(open_, is_it)) continue;
    auto listener = open_one(wanted, warnings);
    if (listener) {
      fresh.push_back(std::move(*listener));
      continue;
    }
    const bool held = listener.error().system_errno == EADDRINUSE;
    if (wanted.kind == Declared::Kind::admin && held) {
      warnings.push_back("no admin socket for this gateway: " + listener.error().message);
      continue;
    }
    std::ranges::for_each(fresh, close_one);
    return std::unexpected(std::move(listener).error());
  }
  return fresh;
}

Status Listeners::verify(const std::vector<OpenListener>& fresh, std::vector<std::string>& warnings) const {
  std::vector<Listening> all;
  all.reserve(open_.size() + fresh.size());
  for (const OpenListener& one : open_) all.push_back({&one.declared, one.fd()});
  for (const OpenListener& one : fresh) all.push_back({&one.declared, one.fd()});
  return verify_with_kernel(all, warnings);
}

Result<Listeners::Change> Listeners::apply(const std::vector<Declared>& declared) {
  Change change;
  CLAWQL_TRY(std::vector<OpenListener> fresh, open_missing(declared, change.warnings));
  if (auto verified = verify(fresh, change.warnings); !verified) {
    std::ranges::for_each(fresh, close_one);
    return std::unexpected(std::move(verified).error());
  }
  for (OpenListener& one : open_) {
    const auto wanted =
        std::ranges::find_if(declared, [&](const Declared& other) { return one.declared.same_place(other); });
    if (wanted == declared.end()) {
      change.removed.push_back(one.id);
      change.closed.push_back(os::socket_cookie(one.fd()));
      close_one(one);
      continue;
    }
    const bool same = one.declared.mode == wanted->mode && one.declared.group == wanted->group;
    one.declared = *wanted;
    if (same) continue;
    if (auto set = change_file(one, change.warnings); !set) change.warnings.push_back(set.error().message);
  }
  std::erase_if(open_, [&](const OpenListener& one) {
    return std::ranges::find(change.removed, one.id) != change.removed.end();
  });
  for (OpenListener& one : fresh) {
    change.added.push_back(one.id);
    open_.push_back(std::move(one));
  }
  return change;
}

void Listeners::close() {
  std::ranges::for_each(open_, close_one);
  open_.clear();
}

std::vector<ipc::ListenerSettings> Listeners::settings() const {
  std::vector<ipc::ListenerSettings> result;
  result.reserve(open_.size());
  for (const OpenListener& one : open_) {
    result.push_back({one.id, std::string(name(one.declared.kind)), one.declared.label, true});
  }
  return result;
}

}  // namespace clawql::supervisor
