// SHA-256 as lower-case hexadecimal digits. The algorithm is fetched and its context made once: for the short texts
// that are hashed here both cost several times the hash itself.
#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/appender.hpp"

namespace clawql::engine::audit {

class Sha256 {
 public:
  static constexpr std::size_t kHexDigits = 64;

  Sha256();
  void append_hex(base::Appender& out, std::string_view bytes);

 private:
  struct Free {
    void operator()(EVP_MD* algorithm) const;
    void operator()(EVP_MD_CTX* context) const;
  };
  std::unique_ptr<EVP_MD, Free> algorithm_;
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

// The same for a single text.
std::string sha256_hex(std::string_view bytes);

}  // namespace clawql::engine::audit
