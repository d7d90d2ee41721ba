#include "child.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "os/process.hpp"

namespace clawql::cli {

Result<os::Fd> memory_file(std::string_view content) {
  os::Fd file(::memfd_create("clawql", MFD_CLOEXEC));
  if (!file || ::write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
      ::lseek(file.get(), 0, SEEK_SET) != 0)
    return fail_system("memfd_create");
  return file;
}

Result<int> run_within(const os::SpawnRequest& request, int milliseconds) {
  os::SystemSpawner spawner;
  CLAWQL_TRY(const os::Child child, spawner.spawn(request));
  pollfd ended{.fd = child.pidfd.get(), .events = POLLIN, .revents = 0};
  const bool in_time = ::poll(&ended, 1, milliseconds) > 0;
  if (!in_time) os::send_signal(child.pidfd, SIGKILL);
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) return fail(fmt::format("it did not end within {} s and was killed", milliseconds / 1000));
  return status;
}

}  // namespace clawql::cli
