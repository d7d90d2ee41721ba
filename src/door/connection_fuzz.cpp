// A client that sends anything, in pieces, over TCP or the Unix socket, to a whole DoorLoop with an engine that answers
// everything. Besides not crashing: who never names an allowed host is never answered 2xx and never reaches the engine.
#include "door/test_bench.hpp"

namespace clawql::door::test {
namespace {

bool names_an_allowed_host(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return has(text, "localhost") || has(text, "127.0.0.1") || has(text, "[::1]");
}

void answer_all(FakeEngine& engine, std::uint8_t how) {
  for (auto& seen : engine.seen) {
    if (seen->cancelled || seen->head_sent) continue;
    if ((how & 1) != 0) seen->grant(64 << 10);
    if (!seen->ended) continue;
    seen->head_sent = true;
    if ((how & 2) != 0) {
      seen->head({200, ipc::ContentType::event_stream, std::nullopt, {}});
      seen->data("data: 1\n\n");
      seen->end();
    } else {
      seen->answer_json("{}");
    }
  }
}

}  // namespace
}  // namespace clawql::door::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clawql::door;
  using namespace clawql::door::test;
  if (size < 3) return 0;
  const std::uint8_t how = data[0];
  const std::size_t piece = std::size_t{data[1]} + 1;
  const std::string text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool lines = (how & 4) != 0;
  Bench bench;
  FakeClient client = bench.connect(lines ? Listener::Kind::unix_socket : Listener::Kind::tcp);
  std::string answer;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    client.send(std::string_view(text).substr(at, piece));
    bench.settle();
    answer_all(bench.engine(), how);
    bench.settle();
    answer += client.read();
  }
  if ((how & 8) != 0) client.half_close();
  if ((how & 16) != 0) client.vanish();
  if ((how & 32) != 0) bench.engine().die();
  bench.pass(std::chrono::seconds(1));
  if (!lines && !names_an_allowed_host(text)) {
    CLAWQL_CHECK(!has(answer, "HTTP/1.1 2"));
    CLAWQL_CHECK(bench.engine().seen.empty());
  }
  return 0;
}
