// Hostile bytes from the other process, in both directions: the first byte chooses the end under attack and how many
// streams it has open.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "ipc/channel.hpp"
#include "ipc/control.hpp"

namespace clawql::ipc {
namespace {

struct Sink : DoorStreamHandler, EngineStreamHandler, DoorChannel::Handler, EngineChannel::Handler {
  void on_head(const Head&) override {}
  void on_data(std::string_view) override {}
  void on_reset(base::Reason) override {}
  void on_body_credit(std::uint32_t) override {}
  void on_body(std::string_view) override {}
  void on_end() override {}
  void on_cancel() override {}
  void on_half_closed() override {}
  void on_room() override {}
  void on_closed(Error) override {}
  void on_refusals(const std::vector<RefusalCount>&) override {}
  EngineStreamHandler& on_open(EngineChannel& channel, StreamId stream, const Open&) override {
    if (stream % 3 == 0) {
      channel.head(stream, {});
      channel.data(stream, std::string(70'000, 'x'));
    }
    if (stream % 3 == 1) channel.grant_body(stream, 1000);
    if (stream % 6 == 0) channel.end(stream);
    return *this;
  }
};

void attack(const std::uint8_t* data, std::size_t size) {
  static const base::SystemClock clock;
  static io::Loop loop(clock);
  Sink sink;
  auto pair = make_channel_pair();
  std::unique_ptr<DoorChannel> door;
  std::unique_ptr<EngineChannel> engine;
  if ((data[0] & 1U) == 0) {
    door = std::make_unique<DoorChannel>(loop, std::move(pair->first), sink);
    for (unsigned i = 0; i < (data[0] >> 4U); ++i) {
      Open open;
      open.has_body = i % 2 == 0;
      door->open(open, sink);
    }
    if ((data[0] & 2U) != 0 && (data[0] >> 4U) > 0) door->cancel(0);
  } else {
    engine = std::make_unique<EngineChannel>(loop, std::move(pair->first), sink);
  }
  [[maybe_unused]] const auto written = ::write(pair->second.get(), data + 1, size - 1);
  pair->second.reset();
  for (int i = 0; i < 4; ++i) loop.poll();
}

}  // namespace
}  // namespace clawql::ipc

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) clawql::ipc::attack(data, size);
  return 0;
}
