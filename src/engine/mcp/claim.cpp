#include "engine/mcp/claim.hpp"

#include <fmt/format.h>

#include "engine/mcp/versions.hpp"
#include "json/writer.hpp"

namespace clawql::engine::mcp {
namespace {

constexpr std::size_t kEchoedVersion = 64;  // longest unknown version that is said back

std::unexpected<Claim::Fault> invalid(std::string_view key, std::string_view why) {
  return std::unexpected(
      Claim::Fault{base::Reason::claim_invalid, fmt::format("Invalid params: _meta[\"{}\"] {}", key, why), {}});
}

}  // namespace

bool Claim::is_made(json::Value params) {
  return static_cast<bool>(params.find("_meta").find(kVersionKey));
}

std::expected<Claim, Claim::Fault> Claim::read(json::Value params) {
  const json::Value meta = params.find("_meta");
  const auto version = meta.find(kVersionKey).string();
  if (!version) return invalid(kVersionKey, "must be a string");
  Claim claim;
  claim.capabilities_ = meta.find(kCapabilitiesKey);
  if (!claim.capabilities_.is(json::Kind::object)) return invalid(kCapabilitiesKey, "must be an object");
  if (const json::Value info = meta.find(kClientInfoKey); info && !info.is(json::Kind::object))
    return invalid(kClientInfoKey, "must be an object");
  if (const json::Value level = meta.find(kLogLevelKey)) {
    claim.log_level_ = parse_log_level(level.string().value_or(std::string{}));
    if (!claim.log_level_) return invalid(kLogLevelKey, "must be a log level");
  }
  if (parse_version(*version) != Version::v2026_07_28)
    return std::unexpected(Fault{base::Reason::version_unsupported, "Unsupported protocol version",
                                 fmt::format(R"("supported":["{}"],"requested":{})", to_string(Version::v2026_07_28),
                                             version->size() > kEchoedVersion ? "\"\"" : json::quoted(*version))});
  return claim;
}

}  // namespace clawql::engine::mcp
