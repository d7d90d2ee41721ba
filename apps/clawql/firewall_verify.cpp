// clawql firewall verify.
#include <algorithm>
#include <array>

#include "commands.hpp"
#include "exposure/firewall/offline.hpp"
#include "exposure/ports/sarif.hpp"
#include "files.hpp"
#include "firewall.hpp"
#include "json/writer.hpp"
#include "output.hpp"

namespace clawql::cli {
namespace {

struct Rules {
  fw::RuleTexts texts;
  fw::Topology topology;
  std::vector<fw::Finding> findings;
};

bool is_offline(const VerifyOptions& options) {
  return !options.nft.empty() || !options.iptables.empty() || !options.ip6tables.empty() || !options.ufw.empty() ||
         !options.ufw6.empty() || !options.zones.empty();
}

Result<Rules> offline_rules(const VerifyOptions& options) {
  Rules out;
  if (!options.nft.empty()) {
    CLAWQL_TRY(out.texts.nft, read_file(options.nft));
  }
  const auto add = [&out](const std::string& file, const char* tool, fw::Family family) -> Status {
    if (file.empty()) return {};
    CLAWQL_TRY(std::string text, read_file(file));
    out.texts.saves.push_back({std::move(text), tool, family});
    return {};
  };
  CLAWQL_CHECKED(add(options.iptables, "iptables", fw::Family::ipv4));
  CLAWQL_CHECKED(add(options.ip6tables, "ip6tables", fw::Family::ipv6));
  const auto add_ufw = [&](const std::string& file, fw::Family family) -> Status {
    if (file.empty()) return {};
    CLAWQL_TRY(const std::string text, read_file(file));
    CLAWQL_TRY(std::string whole, fw::ufw_as_save(text, family, options.ufw_denies));
    out.texts.saves.push_back({std::move(whole), "ufw " + file, family});
    return {};
  };
  CLAWQL_CHECKED(add_ufw(options.ufw, fw::Family::ipv4));
  CLAWQL_CHECKED(add_ufw(options.ufw6, fw::Family::ipv6));
  if (!options.zones.empty()) {
    std::vector<std::pair<std::string, std::string>> zones;
    for (const std::string& file : options.zones) {
      CLAWQL_TRY(std::string text, read_file(file));
      zones.emplace_back(file, std::move(text));
    }
    for (const fw::Family family : {fw::Family::ipv4, fw::Family::ipv6}) {
      CLAWQL_TRY(std::string save, fw::firewalld_as_save(zones, family));
      out.texts.saves.push_back({std::move(save), "firewalld", family});
    }
  }
  return out;
}

// The set itself: what is not in a member is not restricted by it. Interfaces are the 16 bytes of their names in hex,
// so that "all that begin with eth" is a range, too.
std::string number_json(fw::Field field, fw::Family family, fw::Number number) {
  using enum fw::Field;
  if (field == source || field == destination || field == original_destination)
    return json::quoted(fw::address_text(family, number));
  if (field != in_interface && field != out_interface) return std::to_string(static_cast<unsigned>(number));
  std::string hex;
  for (int shift = 124; shift >= 0; shift -= 4) hex += "0123456789abcdef"[static_cast<unsigned>(number >> shift & 15)];
  return json::quoted(hex);
}

std::string flow_json(const fw::Flow& flow, fw::Family family) {
  using enum fw::Field;
  const auto member = [&](std::string_view name, fw::Field field) {
    const fw::IntervalSet& values = flow.box[field];
    if (values == fw::all_of(field, family)) return std::string();
    std::string out = "," + json::quoted(name) + ":[";
    for (std::size_t i = 0; i < values.intervals().size(); ++i)
      out += std::string(i ? "," : "") + "[" + number_json(field, family, values.intervals()[i].first) + "," +
             number_json(field, family, values.intervals()[i].last) + "]";
    return out + "]";
  };
  std::string out = member("interfaces", in_interface) + member("out_interfaces", out_interface) +
                    member("sources", source) + member("source_ports", source_port) +
                    member("sent_to", flow.address_kept ? destination : original_destination) +
                    member("sent_to_ports", flow.port_kept ? destination_port : original_destination_port);
  return "{" + (out.empty() ? out : out.substr(1)) + "}";
}

std::string listener_json(const fw::ListenerProof& proof) {
  std::string out = "{\"listener\":" + json::quoted(proof.listener.name()) + ",\"reached\":[";
  bool first = true;
  for (const std::string& line : proof.lines) {
    out += (first ? "" : ",") + json::quoted(line);
    first = false;
  }
  out += "],\"ways\":[";
  first = true;
  for (const fw::Reach& reach : proof.reaches) {
    out += std::string(first ? "" : ",") +
           "{\"family\":" + (reach.family == fw::Family::ipv4 ? "\"ipv4\"" : "\"ipv6\"") +
           ",\"forwarded\":" + (reach.forwarded ? "true" : "false") + ",\"endpoint\":" + json::quoted(reach.endpoint) +
           ",\"from\":[";
    for (std::size_t i = 0; i < reach.lines.size(); ++i) out += (i ? "," : "") + json::quoted(reach.lines[i]);
    out += "],\"set\":[";
    for (std::size_t i = 0; i < reach.flows.size(); ++i)
      out += (i ? "," : "") + flow_json(reach.flows[i], reach.family);
    out += "],\"established\":[";
    for (std::size_t i = 0; i < reach.established.size(); ++i)
      out += (i ? "," : "") + flow_json(reach.established[i], reach.family);
    out += "]}";
    first = false;
  }
  return out + "]}";
}

std::string finding_json(const fw::Finding& finding) {
  return "{\"id\":" + json::quoted(finding.id) + ",\"severity\":" + json::quoted(finding.severity) +
         ",\"listener\":" + json::quoted(finding.listener) + ",\"text\":" + json::quoted(finding.text) +
         ",\"remedy\":" + json::quoted(finding.remedy) + "}";
}

std::string as_json(const fw::Proof& proof, bool offline) {
  std::string out = std::string("{\"offline\":") + (offline ? "true" : "false") +
                    ",\"complete\":" + (proof.complete ? "true" : "false") + ",\"listeners\":[";
  for (std::size_t i = 0; i < proof.listeners.size(); ++i) out += (i ? "," : "") + listener_json(proof.listeners[i]);
  out += "],\"findings\":[";
  for (std::size_t i = 0; i < proof.findings.size(); ++i) out += (i ? "," : "") + finding_json(proof.findings[i]);
  return out + "]}\n";
}

// The rules are those that were broken, and the place is the file that declares the listeners.
std::string as_sarif(const fw::Proof& proof, const ListenerChoice& choice) {
  namespace ports = exposure::ports;
  constexpr std::array kSeverities{ports::Severity::info, ports::Severity::low, ports::Severity::medium,
                                   ports::Severity::high, ports::Severity::critical};
  std::vector<ports::SarifRule> rules;
  std::vector<ports::SarifResult> results;
  for (const fw::Finding& finding : proof.findings) {
    const auto named = std::ranges::find(kSeverities, finding.severity, ports::name_of);
    const ports::Severity severity = named == kSeverities.end() ? ports::Severity::high : *named;
    if (std::ranges::find(rules, finding.id, &ports::SarifRule::id) == rules.end())
      rules.push_back({finding.id, severity, finding.id, finding.remedy});
    const std::string where = finding.listener.empty() ? "" : finding.listener + ": ";
    results.push_back({finding.id, severity, where + finding.text + ". " + finding.remedy, 1,
                       finding.id + " " + finding.listener + " " + finding.text});
  }
  const std::string& file = choice.expected.empty() ? choice.config : choice.expected;
  return ports::sarif_log("clawql firewall", rules, results, file.empty() ? "clawql.yaml" : file);
}

std::string as_text(const fw::Proof& proof, bool offline) {
  std::string out;
  if (offline)
    out += "Computed from files: this host's addresses, forwarding and route_localnet (assumed off) are not known.\n";
  for (const fw::ListenerProof& one : proof.listeners) {
    out += one.listener.name() + " is reached\n";
    for (const std::string& line : one.lines) out += "  " + printable(line, 1000) + "\n";
  }
  for (const fw::Finding& finding : proof.findings)
    out += finding.severity + "  " + finding.id + "\n  " + printable(finding.text, 1500) + "\n  → " + finding.remedy +
           "\n";
  return out;
}

int judge(const fw::Proof& proof) {
  if (!proof.complete) return kCouldNotTell;
  const bool any = std::ranges::any_of(proof.findings, [](const fw::Finding& one) { return one.severity != "info"; });
  return any ? kFindings : kAsDeclared;
}

Result<fw::Proof> prove(const VerifyOptions& options, bool offline) {
  CLAWQL_TRY(const ChosenListeners chosen, listeners_of(options.listeners));
  Rules rules;
  if (offline) {
    CLAWQL_TRY(rules, offline_rules(options));
  } else {
    CLAWQL_TRY(rules.topology, live_topology());
    CLAWQL_TRY(rules.texts, live_rules());
  }
  CLAWQL_TRY(fw::Proof proof, fw::verify(chosen.listeners, rules.texts, rules.topology));
  if (!offline)
    for (const std::string& backend : interrupted_changes(options.state))
      proof.findings.push_back({"firewall.change-unfinished", "medium",
                                "a change of " + backend + " was interrupted, and the rules are between two states",
                                "The next `clawql firewall confirm` finishes it; `apply` and `remove` take it back.",
                                ""});
  if (options.probe) {
    CLAWQL_TRY(std::vector<fw::Finding> disagreements, probe(chosen.listeners, rules.texts));
    std::ranges::move(disagreements, std::back_inserter(proof.findings));
  }
  return proof;
}

}  // namespace

int run_verify(const VerifyOptions& options) {
  const bool offline = is_offline(options);
  if (offline && options.probe) {
    complain("--probe sends packets to this host: it does not go with offline files");
    return kCouldNotTell;
  }
  const auto proof = prove(options, offline);
  if (!proof) {
    complain(proof.error().message);
    return kCouldNotTell;
  }
  if (options.as_sarif)
    print(as_sarif(*proof, options.listeners));
  else
    print(options.as_json ? as_json(*proof, offline) : as_text(*proof, offline));
  return judge(*proof);
}

}  // namespace clawql::cli
