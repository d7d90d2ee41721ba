#include "exposure/ports/diversions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "exposure/ports/text.hpp"
#include "json/document.hpp"

namespace clawql::exposure::ports {
namespace {

constexpr json::ParseLimits kLimits{.bytes = 64U << 20, .depth = 64, .values = 8'000'000};

// "?" where there is no such value: a rule of an unknown shape is still shown.
std::string plain(const json::Value& value) {
  if (!value) return "?";
  if (auto text = value.string()) return printable_bytes(*text);
  return printable_bytes(value.raw());
}

// "tcp dport 8080", "iifname \"eth0\""; what has no short form stands as its JSON.
std::string match_text(const json::Value& match) {
  const json::Value left = match.find("left");
  const json::Value payload = left.find("payload");
  const std::string op = match.find("op").string().value_or("==");
  std::string out;
  if (payload.find("field"))
    out = plain(payload.find("protocol")) + " " + plain(payload.find("field"));
  else if (left.find("meta"))
    out = plain(left.find("meta").find("key"));
  else
    out = plain(left);
  return out + (op == "==" ? " " : " " + op + " ") + plain(match.find("right"));
}

std::string target_text(const json::Value& target) {
  std::string out = target.find("addr") ? plain(target.find("addr")) : "";
  if (target.find("port")) out += ":" + plain(target.find("port"));
  return out.empty() ? "the same port here" : out;
}

struct Target {
  FindingId id;
  std::string text;
};

void read_rule(const json::Value& rule, Diversions& result) {
  std::string matches;
  std::vector<Target> targets;
  for (const json::Value& statement : rule.find("expr").elements()) {
    if (const auto match = statement.find("match")) matches += " " + match_text(match);
    if (const auto to = statement.find("dnat")) targets.push_back({FindingId::dnat, target_text(to)});
    if (const auto to = statement.find("redirect")) targets.push_back({FindingId::redirect, target_text(to)});
    if (const auto to = statement.find("tproxy")) targets.push_back({FindingId::transparent_proxy, target_text(to)});
    if (statement.find("xt")) result.foreign = true;
    // Stateless translation: `ip daddr set 10.0.0.1`, `tcp dport set 22`.
    const json::Value mangle = statement.find("mangle");
    const json::Value field = mangle.find("key").find("payload").find("field");
    if (field.equals("daddr") || field.equals("dport"))
      targets.push_back({FindingId::dnat, plain(field) + " set " + plain(mangle.find("value"))});
  }
  for (const Target& target : targets) {
    Finding finding;
    finding.id = target.id;
    finding.subject = fmt::format("nft {} {} {}:{} -> {}", plain(rule.find("family")), plain(rule.find("table")),
                                  plain(rule.find("chain")), matches, target.text);
    finding.text = "rule " + finding.subject + " (handle " + plain(rule.find("handle")) + ")";
    result.findings.push_back(std::move(finding));
  }
}

// The words of one line of iptables-save; quoted ones ("a \"b\"") are one word.
std::vector<std::string> save_words(std::string_view line) {
  std::vector<std::string> words;
  std::size_t i = 0;
  while (i < line.size()) {
    if (line[i] == ' ') {
      ++i;
      continue;
    }
    std::string word;
    bool quoted = false;
    for (; i < line.size() && (quoted || line[i] != ' '); ++i) {
      if (line[i] == '\\' && quoted && i + 1 < line.size())
        word += line[++i];
      else if (line[i] == '"')
        quoted = !quoted;
      else
        word += line[i];
    }
    words.push_back(std::move(word));
  }
  return words;
}

std::string word_after(const std::vector<std::string>& words, std::string_view option) {
  const auto found = std::ranges::find(words, option);
  return found == words.end() || found + 1 == words.end() ? "" : *(found + 1);
}

std::string without_comment(std::string_view line) {
  const auto words = save_words(line);
  std::string out;
  for (std::size_t i = 2; i < words.size(); ++i) {
    const bool comment_match = words[i] == "-m" && i + 1 < words.size() && words[i + 1] == "comment";
    if (comment_match || words[i] == "--comment")
      ++i;
    else
      out += " " + words[i];
  }
  return printable_bytes(out);
}

void read_append(std::string_view line, std::string_view table, std::string_view tool, Diversions& result) {
  const auto words = save_words(line);
  const std::string target = word_after(words, "-j");
  Finding finding;
  if (target == "DNAT" || target == "NETMAP")
    finding.id = FindingId::dnat;
  else if (target == "REDIRECT")
    finding.id = FindingId::redirect;
  else if (target == "TPROXY")
    finding.id = FindingId::transparent_proxy;
  else
    return;
  const std::string chain = words.size() > 1 ? words[1] : "";
  finding.subject =
      fmt::format("{} {} {}:{}", tool, printable_bytes(table), printable_bytes(chain), without_comment(line));
  finding.text = "rule " + finding.subject;
  if (finding.id == FindingId::dnat && chain == "DOCKER") {
    finding.id = FindingId::docker_published;
    std::string address = word_after(words, "-d");
    address = address.substr(0, address.find('/'));
    const std::string port = word_after(words, "--dport");
    finding.subject = docker_subject(word_after(words, "-p"), address.empty() ? "0.0.0.0" : address, port);
    finding.text += ": whoever reaches this host's port " + printable_bytes(port) + " reaches container " +
                    printable_bytes(word_after(words, "--to-destination"));
  }
  result.findings.push_back(std::move(finding));
}

void read_serve(const json::Value& config, std::vector<Finding>& result) {
  const auto port_of = [](const std::string& name) { return name.substr(name.rfind(':') + 1); };
  for (const auto& entry : config.find("TCP").members()) {
    const std::string port = plain(entry.key);
    std::string targets;
    if (const json::Value to = entry.value.find("TCPForward")) targets += " " + plain(to);
    for (const auto& site : config.find("Web").members()) {
      if (port_of(plain(site.key)) != port) continue;
      for (const auto& handler : site.value.find("Handlers").members())
        for (const std::string_view kind : {"Proxy", "Path", "Text"})
          if (const json::Value to = handler.value.find(kind))
            targets += " " + plain(handler.key) + "=" + (kind == "Text" ? "text" : plain(to));
    }
    Finding finding;
    finding.id = FindingId::tailscale_serve;
    for (const auto& site : config.find("AllowFunnel").members())
      if (port_of(plain(site.key)) == port && site.value.boolean().value_or(false))
        finding.id = FindingId::tailscale_funnel;
    finding.subject = fmt::format("tailscale {} tcp:{} ->{}",
                                  finding.id == FindingId::tailscale_funnel ? "funnel" : "serve", port, targets);
    finding.text = finding.subject;
    result.push_back(std::move(finding));
  }
  for (const std::string_view part : {"Foreground", "Services"})
    for (const auto& inner : config.find(part).members()) read_serve(inner.value, result);
}

}  // namespace

Result<Diversions> diversions_of_nft(std::string_view text) {
  const auto document = json::Document::parse(text, kLimits);
  if (!document)
    return fail(fmt::format("the rule set is no JSON at byte {}: {}", document.error().offset, document.error().why));
  const json::Value list = document->root().find("nftables");
  if (!list.is(json::Kind::array)) return fail("the rule set has no member `nftables`");
  Diversions result;
  for (const json::Value& item : list.elements())
    if (const json::Value rule = item.find("rule")) read_rule(rule, result);
  return result;
}

Result<Diversions> diversions_of_iptables(std::string_view save, std::string_view tool) {
  Diversions result;
  std::string_view table;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(save)) {
    ++number;
    if (line.empty() || line.starts_with('#') || line.starts_with(':')) continue;
    if (line.starts_with('*') && table.empty()) {
      table = line.substr(1);
    } else if (line == "COMMIT" && !table.empty()) {
      table = {};
    } else if (!table.empty() && (line.starts_with("-A ") || line.starts_with('['))) {
      // With counters: "[1:60] -A …".
      const auto begin = line.find("-A ");
      if (begin == std::string_view::npos) return fail(fmt::format("line {} is no rule", number));
      read_append(line.substr(begin), table, tool, result);
    } else {
      return fail(fmt::format("line {} of the saved rules is not understood", number));
    }
  }
  if (!table.empty()) return fail(fmt::format("table {} has no COMMIT: the text is cut", printable_bytes(table)));
  return result;
}

Result<std::vector<Finding>> served_by_tailscale(std::string_view text) {
  const auto document = json::Document::parse(text, kLimits);
  if (!document)
    return fail(fmt::format("serve-config is no JSON at byte {}: {}", document.error().offset, document.error().why));
  std::vector<Finding> result;
  if (document->root().is(json::Kind::object))
    read_serve(document->root(), result);
  else if (!document->root().is(json::Kind::null))
    return fail("serve-config is no object");
  return result;
}

std::string docker_subject(std::string_view protocol, std::string_view address, std::string_view port) {
  const bool any = address == "0.0.0.0" || address == "::";
  return fmt::format("docker {} {}:{}", printable_bytes(protocol), any ? "*" : printable_bytes(address),
                     printable_bytes(port));
}

}  // namespace clawql::exposure::ports
