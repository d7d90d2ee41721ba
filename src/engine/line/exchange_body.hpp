// A POST whose body is one message: it is gathered whole, up to its limit, before anything of it is looked at.
#pragma once

#include <string>
#include <string_view>

#include "engine/line/exchange.hpp"

namespace clawql::engine::line {

class BodyExchange : public Exchange {
 protected:
  BodyExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel, ipc::StreamId stream,
               const ipc::Open& open);
  // The body came whole. It ends with the call.
  virtual void take_body(std::string_view body) = 0;

 private:
  void on_body(std::string_view bytes) final;
  void on_end() final;
  void check() final;
  bool too_large(std::size_t more);

  std::string body_;
  bool complete_ = false;
};

}  // namespace clawql::engine::line
