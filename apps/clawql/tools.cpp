// `clawql tools list|call`: an MCP client for people and scripts.
#include <CLI/CLI.hpp>
#include <memory>

#include "commands.hpp"
#include "json/document.hpp"
#include "json/writer.hpp"
#include "mcp_client.hpp"
#include "output.hpp"
#include "setup.hpp"

namespace clawql::cli {
namespace {

constexpr json::ParseLimits kAnswerLimits{.bytes = 32U << 20, .depth = 128};

struct Options {
  std::string config;
  std::string socket;
  bool as_json = false;
  std::string tool;
  std::string arguments = "{}";
  unsigned seconds = 300;
};

Result<McpClient> open_client(const Options& options) {
  CLAWQL_TRY(const Setup setup, set_up(options.config));
  return McpClient::open(gateway_sockets(setup, options.socket));
}

int list(const Options& options) {
  auto client = open_client(options);
  auto tools = client ? client->tools() : std::unexpected(client.error());
  if (!tools) {
    complain(tools.error().message);
    return kCouldNotTell;
  }
  if (options.as_json) {
    std::string out = "{\"tools\":[";
    for (std::size_t i = 0; i < tools->size(); ++i) out += (i == 0 ? "" : ",") + (*tools)[i];
    print(out + "]}\n");
    return kAsDeclared;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& tool : *tools) {
    const auto document = json::Document::parse(tool, kAnswerLimits);
    if (!document) continue;
    const std::string description = text_at(document->root(), "description");
    rows.push_back({printable(text_at(document->root(), "name"), 128),
                    printable(description.substr(0, description.find('\n')), 100)});
  }
  print(table(rows));
  return kAsDeclared;
}

// Text as it is for a person: line ends stay, everything else that a terminal would obey is escaped.
std::string content_text(const json::Value& item) {
  const std::string type = text_at(item, "type");
  if (type != "text") return "[" + printable(type, 32) + ", " + std::to_string(item.raw().size()) + " bytes]\n";
  const std::string text = text_at(item, "text");
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = rest.find('\n');
    out += printable(rest.substr(0, end), std::string_view::npos) + "\n";
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return out;
}

int call(const Options& options) {
  const auto arguments = json::Document::parse(options.arguments, kAnswerLimits);
  if (!arguments || !arguments->root().is(json::Kind::object)) {
    complain("the arguments are one JSON object, e.g. '{\"path\": \"/srv\"}'");
    return kCouldNotTell;
  }
  auto client = open_client(options);
  if (!client) {
    complain(client.error().message);
    return kCouldNotTell;
  }
  const std::string params = "{\"name\":" + json::quoted(options.tool) + ",\"arguments\":" + options.arguments + "}";
  const auto result = client->request("tools/call", params, std::chrono::seconds(options.seconds));
  if (!result) {
    complain(result.error().message);
    return kFindings;
  }
  const auto document = json::Document::parse(*result, kAnswerLimits);
  if (options.as_json) {
    print(*result + "\n");
  } else if (document) {
    for (const json::Value item : document->root().find("content").elements()) print(content_text(item));
    if (document->root().find("content").size() == 0 && document->root().find("structuredContent"))
      print(std::string(document->root().find("structuredContent").raw()) + "\n");
  }
  return document && document->root().find("isError").boolean().value_or(false) ? kFindings : kAsDeclared;
}

void add_common(CLI::App& command, const std::shared_ptr<Options>& options) {
  command.add_option("--config", options->config, "The gateway's configuration file, to find its socket");
  command.add_option("--socket", options->socket, "Its Unix socket");
  command.add_flag("--json", options->as_json, "As JSON");
}

}  // namespace

void add_tools(CLI::App& program, int& exit_status) {
  auto* command = program.add_subcommand("tools", "List and call tools through the gateway");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();

  auto* list_command = command->add_subcommand("list", "Names and descriptions");
  add_common(*list_command, options);
  list_command->callback([options, &exit_status] { exit_status = list(*options); });

  auto* call_command = command->add_subcommand("call", "Call one; exit 1 when it answers with an error");
  call_command->add_option("NAME", options->tool, "Its name, as `tools list` prints it")->required();
  call_command->add_option("ARGUMENTS", options->arguments, "A JSON object");
  call_command->add_option("--seconds", options->seconds, "How long to wait")->check(CLI::Range(1U, 86400U));
  add_common(*call_command, options);
  call_command->callback([options, &exit_status] { exit_status = call(*options); });
}

}  // namespace clawql::cli
