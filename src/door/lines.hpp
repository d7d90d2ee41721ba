// Newline JSON on the Unix socket: the connection is one two-way stream to one shard, and is the session. The door
// looks at nothing in it: bytes go over under credit, at most 64 KiB wait here, answers are written as they come. The
// engine cuts lines and limits them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "door/client.hpp"
#include "door/handover.hpp"

namespace clawql::door {

class Lines final : public Protocol, private ipc::DoorStreamHandler, private ShardLink::Waiter {
 public:
  explicit Lines(Client& client) : client_(client) {}

 private:
  void received(std::string_view bytes) override;
  void half_closed() override;
  void drained() override { call_.client_took_all(); }
  void expired() override;
  void wind_up() override;
  void client_gone() override;
  void on_head(const ipc::Head&) override {}
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_reset(base::Reason reason) override;
  void on_body_credit(std::uint32_t bytes) override;
  void on_chance() override { start(); }

  void start();
  void send();
  void leave_the_queue();

  Client& client_;
  Call call_;
  ShardLink* link_ = nullptr;
  std::string kept_;  // bytes of the client that wait for credit, or for an engine
  std::uint64_t credit_ = 0;
  bool started_ = false;
  bool line_seen_ = false;      // one complete line came: no longer first to go when room is needed
  bool ends_ = false;           // the client half-closed, or we wind up: end() follows what is kept
  bool request_ended_ = false;  // end() was sent
};

}  // namespace clawql::door
