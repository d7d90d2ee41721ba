#include "audit_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "os/fd.hpp"

namespace clawql::cli {

Result<std::vector<std::string>> last_lines(const std::string& path, std::size_t count) {
  constexpr off_t kMost = 16 << 20;
  const os::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return fail_system(path);
  struct stat facts{};
  if (fstat(file.get(), &facts) != 0) return fail_system(path);
  const off_t start = std::max<off_t>(0, facts.st_size - kMost);
  std::string text(static_cast<std::size_t>(facts.st_size - start), '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t size = pread(file.get(), text.data() + have, text.size() - have, start + static_cast<off_t>(have));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_system(path);
    if (size == 0) break;
    have += static_cast<std::size_t>(size);
  }
  text.resize(have);
  std::vector<std::string> lines;
  std::string_view rest = text;
  if (start > 0) rest.remove_prefix(std::min(rest.size(), rest.find('\n') + 1));  // a line cut in two
  for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return lines;
}

}  // namespace clawql::cli
