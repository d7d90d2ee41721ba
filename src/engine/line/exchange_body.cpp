#include "engine/line/exchange_body.hpp"

#include <utility>

namespace clawql::engine::line {
namespace {

constexpr std::uint32_t kBodyWindow = 256U << 10;

}  // namespace

BodyExchange::BodyExchange(Line& line, Core& core, ExchangeStore& store, ipc::EngineChannel& channel,
                           ipc::StreamId stream, const ipc::Open& open)
    : Exchange(line, core, store, channel, stream, open), body_(open.first_body) {
  // Most bodies are here whole, and their end comes in the same turn: credit would be a frame for nothing.
  if (open.has_body) check_later();
}

// identify is done: grant body.
void BodyExchange::check() {
  if (!complete_) grant_up_to(kBodyWindow);
}

bool BodyExchange::too_large(std::size_t more) {
  if (body_.size() + more <= core_.limits.request_body) return false;
  line_.count_refusal(who_, nullptr, base::Reason::body_too_large, "message", {});
  complete_ = true;
  reset(base::Reason::body_too_large);  // the door answers and closes: the rest of the body is not read
  return true;
}

void BodyExchange::on_body(std::string_view bytes) {
  if (closed_ || complete_ || too_large(bytes.size())) return;
  body_.append(bytes);
  body_came(bytes.size());
  grant_up_to(kBodyWindow);
}

void BodyExchange::on_end() {
  if (closed_ || std::exchange(complete_, true) || too_large(0)) return;
  take_body(body_);
  std::string().swap(body_);  // `= {}` would keep the memory for as long as the call runs
}

}  // namespace clawql::engine::line
