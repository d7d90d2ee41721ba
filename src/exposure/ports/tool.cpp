#include "exposure/ports/tool.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "exposure/ports/text.hpp"
#include "os/process.hpp"
#include "os/spawn.hpp"

namespace clawql::exposure::ports {
namespace {

Result<std::string> content_of(const os::Fd& memory) {
  std::string text;
  std::array<char, 65536> room;
  while (true) {
    const ssize_t got = ::pread(memory.get(), room.data(), room.size(), static_cast<off_t>(text.size()));
    if (got < 0) return fail_system("pread");
    if (got == 0) return text;
    text.append(room.data(), static_cast<std::size_t>(got));
    if (text.size() > kMaxToolOutput) return fail("it printed too much");
  }
}

}  // namespace

std::string find_tool(const std::string& name) {
  for (const char* folder : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"})
    if (::access((folder + name).c_str(), X_OK) == 0) return folder + name;
  return {};
}

Result<std::string> run_tool(const std::vector<std::string>& arguments, std::chrono::milliseconds limit) {
  // Files in memory instead of pipes: nothing can block halfway.
  const os::Fd out(::memfd_create("output", MFD_CLOEXEC));
  const os::Fd errors(::memfd_create("errors", MFD_CLOEXEC));
  if (!out || !errors) return fail_system("memfd_create");
  os::SpawnRequest request;
  request.program = arguments.front();
  request.arguments = arguments;
  request.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  request.fds = {-1, out.get(), errors.get()};
  os::SystemSpawner spawner;
  CLAWQL_TRY(const os::Child child, spawner.spawn(request));
  pollfd ended{.fd = child.pidfd.get(), .events = POLLIN, .revents = 0};
  const bool in_time = ::poll(&ended, 1, static_cast<int>(limit.count())) > 0;
  if (!in_time) os::send_signal(child.pidfd, SIGKILL);
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) return fail(fmt::format("{} did not end within {} ms", arguments.front(), limit.count()));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const std::string said = content_of(errors).value_or("");
    return fail(fmt::format("{} {}: {}", arguments.front(), os::describe({child.pid, status}),
                            printable_bytes(said.substr(0, said.find('\n')))));
  }
  return content_of(out);
}

}  // namespace clawql::exposure::ports
