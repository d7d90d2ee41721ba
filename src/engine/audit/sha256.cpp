#include "engine/audit/sha256.hpp"

#include <openssl/evp.h>

#include <array>
#include <cstdint>

#include "base/check.hpp"
#include "base/hex.hpp"

namespace clawql::engine::audit {

void Sha256::Free::operator()(EVP_MD* algorithm) const {
  EVP_MD_free(algorithm);
}
void Sha256::Free::operator()(EVP_MD_CTX* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : algorithm_(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context_(EVP_MD_CTX_new()) {
  CLAWQL_CHECK(algorithm_ != nullptr && context_ != nullptr);
}

void Sha256::append_hex(base::Appender& out, std::string_view bytes) {
  std::array<std::uint8_t, kHexDigits / 2> digest;
  CLAWQL_CHECK(EVP_DigestInit_ex2(context_.get(), algorithm_.get(), nullptr) == 1 &&
               EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1 &&
               EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
  base::write_hex(out.take(kHexDigits), digest);
}

std::string sha256_hex(std::string_view bytes) {
  std::string text;
  {
    base::Appender out(text, Sha256::kHexDigits);
    Sha256().append_hex(out, bytes);
  }
  return text;
}

}  // namespace clawql::engine::audit
