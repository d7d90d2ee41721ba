// clawql firewall apply, confirm, remove. A change is a step from one complete rendering to the next: each rendering
// leads to its own rules from whatever is there, so undoing a change is applying the rendering before it. Before the
// change begins, a keeper that belongs to nobody waits to undo it; `confirm` takes the change away from the keeper by
// renaming a file, which only one of them can do.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <thread>

#include "commands.hpp"
#include "files.hpp"
#include "firewall.hpp"
#include "os/fd.hpp"
#include "os/files.hpp"
#include "output.hpp"

namespace clawql::cli {
namespace {

constexpr std::array kBackends{fw::Backend::nftables, fw::Backend::iptables, fw::Backend::ufw, fw::Backend::firewalld,
                               fw::Backend::docker};

constexpr std::chrono::milliseconds kLook{200};
constexpr std::chrono::seconds kPatience{120};

// The files of one backend in the state folder.
struct Places {
  std::string applied;  // the rendering that holds, once confirmed
  std::string next;     // the rendering of a change that is not confirmed; its presence is the change
  std::string before;   // what undoes it
  std::string keeper;   // locked while the keeper lives
  std::string running;  // locked while commands of a rendering run, whoever has died meanwhile
};

Places places_of(const std::string& state, fw::Backend backend) {
  const std::string stem = state + "/" + std::string(fw::name_of(backend));
  return {stem + ".applied", stem + ".next", stem + ".before", stem + ".keeper", stem + ".running"};
}

bool is_there(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

// Whole and on the disk, or not at all.
Status write_whole(const std::string& path, const std::string& text) {
  const std::string beside = path + ".new";
  const os::Fd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() < 0) return fail_system("open " + beside);
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t wrote = ::write(file.get(), text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_system("write " + beside);
    done += static_cast<std::size_t>(wrote);
  }
  if (::fsync(file.get()) != 0) return fail_system("fsync " + beside);
  if (::rename(beside.c_str(), path.c_str()) != 0) return fail_system("rename " + beside);
  return {};
}

// Waits until no commands of an earlier rendering run: two at a time would leave a mixture. An `apply` that was killed
// has a script that goes on.
Result<os::Fd> turn_of(const Places& places) {
  os::Fd lock(::open(places.running.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (lock.get() < 0) return fail_system("open " + places.running);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail_system("flock " + places.running);
    if (std::chrono::steady_clock::now() > until)
      return fail("the commands of an earlier change still run, for too long: end them and try again");
    std::this_thread::sleep_for(kLook);
  }
  return lock;
}

// Runs a rendering, after any other. nft takes it in one transaction.
Status run_rendering(fw::Backend backend, const Places& places, const std::string& text) {
  CLAWQL_TRY(const os::Fd turn, turn_of(places));
  const bool nft = backend == fw::Backend::nftables;
  const std::string program = nft ? find_program("nft") : std::string("/bin/sh");
  if (program.empty()) return fail("nft is not on this host");
  CLAWQL_TRY(const ProgramOutput out,
             run_program(program, nft ? std::vector<std::string>{"-f", "-"} : std::vector<std::string>{"/dev/fd/3"},
                         text, nft ? InputPlace::standard : InputPlace::third, turn.get()));
  if (out.status != 0) return fail(std::string(fw::name_of(backend)) + ": " + out.errors.substr(0, 2000));
  return {};
}

// Takes the change: true for exactly one caller.
bool take(const Places& places, const std::string& as) {
  return ::rename(places.next.c_str(), (places.next + "." + as).c_str()) == 0;
}

Status undo(fw::Backend backend, const Places& places) {
  CLAWQL_TRY(const std::string before, read_file(places.before));
  CLAWQL_CHECKED(run_rendering(backend, places, before));
  ::unlink((places.next + ".undoing").c_str());
  ::unlink(places.before.c_str());
  return {};
}

// The life of the keeper; never returns.
[[noreturn]] void keep(fw::Backend backend, const Places& places, unsigned seconds, int lock, int ready) {
  ::setsid();
  if (::fork() != 0) ::_exit(0);
  static_cast<void>(std::signal(SIGHUP, SIG_IGN));
  static_cast<void>(std::signal(SIGINT, SIG_IGN));
  static_cast<void>(std::signal(SIGTERM, SIG_IGN));
  const int nothing = ::open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) ::dup2(nothing, fd);
  (void)::chdir("/");
  (void)!::write(ready, "r", 1);
  ::close(ready);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  // Looked at often enough that a confirmed change leaves nothing running.
  while (std::chrono::steady_clock::now() < until && is_there(places.next)) std::this_thread::sleep_for(kLook);
  if (take(places, "undoing")) (void)undo(backend, places);
  ::close(lock);
  ::_exit(0);
}

Result<os::Fd> lock_of(const Places& places) {
  os::Fd lock(::open(places.keeper.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (lock.get() < 0) return fail_system("open " + places.keeper);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return fail_system("another change waits to be confirmed", errno);
  return lock;
}

// After the change was taken from it, the keeper ends by itself, within its next look.
void wait_for_keeper(const Places& places) {
  const os::Fd lock(::open(places.keeper.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (lock.get() >= 0)
    while (::flock(lock.get(), LOCK_EX) != 0 && errno == EINTR) {
    }
}

// Returns when the keeper waits. It holds the lock from then on.
Status start_keeper(fw::Backend backend, const Places& places, unsigned seconds, const os::Fd& lock) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_system("pipe2");
  const os::Fd read_end(ends[0]);
  os::Fd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail_system("fork");
  if (child == 0) keep(backend, places, seconds, lock.get(), write_end.get());
  write_end = os::Fd();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  char byte = 0;
  if (::read(read_end.get(), &byte, 1) != 1)
    return fail("the keeper that would undo the change did not start: nothing was changed");
  return {};
}

bool agreed(const ChangeOptions& options, const std::string& question) {
  if (options.yes) return true;
  if (::isatty(0) == 0) {
    complain("there is nobody to ask: say --yes");
    return false;
  }
  print(question + " [y/N] ");
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

Status need_root() {
  if (::geteuid() != 0) return fail("changing the host's rules needs root (`clawql firewall render` does not)");
  return {};
}

Status prepare(const ChangeOptions& options) {
  CLAWQL_CHECKED(need_root());
  CLAWQL_TRY([[maybe_unused]] const auto made, os::make_folders(options.state, 0700));
  return finish_interrupted(options.state);
}

Result<int> apply(const ChangeOptions& options) {
  CLAWQL_CHECKED(prepare(options));
  const fw::Backend backend = *fw::backend_of(options.backend);
  CLAWQL_TRY(const ChosenListeners chosen, listeners_of(options.listeners));
  fw::RenderOptions render_options;
  if (!options.bridges.empty()) render_options.bridges = options.bridges;
  CLAWQL_TRY(const std::string next, fw::render(backend, chosen.listeners, render_options));
  const Places places = places_of(options.state, backend);
  CLAWQL_TRY(const auto applied, read_file_if_there(places.applied));
  for (const std::string& skipped : chosen.skipped) complain("left out: " + skipped);
  print(applied ? "Now in force:\n" + *applied + "\nTo be applied:\n" + next : "To be applied:\n" + next);
  if (!agreed(options,
              "Apply? It is taken back after " + std::to_string(options.rollback_seconds) + " s unless confirmed."))
    return kCouldNotTell;

  CLAWQL_TRY(const os::Fd lock, lock_of(places));
  CLAWQL_CHECKED(write_whole(places.before, applied ? *applied : fw::render_removal(backend)));
  CLAWQL_CHECKED(write_whole(places.next, next));
  CLAWQL_CHECKED(start_keeper(backend, places, options.rollback_seconds, lock));
  if (const Status done = run_rendering(backend, places, next); !done) {
    if (take(places, "undoing")) CLAWQL_CHECKED(undo(backend, places));
    return std::unexpected(Error(done.error()).in("not applied, and the rules before are back"));
  }
  print("Applied. `clawql firewall confirm` within " + std::to_string(options.rollback_seconds) + " s keeps it.\n");
  return kAsDeclared;
}

Result<int> confirm(const ChangeOptions& options) {
  CLAWQL_CHECKED(need_root());
  int kept = 0;
  for (const fw::Backend backend : kBackends) {
    const Places places = places_of(options.state, backend);
    if (!take(places, "kept")) continue;
    wait_for_keeper(places);
    CLAWQL_TRY(const std::string next, read_file(places.next + ".kept"));
    // A change that was killed halfway is finished first; one that was not stays as it is.
    CLAWQL_CHECKED(run_rendering(backend, places, next));
    if (::rename((places.next + ".kept").c_str(), places.applied.c_str()) != 0)
      return fail_system("rename to " + places.applied);
    ::unlink(places.before.c_str());
    print("Kept: the rules of " + std::string(fw::name_of(backend)) + ".\n");
    ++kept;
  }
  CLAWQL_CHECKED(finish_interrupted(options.state));
  if (kept == 0) return fail("there is no change to confirm: none was made, or it was taken back already");
  return kAsDeclared;
}

Result<int> remove(const ChangeOptions& options) {
  CLAWQL_CHECKED(prepare(options));
  const fw::Backend backend = *fw::backend_of(options.backend);
  const Places places = places_of(options.state, backend);
  if (!agreed(options, "Remove all rules of ClawQL Gateway in " + options.backend + "?")) return kCouldNotTell;
  // A change that waits to be confirmed is over: its keeper must not bring the rules back.
  if (take(places, "undoing")) {
    wait_for_keeper(places);
    ::unlink((places.next + ".undoing").c_str());
    ::unlink(places.before.c_str());
  }
  CLAWQL_CHECKED(run_rendering(backend, places, fw::render_removal(backend)));
  ::unlink(places.applied.c_str());
  print("Removed.\n");
  return kAsDeclared;
}

int report(const Result<int>& result) {
  if (result) return *result;
  complain(result.error().message);
  return kCouldNotTell;
}

}  // namespace

Status finish_interrupted(const std::string& state) {
  for (const fw::Backend backend : kBackends) {
    const Places places = places_of(state, backend);
    const bool undoing = is_there(places.next + ".undoing");
    if (is_there(places.next + ".kept")) {
      CLAWQL_TRY(const std::string next, read_file(places.next + ".kept"));
      CLAWQL_CHECKED(run_rendering(backend, places, next));
      if (::rename((places.next + ".kept").c_str(), places.applied.c_str()) != 0)
        return fail_system("rename to " + places.applied);
      ::unlink(places.before.c_str());
      continue;
    }
    if (!undoing && !is_there(places.next)) continue;
    // While the keeper lives, the change is its business.
    const auto lock = lock_of(places);
    if (!lock) continue;
    if (!undoing && !take(places, "undoing")) continue;
    complain("a change of " + std::string(fw::name_of(backend)) + " was interrupted: it is taken back");
    CLAWQL_CHECKED(undo(backend, places));
  }
  return {};
}

std::vector<std::string> interrupted_changes(const std::string& state) {
  std::vector<std::string> out;
  for (const fw::Backend backend : kBackends) {
    const Places places = places_of(state, backend);
    const bool begun = is_there(places.next) || is_there(places.next + ".undoing") || is_there(places.next + ".kept");
    // While the keeper lives, it is no accident.
    if (begun && lock_of(places)) out.emplace_back(fw::name_of(backend));
  }
  return out;
}

int run_apply(const ChangeOptions& options) {
  return report(apply(options));
}
int run_confirm(const ChangeOptions& options) {
  return report(confirm(options));
}
int run_remove(const ChangeOptions& options) {
  return report(remove(options));
}

}  // namespace clawql::cli
