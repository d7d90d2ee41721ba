// violator ROLE LAYERS: locks a child down for each act, lets it try, and prints what became of it, one line an act:
//   act <TAB> ok | errno's name | name of the signal that killed it
// ROLE: door | engine. LAYERS: all, none, or names joined by commas: descriptors, capabilities, no-dump, landlock,
// seccomp. Needs root, since it shows that root's powers are gone.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "act.hpp"
#include "base/check.hpp"
#include "os/lockdown.hpp"

namespace clawql::lockdown {
namespace {

struct NamedLayer {
  std::string_view name;
  std::uint32_t layers;
};
constexpr NamedLayer kLayers[] = {
    {"all", os::kLayersAll},
    {"none", 0},
    {"descriptors", os::kLayerDescriptors},
    {"capabilities", os::kLayerCapabilities},
    {"no-dump", os::kLayerNoDump},
    {"landlock", os::kLayerLandlock},
    {"seccomp", os::kLayerSeccomp},
};

std::optional<std::uint32_t> parse_layers(std::string_view text) {
  std::uint32_t layers = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    bool known = false;
    for (const NamedLayer& layer : kLayers) {
      if (layer.name != word) continue;
      layers |= layer.layers;
      known = true;
    }
    if (!known) return std::nullopt;
  }
  return layers;
}

constexpr int kWorked = 77;  // the exit status of an exec of /bin/true is 0

// A client that waits to be accepted, for the acts that need one.
void connect_client(const Prepared& prepared) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(prepared.port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CLAWQL_CHECK(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(client);  // it still waits in the queue
}

[[noreturn]] void try_act(const Act& act, Prepared prepared, os::Role role, std::uint32_t layers, int report) {
  if (act.mounts) {  // in a place of its own, for the runs in which it works
    ::unshare(CLONE_NEWNS);
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  }
  prepare_sockets(prepared);
  connect_client(prepared);
  if (act.as_ordinary_user) become_ordinary_user(prepared);
  std::vector<int> expected = prepared.expected();
  expected.insert(expected.end(), {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, report});
  const auto locked = os::lock_down(role, expected, layers);
  CLAWQL_CHECK(locked && locked->complete());
  const int error = act.attempt(prepared);
  CLAWQL_CHECK(::write(report, &error, sizeof error) == sizeof error);
  ::_exit(kWorked);
}

std::string outcome_of(const Act& act, const Prepared& prepared, os::Role role, std::uint32_t layers) {
  int line[2];
  CLAWQL_CHECK(::pipe2(line, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  if (child == 0) try_act(act, prepared, role, layers, line[1]);
  ::close(line[1]);
  int error = -1;
  const bool answered = ::read(line[0], &error, sizeof error) == sizeof error;
  ::close(line[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) return std::string("SIG") + ::sigabbrev_np(WTERMSIG(status));
  if (!answered) return WEXITSTATUS(status) == 0 ? "ok" : "no answer";  // exec worked
  return error == 0 ? "ok" : ::strerrorname_np(error);
}

int run(os::Role role, std::uint32_t layers) {
  const Prepared prepared = prepare();
  for (const auto acts : {forbidden_acts(), needed_acts()}) {
    for (const Act& act : acts) {
      std::printf("%s\t%s\n", act.name, outcome_of(act, prepared, role, layers).c_str());
    }
  }
  clean_up(prepared);
  return 0;
}

}  // namespace
}  // namespace clawql::lockdown

int main(int count, char** arguments) {
  using namespace clawql;
  const std::string_view role = count == 3 ? arguments[1] : "";
  const auto layers = lockdown::parse_layers(count == 3 ? arguments[2] : "?");
  if ((role != "door" && role != "engine") || !layers) {
    static_cast<void>(std::fputs("usage: violator door|engine LAYER[,LAYER]...\n", stderr));
    return 2;
  }
  return lockdown::run(role == "door" ? os::Role::door : os::Role::engine, *layers);
}
