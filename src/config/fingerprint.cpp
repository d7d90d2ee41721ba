#include <openssl/evp.h>

#include <array>

#include "base/check.hpp"
#include "config/reader.hpp"

namespace clawql::config {
namespace {

// Each text goes in with its length before it, so that no two entries make the same bytes.
class Canonical {
 public:
  void add(std::string_view text) {
    bytes_ += std::to_string(text.size());
    bytes_ += ':';
    bytes_ += text;
  }
  void add(std::uint64_t number) { add(std::string_view(std::to_string(number))); }
  void add(const std::vector<std::string>& texts) {
    add(texts.size());
    for (const auto& text : texts) add(std::string_view(text));
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CLAWQL_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4U];
    hex += "0123456789abcdef"[digest[i] & 15U];
  }
  return hex;
}

}  // namespace

std::string fingerprint(const Server& server) {
  Canonical canonical;
  canonical.add(std::string_view(server.name));
  canonical.add(std::string_view(server.command));
  canonical.add(server.args);
  canonical.add(server.environment.size());
  for (const auto& [name, value] : server.environment) {
    canonical.add(std::string_view(name));
    canonical.add(std::string_view(value));
  }
  canonical.add(std::string_view(server.working_directory));
  canonical.add(server.tools ? std::uint64_t{1} : std::uint64_t{0});
  canonical.add(server.tools.value_or(std::vector<std::string>{}));
  canonical.add(std::string_view(server.prefix));
  canonical.add(server.eager ? std::uint64_t{1} : std::uint64_t{0});
  canonical.add(server.disabled ? std::uint64_t{1} : std::uint64_t{0});
  canonical.add(name(server.isolation));
  canonical.add(std::uint64_t{server.max_instances});
  canonical.add(server.instance_idle_seconds);
  canonical.add(server.call_seconds);
  canonical.add(std::string_view(server.user));
  canonical.add(server.sandbox.listen ? std::uint64_t{1} : std::uint64_t{0});
  canonical.add(server.sandbox.unix_sockets ? std::uint64_t{1} : std::uint64_t{0});
  canonical.add(server.sandbox.files_read);
  canonical.add(server.sandbox.files_write);
  return sha256_hex(canonical.bytes());
}

}  // namespace clawql::config
