// What the commands of `clawql firewall` share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "exposure/firewall/render.hpp"
#include "exposure/firewall/verify.hpp"

namespace clawql::cli {

namespace fw = exposure::firewall;

// Where the listeners come from.
struct ListenerChoice {
  std::string config;    // the gateway's configuration; empty: the default one, unless `expected` is named
  std::string expected;  // an expected-state file
};
struct ChosenListeners {
  std::vector<fw::Listener> listeners;
  std::vector<std::string> skipped;
};
Result<ChosenListeners> listeners_of(const ListenerChoice& choice);

struct ProgramOutput {
  int status = -1;  // 128 + signal where one ended it
  std::string output, errors;
};
// Searched in /usr/sbin, /sbin, /usr/bin and /bin alone; empty: not there.
std::string find_program(const std::string& name);
enum class InputPlace : std::uint8_t { standard, third };
// Runs it and waits; `input` is its stdin, or its descriptor 3. At most 64 MiB of output. `held`: a descriptor that
// stays open as long as it, or a program that it has started, lives.
Result<ProgramOutput> run_program(const std::string& path, const std::vector<std::string>& arguments,
                                  const std::string& input = {}, InputPlace place = InputPlace::standard,
                                  int held = -1);

// The rules and the host as they are now. Needs root.
Result<fw::RuleTexts> live_rules();
Result<fw::Topology> live_topology();

inline constexpr std::string_view kDefaultState = "/var/lib/clawql/firewall";

struct VerifyOptions {
  ListenerChoice listeners;
  std::string nft, iptables, ip6tables, ufw, ufw6;  // files; all empty: the live rules
  std::vector<std::string> zones;
  bool ufw_denies = false;  // DEFAULT_INPUT_POLICY is DROP or REJECT
  bool as_json = false;
  bool as_sarif = false;
  bool probe = false;
  std::string state = std::string(kDefaultState);
};
int run_verify(const VerifyOptions& options);

struct ChangeOptions {
  ListenerChoice listeners;
  std::string backend;
  std::string state = std::string(kDefaultState);  // folder
  unsigned rollback_seconds = 60;
  std::vector<std::string> bridges;
  bool yes = false;
};
int run_apply(const ChangeOptions& options);
int run_confirm(const ChangeOptions& options);
int run_remove(const ChangeOptions& options);
// Rolls back what a killed `apply` or a killed keeper left behind. Every command that changes begins with it.
Status finish_interrupted(const std::string& state);
// The backends that something was left behind of.
std::vector<std::string> interrupted_changes(const std::string& state);

// Real packets, from a neighbour that was made for it, against what the proof says.
Result<std::vector<fw::Finding>> probe(const std::vector<fw::Listener>& listeners, const fw::RuleTexts& texts);

}  // namespace clawql::cli
