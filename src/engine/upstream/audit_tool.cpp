#include "engine/upstream/audit_tool.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "engine/upstream/indented_json.hpp"
#include "json/document.hpp"

namespace clawql::engine::upstream {
namespace {

using Kind = ArgumentSpec::Kind;
constexpr std::array kArguments{
    ArgumentSpec{"operation", Kind::text, 1, 16},      ArgumentSpec{"category", Kind::text, 1, 64},
    ArgumentSpec{"action", Kind::text, 1, 128},        ArgumentSpec{"summary", Kind::text, 1, 512},
    ArgumentSpec{"correlationId", Kind::text, 1, 128}, ArgumentSpec{"limit", Kind::integer, 1, 100},
};

constexpr std::string_view kTool =
    R"({"name":"audit","description":"The newest security events of this caller: calls, refusals, sessions. `list` shows )"
    R"(them newest last, `append` adds an entry of one's own, `clear` empties this view (never the audit log itself).",)"
    R"("inputSchema":{"type":"object","properties":{)"
    R"("operation":{"type":"string","enum":["append","list","clear"]},)"
    R"("category":{"type":"string","minLength":1,"maxLength":64},)"
    R"("action":{"type":"string","minLength":1,"maxLength":128},)"
    R"("summary":{"type":"string","minLength":1,"maxLength":512},)"
    R"("correlationId":{"type":"string","minLength":1,"maxLength":128},)"
    R"("limit":{"type":"integer","minimum":1,"maximum":100,"default":20}},)"
    R"("required":["operation"],"additionalProperties":false}})";

std::string text_of(json::Value value) {
  return value.string().value_or("");
}

void append_word(std::string& out, std::string_view word) {
  if (word.empty()) return;
  if (!out.empty()) out += ' ';
  out += word;
}

}  // namespace

std::span<const ArgumentSpec> AuditTool::arguments() {
  return kArguments;
}

std::string_view AuditTool::tool_json() {
  return kTool;
}

Result<std::string> AuditTool::run(const ToolArguments& arguments) {
  CLAWQL_CHECKED(arguments.need("of this tool", {"operation"}));
  const std::string_view operation = *arguments.text("operation");
  if (operation == "append") return append(arguments);
  if (operation == "list") return list(arguments.integer("limit").value_or(kDefaultLimit));
  if (operation == "clear") return clear();
  return fail("`operation` must be one of append, list, clear");
}

Result<std::string> AuditTool::append(const ToolArguments& arguments) {
  CLAWQL_CHECKED(arguments.need("append", {"category", "action", "summary"}));
  notes_.push_back({.timestamp = base::format_utc(clock_.wall_nanoseconds()),
                    .category = std::string(*arguments.text("category")),
                    .action = std::string(*arguments.text("action")),
                    .summary = std::string(*arguments.text("summary")),
                    .correlation_id = std::string(arguments.text("correlationId").value_or(""))});
  std::size_t dropped = 0;
  for (; notes_.size() > capacity_; ++dropped) notes_.pop_front();
  return IndentedJson().flag("ok", true).number("total", visible().size()).number("dropped", dropped).str();
}

// An event in the words of this tool. `json` was written by our own audit log.
AuditTool::Entry AuditTool::from_event(std::string_view json) {
  const auto document = json::Document::parse(json, {});
  if (!document) return {};
  const json::Value root = document->root();
  const json::Value event = root.find("event");
  std::string summary = text_of(event.find("outcome"));
  append_word(summary, text_of(root.find("server")));
  append_word(summary, text_of(root.find("tool")));
  append_word(summary, text_of(root.find("reason")));
  append_word(summary, text_of(root.find("detail")));
  return {.timestamp = text_of(root.find("timestamp")),
          .category = text_of(event.find("type")),
          .action = text_of(event.find("subtype")),
          .summary = std::move(summary),
          .correlation_id = text_of(root.find("call"))};
}

std::vector<AuditTool::Entry> AuditTool::visible() const {
  std::vector<Entry> events;
  for (const std::string& event : log_.recent(principal_, capacity_)) {
    Entry entry = from_event(event);
    if (entry.timestamp > cleared_at_) events.push_back(std::move(entry));
  }
  // Both are in order of time, and times are all of one form, so their texts sort as they do.
  std::vector<Entry> entries;
  std::ranges::merge(events, notes_, std::back_inserter(entries), {}, &Entry::timestamp, &Entry::timestamp);
  if (entries.size() > capacity_)
    entries.erase(entries.begin(), entries.end() - static_cast<std::ptrdiff_t>(capacity_));
  return entries;
}

std::string AuditTool::list(std::size_t limit) const {
  const std::vector<Entry> entries = visible();
  std::vector<IndentedJson> shown;
  for (std::size_t i = entries.size() - std::min(limit, entries.size()); i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    IndentedJson object;
    object.text("ts", entry.timestamp).text("category", entry.category).text("action", entry.action);
    object.text("summary", entry.summary);
    if (!entry.correlation_id.empty()) object.text("correlationId", entry.correlation_id);
    shown.push_back(std::move(object));
  }
  return IndentedJson()
      .flag("ok", true)
      .number("total", entries.size())
      .number("maxEntries", capacity_)
      .objects("entries", shown)
      .str();
}

std::string AuditTool::clear() {
  const std::size_t cleared = visible().size();
  notes_.clear();
  cleared_at_ = base::format_utc(clock_.wall_nanoseconds());
  return IndentedJson().flag("ok", true).number("cleared", cleared).str();
}

}  // namespace clawql::engine::upstream
