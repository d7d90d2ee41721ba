// What every request costs before anything is decided: its head and its JSON, with simdjson beside ours in the same
// run. simdjson gets its padding and a parser that is used again; it compares no keys and keeps no slices, so it does
// less.
#include <benchmark/benchmark.h>
#include <simdjson.h>

#include "http/request.hpp"
#include "json/document.hpp"
#include "json/writer.hpp"

namespace {

using clawql::http::HeadParser;
using clawql::json::Document;

std::string tools_call() {
  return R"({"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"name":"github__create_issue","arguments":{)"
         R"("owner":"clawql","repo":"gateway","title":"A title of usual length","labels":["bug","urgent"],)"
         R"("body":"Some text with a \"quotation\" and\na line break, long enough to be usual for such a call."},)"
         R"("_meta":{"progressToken":7}}})";
}

std::string many_tools() {
  std::string text = R"({"jsonrpc":"2.0","id":1,"result":{"tools":[)";
  for (int i = 0; i < 200; ++i) {
    if (i > 0) text += ',';
    text +=
        R"({"name":"tool_)" + std::to_string(i) +
        R"(","description":"Does something useful with what it gets.",)"
        R"("inputSchema":{"type":"object","properties":{"path":{"type":"string","description":"Where"},)"
        R"("depth":{"type":"integer","minimum":0,"maximum":64}},"required":["path"],"additionalProperties":false}})";
  }
  return text + "]}}";
}

std::string long_text() {
  return R"({"content":[{"type":"text","text":")" + std::string(1U << 20, 'a') + R"("}]})";
}

std::string numbers() {
  std::string text = "[0.5";
  for (int i = 0; i < 100'000; ++i) text += ",-12." + std::to_string(i);
  return text + "]";
}

std::string text_of(std::int64_t which) {
  switch (which) {
    case 0: return tools_call();
    case 1: return many_tools();
    case 2: return long_text();
    default: return numbers();
  }
}

void report(benchmark::State& state, const std::string& text) {
  constexpr std::array<const char*, 4> kNames{"tools/call", "tools/list of 200", "1 MiB of text", "100,000 numbers"};
  state.SetLabel(kNames[static_cast<std::size_t>(state.range(0))]);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void ours(benchmark::State& state) {
  const std::string text = text_of(state.range(0));
  for (auto _ : state) {
    const auto document = Document::parse(text, {});
    if (!document) state.SkipWithError("refused");
    benchmark::DoNotOptimize(document->root().find("method"));
  }
  report(state, text);
}

void simdjson_dom(benchmark::State& state) {
  const simdjson::padded_string text(text_of(state.range(0)));
  simdjson::dom::parser parser;
  for (auto _ : state) {
    simdjson::dom::element root;
    if (parser.parse(text).get(root) != simdjson::SUCCESS) state.SkipWithError("refused");
    benchmark::DoNotOptimize(root);
  }
  report(state, std::string(std::string_view(text)));
}

// Every value looked at, as a gateway that believes nothing must; on-demand alone skips what is not asked for.
bool walk(simdjson::ondemand::value value) {
  switch (value.type().value()) {
    case simdjson::ondemand::json_type::array:
      for (auto element : value.get_array())
        if (!walk(element.value())) return false;
      return true;
    case simdjson::ondemand::json_type::object:
      for (auto member : value.get_object()) {
        benchmark::DoNotOptimize(member.unescaped_key().value());
        if (!walk(member.value())) return false;
      }
      return true;
    case simdjson::ondemand::json_type::string: return value.get_string().error() == simdjson::SUCCESS;
    case simdjson::ondemand::json_type::number: return value.get_number().error() == simdjson::SUCCESS;
    case simdjson::ondemand::json_type::boolean: return value.get_bool().error() == simdjson::SUCCESS;
    case simdjson::ondemand::json_type::null: return value.is_null();
  }
  return false;
}

void simdjson_on_demand_walked(benchmark::State& state) {
  const simdjson::padded_string text(text_of(state.range(0)));
  simdjson::ondemand::parser parser;
  for (auto _ : state) {
    simdjson::ondemand::document document;
    if (parser.iterate(text).get(document) != simdjson::SUCCESS) state.SkipWithError("refused");
    if (!walk(document.get_value().value())) state.SkipWithError("refused");
  }
  report(state, std::string(std::string_view(text)));
}

BENCHMARK(ours)->DenseRange(0, 3);
BENCHMARK(simdjson_dom)->DenseRange(0, 3);
BENCHMARK(simdjson_on_demand_walked)->DenseRange(0, 3);

// Whatever an attacker writes, a byte costs about the same.
void ours_hostile(benchmark::State& state) {
  std::string text = "[1";
  switch (state.range(0)) {
    case 0:
      while (text.size() < (2U << 20)) text += ",1";
      text += "]";
      state.SetLabel("[1,1,1…");
      break;
    case 1:
      text = "{\"k\":0";
      for (int i = 0; text.size() < (2U << 20); ++i) text += ",\"\\u0061" + std::to_string(i) + "\":1";
      text += "}";
      state.SetLabel("one object, keys with escapes");
      break;
    default:
      for (int i = 0; text.size() < (2U << 20); ++i) {
        text += i == 0 ? ",{" : "},{";
        for (int k = 0; k < 24; ++k) text += (k == 0 ? "\"a" : ",\"a") + std::to_string(100 + k) + "a\":1";
      }
      text += "}]";
      state.SetLabel("objects of 24 keys of one length");
  }
  for (auto _ : state)
    if (!Document::parse(text, {})) state.SkipWithError("refused");
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(ours_hostile)->DenseRange(0, 2);

void quote(benchmark::State& state) {
  const std::string text(static_cast<std::size_t>(state.range(0)), 'a');
  std::string out;
  for (auto _ : state) {
    out.clear();
    clawql::json::append_string(out, text);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(quote)->Arg(20)->Arg(4096);

constexpr std::string_view kHead =
    "POST /mcp HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: application/json\r\n"
    "Accept: application/json, text/event-stream\r\nAuthorization: Bearer 0123456789abcdef0123456789abcdef\r\n"
    "Mcp-Session-Id: 0123456789abcdef0123456789abcdef\r\nMCP-Protocol-Version: 2025-11-25\r\n"
    "User-Agent: node\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nContent-Length: 280\r\n\r\n";

void head(benchmark::State& state) {
  HeadParser parser(clawql::http::HeadLimits{});
  for (auto _ : state) {
    auto result = parser.parse(kHead);
    if (!std::holds_alternative<HeadParser::Done>(result)) state.SkipWithError("refused");
    benchmark::DoNotOptimize(result);
    parser.reset();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kHead.size()));
}
BENCHMARK(head);

void chunked_body(benchmark::State& state) {
  std::string text;
  for (int i = 0; i < 16; ++i) clawql::http::append_chunk(text, std::string(1000, 'a'));
  text += clawql::http::kLastChunk;
  for (auto _ : state) {
    clawql::http::BodyDecoder decoder({.kind = clawql::http::Framing::Kind::chunked, .length = 0}, 1U << 20);
    std::string_view rest = text;
    while (!decoder.done()) rest.remove_prefix(decoder.decode(rest)->consumed);
    benchmark::DoNotOptimize(rest);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(chunked_body);

}  // namespace
