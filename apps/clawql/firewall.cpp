// clawql firewall: rules for the declared listeners, written and proved.
#include "firewall.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "commands.hpp"
#include "exposure/firewall/expected.hpp"
#include "exposure/firewall/render.hpp"
#include "files.hpp"
#include "output.hpp"
#include "setup.hpp"

namespace clawql::cli {
namespace {

void add_choice(CLI::App& command, ListenerChoice& choice) {
  auto* config = command.add_option("--config", choice.config, "The gateway's configuration file");
  command.add_option("--expected", choice.expected, "An expected-state file: any service of the host")
      ->excludes(config);
}

int run_render(const ListenerChoice& choice, const std::string& backend_name, const std::vector<std::string>& bridges) {
  const auto backend = fw::backend_of(backend_name);
  const auto chosen = listeners_of(choice);
  if (!chosen) {
    complain(chosen.error().message);
    return kCouldNotTell;
  }
  fw::RenderOptions options;
  if (!bridges.empty()) options.bridges = bridges;
  const auto text = fw::render(*backend, chosen->listeners, options);
  if (!text) {
    complain(text.error().message);
    return kCouldNotTell;
  }
  for (const std::string& skipped : chosen->skipped) complain("left out: " + skipped);
  print(*text);
  return kAsDeclared;
}

void add_render(CLI::App& firewall, int& exit_status) {
  auto* command = firewall.add_subcommand("render", "Rules for exactly the declared listeners, as text; needs no root");
  auto choice = std::make_shared<ListenerChoice>();
  auto backend = std::make_shared<std::string>();
  auto bridges = std::make_shared<std::vector<std::string>>();
  auto remove = std::make_shared<bool>(false);
  add_choice(*command, *choice);
  command->add_option("--backend", *backend, "nftables, iptables, ufw, firewalld or docker")
      ->required()
      ->check(CLI::IsMember({"nftables", "iptables", "ufw", "firewalld", "docker"}));
  command->add_option("--bridge", *bridges, "docker: the containers' bridges (default: docker0 and br-+)");
  command->add_flag("--remove", *remove, "What takes the rules away again, instead");
  command->callback([=, &exit_status] {
    if (!*remove) {
      exit_status = run_render(*choice, *backend, *bridges);
      return;
    }
    print(fw::render_removal(*fw::backend_of(*backend)));
    exit_status = kAsDeclared;
  });
}

void add_verify(CLI::App& firewall, int& exit_status) {
  auto* command =
      firewall.add_subcommand("verify", "Who gets through to each listener, computed whole, against who was declared");
  auto options = std::make_shared<VerifyOptions>();
  add_choice(*command, options->listeners);
  command->add_option("--nft", options->nft, "Offline: a file of `nft -j list ruleset`");
  command->add_option("--iptables-save", options->iptables, "Offline: a file of `iptables-save`");
  command->add_option("--ip6tables-save", options->ip6tables, "Offline: a file of `ip6tables-save`");
  command->add_option("--ufw", options->ufw, "Offline: ufw's user.rules");
  command->add_option("--ufw6", options->ufw6, "Offline: ufw's user6.rules");
  command->add_flag("--ufw-denies", options->ufw_denies,
                    "ufw's default for incoming packets is deny (else: assumed allow)");
  command->add_option("--firewalld-zone", options->zones,
                      "Offline: a zone or policy file of firewalld; may be given several times");
  auto* json = command->add_flag("--json", options->as_json, "As JSON");
  command->add_flag("--sarif", options->as_sarif, "As SARIF 2.1.0: the findings")->excludes(json);
  command->add_option("--state", options->state, "Folder that remembers what was applied")->capture_default_str();
  command->add_flag("--probe", options->probe,
                    "Also send real packets, from a temporary network namespace; needs root");
  command->callback([=, &exit_status] { exit_status = run_verify(*options); });
}

void add_changes(CLI::App& firewall, int& exit_status) {
  const auto add = [&](const char* name, const char* text, int (*run)(const ChangeOptions&), bool chooses,
                       bool renders) {
    auto* command = firewall.add_subcommand(name, text);
    auto options = std::make_shared<ChangeOptions>();
    command->add_option("--state", options->state, "Folder that remembers what was applied")->capture_default_str();
    if (chooses)
      command->add_option("--backend", options->backend, "nftables, iptables, ufw, firewalld or docker")
          ->required()
          ->check(CLI::IsMember({"nftables", "iptables", "ufw", "firewalld", "docker"}));
    if (chooses) command->add_flag("--yes", options->yes, "Do not ask");
    if (renders) {
      add_choice(*command, options->listeners);
      command->add_option("--bridge", options->bridges, "docker: the containers' bridges");
      command
          ->add_option("--rollback-after", options->rollback_seconds,
                       "Seconds until the change is undone, unless confirmed")
          ->check(CLI::Range(1U, 3600U))
          ->capture_default_str();
    }
    command->callback([=, &exit_status] { exit_status = run(*options); });
  };
  add("apply", "Apply the rules; they are taken back after a minute unless `confirm` comes", run_apply, true, true);
  add("confirm", "Keep what `apply` did", run_confirm, false, false);
  add("remove", "Take away all rules that `apply` or a rendered script made", run_remove, true, false);
}

}  // namespace

Result<ChosenListeners> listeners_of(const ListenerChoice& choice) {
  ChosenListeners out;
  if (!choice.expected.empty()) {
    CLAWQL_TRY(const std::string text, read_file(choice.expected));
    CLAWQL_TRY(fw::Expected expected, fw::read_expected(text, choice.expected));
    return ChosenListeners{std::move(expected.listeners), std::move(expected.skipped)};
  }
  CLAWQL_TRY(const Setup setup, set_up(choice.config));
  if (!setup.config_error.empty()) return fail(setup.config_error);
  for (const config::HttpListener& http : setup.config.http)
    for (const char* address : {"127.0.0.1", "::1"}) {
      fw::Listener listener;
      CLAWQL_CHECKED(fw::set_address(listener, address));
      listener.port = http.port;
      listener.device = "lo";
      listener.sources_declared = true;
      out.listeners.push_back(std::move(listener));
    }
  return out;
}

void add_firewall(CLI::App& program, int& exit_status) {
  auto* firewall =
      program.add_subcommand("firewall", "Host firewall rules for the declared listeners: written, applied, proved");
  firewall->require_subcommand(1);
  add_render(*firewall, exit_status);
  add_verify(*firewall, exit_status);
  add_changes(*firewall, exit_status);
}

}  // namespace clawql::cli
