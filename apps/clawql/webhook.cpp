#include "webhook.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "child.hpp"
#include "os/users.hpp"

namespace clawql::cli {
namespace {

constexpr const char* kCurl = "/usr/bin/curl";
constexpr int kAnswerSeconds = 5;
constexpr int kLimitMs = 8'000;
constexpr std::string_view kForm =
    "a webhook is https://HOST[:PORT]/PATH (or http:// to localhost, 127.0.0.1 or [::1])";

std::string_view host_of(std::string_view rest) {
  std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
  if (const auto user = host.rfind('@'); user != std::string_view::npos) host.remove_prefix(user + 1);
  if (host.starts_with('[')) return host.substr(0, host.find(']') == std::string_view::npos ? 0 : host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool is_plain(char c) {
  return c > ' ' && c < '\x7f' && c != '"' && c != '\\';
}

// A value of curl's configuration.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string configuration(const Webhook& webhook, const std::string& json) {
  const bool secure = webhook.url.starts_with("https:");
  std::string out = fmt::format(
      "url = {}\nproto = \"={}\"\ntlsv1.2\ngloboff\nsilent\nnoproxy = \"*\"\nmax-time = {}\noutput = \"/dev/null\"\n"
      "write-out = \"%{{http_code}}\"\nheader = \"Content-Type: application/json\"\ndata-binary = {}\n",
      quoted(webhook.url), secure ? "https" : "http", kAnswerSeconds, quoted(json));
  if (!webhook.authorities.empty()) out += fmt::format("cacert = {}\n", quoted(webhook.authorities));
  return out;
}

// Of curl(1), "EXIT CODES".
std::string why(int status) {
  switch (status) {
    case 6: return "its name could not be resolved";
    case 7: return "it could not be connected to";
    case 28: return fmt::format("it did not answer within {} s", kAnswerSeconds);
    case 35: return "it speaks no TLS";
    case 60: return "its certificate could not be verified";
    case 77: return "the file of authorities cannot be read by the user nobody";
    default: return fmt::format("curl ended with status {}", status);
  }
}

}  // namespace

Status check(const Webhook& webhook) {
  const std::string_view url = webhook.url;
  const bool secure = url.starts_with("https://");
  if (!secure && !url.starts_with("http://")) return fail(std::string(kForm));
  const std::string_view host = host_of(url.substr(secure ? 8 : 7));
  if (host.empty() || !std::ranges::all_of(url, is_plain)) return fail(std::string(kForm));
  if (!secure && host != "localhost" && host != "127.0.0.1" && host != "[::1]")
    return fail(
        "a webhook on another machine is https:// alone: by http:// anybody on the way could read and forge it");
  if (!std::ranges::all_of(webhook.authorities, is_plain)) return fail("--webhook-ca: not such a path");
  if (::access(kCurl, X_OK) != 0) return fail(fmt::format("a webhook needs {}: apt-get install curl", kCurl));
  return {};
}

Status post(const Webhook& webhook, const std::string& json) {
  CLAWQL_TRY(const os::Fd input, memory_file(configuration(webhook, json)));
  CLAWQL_TRY(const os::Fd output, memory_file(""));
  os::SpawnRequest request;
  request.program = kCurl;
  request.arguments = {"curl", "--disable", "--config", "-"};
  request.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"};
  request.fds = {input.get(), output.get(), -1};
  if (::geteuid() == 0) {
    CLAWQL_TRY(const os::User nobody, os::find_user("nobody"));
    request.identity = nobody.identity;
  }
  auto status = run_within(request, kLimitMs);
  if (!status) return std::unexpected(std::move(status).error().in("the webhook"));
  if (!WIFEXITED(*status)) return fail("the webhook: curl was killed");
  if (WEXITSTATUS(*status) != 0) return fail("the webhook: " + why(WEXITSTATUS(*status)));
  std::array<char, 3> code{};
  const ssize_t got = ::pread(output.get(), code.data(), code.size(), 0);
  const std::string_view answer(code.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  if (answer.size() != 3 || answer[0] != '2') return fail(fmt::format("the webhook answered {}", answer));
  return {};
}

}  // namespace clawql::cli
