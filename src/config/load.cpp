// Where files are, and reading them with their owner and mode checked.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "config/reader.hpp"
#include "os/fd.hpp"
#include "os/users.hpp"

namespace clawql::config {
namespace {

constexpr std::size_t kMaxFileBytes = 1U << 20;

std::string octal(mode_t mode) {
  std::string out;
  for (int shift = 9; shift >= 0; shift -= 3) out += static_cast<char>('0' + ((mode >> shift) & 7U));
  return out;
}

Result<std::string> read_checked(const std::string& path) {
  // O_NONBLOCK: a FIFO must not stop us before we see that it is one.
  const os::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return fail_system(path);
  struct stat facts{};
  if (fstat(file.get(), &facts) != 0) return fail_system(path);
  CLAWQL_CHECKED(check_owner(path, facts.st_uid, facts.st_mode, geteuid()));
  std::string text;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t size = read(file.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_system(path);
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
    if (text.size() > kMaxFileBytes) return fail(path + ": larger than " + std::to_string(kMaxFileBytes) + " bytes");
  }
}

bool is_own_folder(const std::string& path, uid_t user) {
  struct stat facts{};
  return lstat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == user;
}

}  // namespace

// What decides what is started may be changed by root and the caller alone.
Status check_owner(const std::string& path, std::uint32_t owner, std::uint32_t mode, std::uint32_t caller) {
  if (!S_ISREG(mode)) return fail(path + ": not a regular file");
  const std::string now = "owner " + std::to_string(owner) + ", mode " + octal(mode & 07777U);
  if (owner != 0 && owner != caller)
    return fail(path + ": belongs to somebody else (" + now +
                "), who could make the gateway start any program: `chown " +
                (caller == 0 ? "root" : std::to_string(caller)) + " " + path + "`");
  if ((mode & 022U) != 0)
    return fail(path + ": others may write it (" + now +
                "), and could make the gateway start any program: `chmod go-w " + path + "`");
  return {};
}

Result<Places> places_of_caller() {
  const uid_t user = geteuid();
  if (user == 0) return Places{"/etc/clawql/clawql.yaml", "/run/clawql", "/var/log/clawql/audit.jsonl"};
  // The passwd entry's home, never $HOME: whoever sets the environment must not choose the configuration.
  const std::string home = os::current_user().home;
  const std::string run = "/run/user/" + std::to_string(user);
  return Places{
      .config_file = home + "/.config/clawql/clawql.yaml",
      .runtime_folder = is_own_folder(run, user) ? run + "/clawql" : home + "/.local/state/clawql/run",
      .audit_file = home + "/.local/state/clawql/audit.jsonl",
  };
}

Result<Config> parse(std::string_view text, std::string_view path, const Places& places,
                     const Environment& environment) {
  return parse_with(text, path, places, environment, read_checked);
}

Result<Config> load(const std::string& path, const Places& places, const Environment& environment) {
  CLAWQL_TRY(const std::string text, read_checked(path));
  return parse(text, path, places, environment);
}

Result<Config> load_effective(const std::string& requested, const Places& places, const Environment& environment) {
  if (!requested.empty()) return load(requested, places, environment);
  if (access(places.config_file.c_str(), F_OK) != 0 && errno == ENOENT) return defaults(places);
  return load(places.config_file, places, environment);
}

}  // namespace clawql::config
