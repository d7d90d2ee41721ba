#include "exposure/ports/text.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "os/fd.hpp"

namespace clawql::exposure::ports {

Result<std::string> read_small_file(const std::string& path) {
  const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return fail_system(path);
  std::string text;
  std::array<char, 16384> room;
  while (true) {
    const ssize_t got = ::read(file.get(), room.data(), room.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_system(path);
    if (got == 0) return text;
    text.append(room.data(), static_cast<std::size_t>(got));
    if (text.size() > kMaxSmallFile) return fail(fmt::format("{}: larger than {} bytes", path, kMaxSmallFile));
  }
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> result;
  while (!text.empty()) {
    const auto end = text.find('\n');
    result.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return result;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> result;
  while (true) {
    const auto begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return result;
    line.remove_prefix(begin);
    const auto end = line.find_first_of(" \t\n");
    result.push_back(line.substr(0, end));
    line.remove_prefix(result.back().size());
    if (line.starts_with('\n')) return result;
  }
}

std::string unescape_mount(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && digit(text[i + 1]) && digit(text[i + 2]) && digit(text[i + 3])) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

namespace {

std::string escaped(std::string_view bytes, bool backslash_too) {
  std::string out;
  for (const char c : bytes) {
    if (c >= ' ' && c <= '~' && (c != '\\' || !backslash_too))
      out += c;
    else
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

std::string printable_bytes(std::string_view bytes) {
  return escaped(bytes, true);
}

std::string printable_line(std::string_view text) {
  return escaped(text, false);
}

std::string_view base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace clawql::exposure::ports
