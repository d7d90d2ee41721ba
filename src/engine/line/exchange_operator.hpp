// What the operator asks: /readyz, /metrics and, on the admin socket alone, /admin. The door lets each through only on
// the listeners that serve it; the admin socket is checked once more here.
#pragma once

#include "engine/line/exchange.hpp"
#include "engine/line/supervisor_link.hpp"

namespace clawql::engine::line {

class OperatorExchange final : public Exchange, private AdminSink {
 public:
  OperatorExchange(Line& line, Core& core, ExchangeStore& store, AdminDesk& desk, ipc::EngineChannel& channel,
                   ipc::StreamId stream, const ipc::Open& open);

 private:
  void on_body(std::string_view) override {}  // none is wanted, none is granted
  void on_end() override;
  void vanished() override;
  void on_admin_answer(const ipc::AdminAnswer& answer) override;
  void on_admin_silence() override;

  void ready();
  void metrics();
  void admin();
  void send_json(std::uint16_t status, std::string_view body);

  AdminDesk& desk_;
  ipc::Route route_;
  ipc::Method method_;
  std::string target_;
  std::uint64_t token_ = 0;  // of a question to the supervisor that is open
  bool is_status_ = false;
  bool asked_ = false;
};

}  // namespace clawql::engine::line
